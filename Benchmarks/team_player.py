"""Plays the calls of `workday` against one base address, each actor a thread with one connection, and judges every answer
by what the team knows at the time: what has been deleted, started, and what must have ended."""

import base64, collections, http.client, json, threading, time, uuid

from workday import RUN_TIME, STATUS_POLL

V1 = "application/vnd.bentley.itwin-platform.v1+json"
V2 = "application/vnd.bentley.itwin-platform.v2+json"
# What upstream calls itself in links; where the answers' links are not rewritten the tools have to.
UPSTREAM_BASES = {"https://dev-api.bentley.com/apis/clash-detection-v2/operations": "/clash-detection",
                  "https://api.bentley.com/clashdetection": "/clashdetection"}


def entity(text):
    """The GUID that a v2 id is, or that a v1 id ends with."""
    if len(text) == 36:
        return text.lower()
    return str(uuid.UUID(bytes_le=base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))[-16:]))


def legacy_id(itwin, guid):
    return base64.urlsafe_b64encode(uuid.UUID(itwin).bytes_le + uuid.UUID(guid).bytes_le).decode().rstrip("=")


class World:
    """Everything that holds for a run of one candidate; what has happened is known from answers alone."""

    def __init__(self, port, seeded, squeeze, headers=(), rewritten=False, waits=False):
        """`waits`: dashboards and builders wait for changes instead of polling. `seeded`: for each iTwin its id, `reports` (newest first), `tests`, a `repository` and a `changeset`."""
        self.port, self.seeded, self.squeeze, self.headers, self.rewritten = port, seeded, squeeze, dict(headers), rewritten
        self.lock, self.waits = threading.Lock(), waits
        self.seen = []  # for each run that was followed: seconds from its end to when that was seen
        self.runs = {}  # reference: GUID
        self.deleting, self.deleted = {}, {}  # GUID: when the delete was asked for, answered
        self.started = {}  # GUID: (when the start was answered, iTwin)
        self.rows = []  # one for each answer, see `Tool.call`
        self.walks = collections.Counter()

    def play(self, actors):
        self.began = time.time() + 0.5
        self.end = self.began + (max(a.at for actor in actors for a in actor.actions) + RUN_TIME) / self.squeeze
        tools = [Tool(self, actor) for actor in actors]
        if self.waits:
            tools += [Watcher(self, actor) for actor in actors if actor.name.startswith("dashboard")]
        for tool in tools:
            tool.start()
        for tool in tools:
            tool.join()
        return [tool.broke for tool in tools if tool.broke]

    def guid(self, itwin, ref):
        kind, number = ref
        return self.seeded[itwin]["reports"][number] if kind == "seed" else self.runs.get(ref)


class Tool(threading.Thread):
    def __init__(self, world, actor):
        super().__init__(name=actor.name, daemon=True)
        self.world, self.actor, self.broke = world, actor, None
        self.known = {}  # target: (ETag, what it shows)
        self.connection, self.used = http.client.HTTPConnection("127.0.0.1", world.port, timeout=90), 0

    def run(self):
        try:
            for action in self.actions():
                due = self.world.began + action.at / self.world.squeeze
                time.sleep(max(0, due - time.time()))
                self.lag = time.time() - due
                self.act(action)
        except Exception as error:  # a defect of the benchmark or of the answers: the run does not count
            self.broke = f"{self.name}: {type(error).__name__}: {error}"
        finally:
            self.connection.close()

    def actions(self):
        """Those that a watcher does not take over."""
        if self.world.waits and self.name.startswith("dashboard"):
            return [a for a in self.actor.actions if a.kind not in ("list", "detail", "runs-v1", "run-v1")]
        return self.actor.actions

    # What people and scripts do

    def act(self, action):
        itwin = self.world.seeded[action.itwin]
        v2, project = f"/clash-detection/itwins/{itwin['id']}", f"projectId={itwin['id']}"
        guid = action.ref and self.world.guid(action.itwin, action.ref)
        if action.ref and not guid and not action.kind.startswith("start"):
            return  # a run that has not been started yet, or could not be
        legacy = guid and legacy_id(itwin["id"], guid)
        match action.kind:
            case "list": self.get("reports, first page", f"{v2}/reports", newest_of=itwin)
            case "detail": self.get("report", f"{v2}/reports/{guid}")
            case "tests": self.get("tests, first page", f"{v2}/tests?$top=10")
            case "templates": self.get("templates", f"{v2}/suppression-templates")
            case "runs-v1": self.get("runs (v1)", f"/clashdetection/runs?{project}", newest_of=itwin)
            case "run-v1": self.get("run (v1)", f"/clashdetection/runs/{legacy}")
            case "tests-v1": self.get("tests, first page (v1)", f"/clashdetection/tests?{project}&$top=10")
            case "walk-reports": self.walk("reports, walked", f"{v2}/reports", itwin)
            case "walk-tests": self.walk("tests, walked", f"{v2}/tests?$top={self.actor.top or 10}")
            case "walk-v1":
                self.get("runs (v1)", f"/clashdetection/runs?{project}", newest_of=itwin)
                self.walk("tests, walked (v1)", f"/clashdetection/tests?{project}&$top=10")
            case "export":
                for shown in sorted(self.walk("reports, walked", f"{v2}/reports", itwin) - {itwin["reports"][-1]}):
                    self.get("report", f"{v2}/reports/{shown}")
            case "start" | "start-v1": self.start_run(action, itwin, v2)
            case "follow":
                target, waits = f"{v2}/reports/{guid}", self.world.waits
                while self.get("report of a run", target, waits=waits).get("status") == 0 and time.time() < self.world.end:
                    if not waits:
                        time.sleep(STATUS_POLL / self.world.squeeze)
                with self.world.lock:
                    if guid in self.world.started and time.time() < self.world.end:
                        ended = self.world.started[guid][0] + RUN_TIME / self.world.squeeze
                        self.world.seen.append(max(0, time.time() - ended))
            case "delete" | "delete-v1":
                with self.world.lock:
                    self.world.deleting[guid] = time.time()
                if action.kind == "delete":
                    body = {"jobs": [guid], "operation": "delete"}
                    status, _ = self.call("delete", "POST", f"{v2}/reports/jobs/deletion", body)
                else:
                    status, _ = self.call("delete", "DELETE", f"/clashdetection/runs/{legacy}")
                if status in (202, 204, 404):
                    with self.world.lock:
                        self.world.deleted[guid] = time.time()

    def start_run(self, action, itwin, v2):
        test, model = itwin["tests"][action.number % len(itwin["tests"])], itwin["repository"]
        if action.kind == "start":
            job = {"testId": test, "iModelId": model}
            status, answer = self.call("start", "POST", f"{v2}/runs/jobs", {"jobs": [job], "operation": "run"})
            guid = answer["runs"][0]["clashReportId"] if status == 200 else None
        else:
            body = {"testId": legacy_id(itwin["id"], test), "iModelId": model, "namedVersionId": itwin["changeset"]}
            status, answer = self.call("start", "POST", "/clashdetection/runs", body)
            guid = entity(answer["run"]["id"]) if status == 201 else None
        if guid:
            with self.world.lock:
                self.world.started[guid] = (time.time(), itwin["id"])
                self.world.runs[action.ref] = guid

    def walk(self, kind, target, itwin=None):
        """All pages; for reports, whether a row came twice or was missing that was there all the time."""
        began, shown = time.time(), []
        if self.actor.top and "$top" not in target:
            target += f"?$top={self.actor.top}"
        while target:
            page = self.get(kind, target)
            shown += page.get("ids", [])
            target = page.get("next")
        if itwin:
            with self.world.lock:
                there = {*itwin["reports"], *(g for g, (at, i) in self.world.started.items() if at < began and i == itwin["id"])}
                missing = there - {*self.world.deleting} - {*shown}
            self.world.walks["walks"] += 1
            self.world.walks["torn"] += bool(missing) or len(shown) > len({*shown})
        return {*shown}

    # One call

    def get(self, kind, target, newest_of=None, waits=False):
        """What a page shows: `ids` of reports, `next` to follow, `status` of a single report."""
        return self.call(kind, "GET", target, newest_of=newest_of, waits=waits)[1]

    def call(self, kind, method, target, body=None, newest_of=None, waits=False):
        headers = {"Accept": V1 if target.startswith("/clashdetection") else V2, **self.world.headers}
        if "/tests" in target:
            headers["configType"] = "2"
        if self.actor.metadata:
            headers["Include-User-Metadata"] = "true"
        etag, shown = self.known.get(target, (None, {}))
        if etag and (self.actor.conditional or waits) and method == "GET":
            headers["If-None-Match"] = etag
            if waits:
                headers["Prefer"] = f"wait={max(1, 60 // self.world.squeeze)}"
        if body is not None:
            body, headers["Content-Type"] = json.dumps(body), "application/json"
        if time.time() - self.used > 20:
            self.connection.close()  # before the other side does; opens by itself
        began, timer = time.time(), time.perf_counter()
        self.connection.request(method, target.replace("$", "%24") if self.actor.top else target, body, headers)
        answer = self.connection.getresponse()
        data = answer.read()
        self.used = time.time()
        row = {"actor": self.name, "at": round(began - self.world.began, 4), "kind": kind, "method": method, "target": target,
               "status": answer.status, "ms": round((time.perf_counter() - timer) * 1000, 3), "bytes": len(data),
               "cache": answer.getheader("Cache-Status", ""), "age": "", "wrong": "", "misses_run": "", "late": "",
               "lag": round(self.lag, 3)}
        answered, _, took = (answer.getheader("X-Snapshot") or "").partition("-")
        if answered and method == "GET":
            row["age"] = max(0, round(began - (float(answered) - float(took)), 3))
        if method != "GET":
            shown = json.loads(data) if data else {}
        elif answer.status == 200:
            shown = self.read(target, data)
            self.known[target] = (answer.getheader("ETag"), shown)
        elif answer.status != 304:
            shown = {}
        if method == "GET" and shown:
            self.judge(row, shown, began, newest_of)
        self.world.rows.append(row)
        return answer.status, shown

    def read(self, target, data):
        page = json.loads(data)
        path = target.partition("?")[0]
        if "metadata" in page or "run" in page:
            status = page["metadata"]["status"] if "metadata" in page else page["run"].get("status")
            return {"ids": [entity(path.rpartition("/")[2])], "status": 0 if status == "started" else status}
        link = (page.get("_links") or {}).get("next")
        return {"ids": [entity(row["id"]) for row in page.get("reports") or page.get("runs") or []],
                "open": [row["id"] for row in page.get("reports", []) if row["status"] == 0],
                "next": self.follow(link["href"]) if link else None}

    def follow(self, href):
        own = f"http://127.0.0.1:{self.world.port}"
        if self.world.rewritten:
            if not href.startswith(own):
                raise ValueError(f"a link leads past the proxy: {href}")
            return href[len(own):]
        for base, path in UPSTREAM_BASES.items():
            if href.startswith(base):
                return path + href[len(base):]
        raise ValueError(f"a link leads elsewhere: {href}")

    def judge(self, row, shown, began, newest_of):
        """Seconds since the delete was answered whose report is still shown; since a run had ended that is shown as going on."""
        with self.world.lock:
            since = [began - self.world.deleted[i] for i in shown["ids"] if self.world.deleted.get(i, began) < began]
            run_ends = lambda i: self.world.started[i][0] + RUN_TIME / self.world.squeeze
            open_ids = shown["ids"] if shown.get("status") == 0 else shown.get("open", [])
            late = [began - run_ends(i) for i in open_ids if i in self.world.started and run_ends(i) < began]
            if newest_of:
                runs = [(at, i) for i, (at, itwin) in self.world.started.items()
                        if at < began and itwin == newest_of["id"] and i not in self.world.deleting]
                row["misses_run"] = int(bool(runs) and max(runs)[1] not in shown["ids"])
        row["wrong"] = round(max(since), 3) if since else ""
        row["late"] = round(max(late), 3) if late else ""


class Watcher(Tool):
    """A dashboard that waits for its list to change, and reads what it shows only then."""

    def run(self):
        try:
            first, last = self.actor.actions[0], self.actor.actions[-1]
            time.sleep(max(0, self.world.began + first.at / self.world.squeeze - time.time()))
            until = self.world.began + last.at / self.world.squeeze
            kinds = {a.kind for a in self.actor.actions}
            while time.time() < until:
                self.lag = 0
                self.look(self.world.seeded[first.itwin], legacy="runs-v1" in kinds)
        except Exception as error:  # as in Tool
            self.broke = f"{self.name}: {type(error).__name__}: {error}"
        finally:
            self.connection.close()

    def look(self, itwin, legacy):
        if legacy:
            target, kind = f"/clashdetection/runs?projectId={itwin['id']}", "runs (v1)"
        else:
            target, kind = f"/clash-detection/itwins/{itwin['id']}/reports", "reports, first page"
        before = self.known.get(target, (None, {}))[0]
        shown = self.get(kind, target, newest_of=itwin, waits=True)
        if not shown:
            time.sleep(1 / self.world.squeeze)  # an error: not at once again
        if self.known.get(target, (None, {}))[0] == before:
            return
        for guid in shown.get("ids", [])[:1 if legacy else 3]:
            if legacy:
                self.get("run (v1)", f"/clashdetection/runs/{legacy_id(itwin['id'], guid)}")
            else:
                self.get("report", f"/clash-detection/itwins/{itwin['id']}/reports/{guid}")
