"""What the benchmarks of answers from the cache share: a caller with a key, an upstream whose calls are counted, and the
proof that a candidate checks the key and answers from its cache."""

import hashlib, pathlib, time

import harness
from harness import Server, say

KEY = "cpk_" + "q9Xhqbt0d0pthoAB9XIhAMNrStblbf92m5wf0s9B9Xo"
TOOL = ["Accept: application/vnd.bentley.itwin-platform.v2+json", f"X-Api-Key: {KEY}"]
ADDED = ["x-correlation-id", "via", "cache-status", "age"]
# What the templates of nginx and Envoy say of HTTP/1.1 without TLS.
PLAIN = {"connections": 4096, "listen": "", "tls": "", "transport_socket": "null", "codec": "HTTP1"}


def head(answer):
    """The status and the fields of an answer, names in lower case."""
    status, *lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    return int((status.split() + ["0", "0"])[1]), {n.lower(): v.strip() for n, _, v in (l.partition(":") for l in lines)}


class Cached(harness.Runs):
    """The upstream on core 1; proxies from the templates in `configs/hits` on core 0."""

    def __init__(self, o, binary, folder):
        super().__init__()
        self.o, self.binary, self.folder = o, binary, folder
        self.upstream_port, self.upstream_log = harness.free_port(), folder / "upstream-calls.log"
        self.upstream = self.server("upstream", ["nginx", "-c"], "upstream.nginx.conf", core=1, port=self.upstream_port)
        self.proof, self.left_out = {}, []

    def ours(self, *settings):
        """The command of clash-proxy, with settings beyond those of hits/proxy.conf."""
        return [self.binary, "serve", *(part for s in settings for part in ("--set", s)), "--config"]

    def envoy(self):
        return [harness.envoy(), "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warn", "-c"]

    def server(self, name, command, template, core=0, port=None, access="off", **values):
        port = port or harness.free_port()
        config = harness.config(template, self.folder / name, dir=self.folder, upstream=self.upstream_port, port=port,
                                access=access, key=KEY, key_sha256=hashlib.sha256(KEY.encode()).hexdigest(),
                                upstream_log=self.upstream_log, **PLAIN | values)
        return Server([*command, config], core, port, self.folder / f"{name}.log")

    def start_upstream(self):
        self.upstream.start(harness.PREFIX, [f"Authorization: Bearer {harness.TOKEN}"])

    def upstream_calls(self):
        return self.upstream_log.read_text().count("GET /clash-detection/")

    def leave_out(self, name, why):
        say(f"{name} is left out: {why}")
        self.left_out.append(f"{name} ({why})")

    def prove(self, name, server, ask=harness.ask, scheme="http"):
        """Why a candidate does not do the work that is compared, or nothing; keeps what its answers say."""
        for headers in (TOOL[:1], [TOOL[0], TOOL[1] + "x"]):
            status, _ = head(ask(server.port, harness.PREFIX, headers))
            if status not in (401, 403):
                return f"answers {status} where the key is missing or wrong"
        time.sleep(1.1)  # so that an Age of whole seconds can show
        before = self.upstream_calls()
        answers = [ask(server.port, harness.PREFIX, TOOL) for _ in range(20)]
        for status, fields in map(head, answers):
            if status != 200 or int(fields.get("content-length", 0)) < 10_000:
                return f"answers {status} with {fields.get('content-length')} bytes"
        _, fields = head(answers[-1])
        calls = self.upstream_calls() - before
        if calls:
            return f"{calls} of 20 answers came from the upstream; Cache-Status: {fields.get('cache-status')}"
        if name.startswith("clash-proxy") and not ("hit" in fields.get("cache-status", "") and "age" in fields):
            return f"hits without Age or Cache-Status: {fields.get('age')}, {fields.get('cache-status')}"
        if name.startswith("clash-proxy") and f"{scheme}://127.0.0.1:{server.port}/".encode() not in answers[-1]:
            return "hits whose links lead past the proxy"
        ids = {head(a)[1].get("x-correlation-id") for a in answers}
        if len(ids) < 20 or None in ids or "via" not in fields:
            return "no Via, or no correlation id of each answer's own"
        self.proof[name] = {n: fields.get(n, "–") for n in ADDED} | {"bytes": len(answers[-1])}
        say(f"{name}: key checked, from its cache, " + ", ".join(f"{n}: {v}" for n, v in self.proof[name].items()))

    def event_loops(self, server):
        """How many event loops clash-proxy runs on its one core, in words."""
        names = [p.read_text() for p in pathlib.Path(f"/proc/{server.process.pid}/task").glob("*/comm")]
        loops = sum(n.startswith("NIO-ELT") for n in names)
        return f"clash-proxy with {loops} event loop{'s' if loops > 1 else ''}"

    def proof_table(self):
        yield f"| answer of | {' | '.join(ADDED)} | bytes |"
        yield "|---|" + "---|" * len(ADDED) + "--:|"
        for name, fields in self.proof.items():
            yield f"| {name} | " + " | ".join(map(str, fields.values())) + " |"
