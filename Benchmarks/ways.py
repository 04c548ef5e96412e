"""The ways on which tools come to a proxy: HTTP/1.1 without and with TLS, HTTP/2 over TLS, HTTP/2 with prior knowledge.
Each proxy runs once for each of three listeners, from the template of `hits` and with one certificate."""

import os, re, subprocess

import harness
from cached import TOOL, Cached
from harness import Server, say

# Every way: its listener, its scheme, and how curl takes it.
WAYS = {
    "HTTP/1.1": ("plain", "http", ["--http1.1"]),
    "HTTP/1.1, TLS": ("tls", "https", ["--http1.1", "--insecure"]),
    "h2": ("tls", "https", ["--http2", "--insecure"]),
    "h2c": ("h2c", "http", ["--http2-prior-knowledge"]),
}
CIPHER = "TLS_AES_128_GCM_SHA256"
# For wrk, h2load, curl and openssl alike: all that a tool offers, so all that a proxy can choose.
OFFERED = f"""openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = offered
[offered]
MinProtocol = TLSv1.3
Ciphersuites = {CIPHER}
Groups = X25519
"""
ENVOY_TLS = (
    '{ name: envoy.transport_sockets.tls, typed_config: { "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls'
    ".v3.DownstreamTlsContext, common_tls_context: { alpn_protocols: [h2, http/1.1], tls_params: "
    "{ tls_maximum_protocol_version: TLSv1_3 }, tls_certificates: "
    "[{ certificate_chain: { filename: %s }, private_key: { filename: %s } }] } } }")


def ask_by(way):
    """As `harness.ask`, on this way, by curl; nothing if the answer is of another version of HTTP."""
    _, scheme, flags = WAYS[way]
    first = b"HTTP/2 " if way.startswith("h2") else b"HTTP/1.1 "

    def ask(port, path, headers):
        fields = [part for field in headers for part in ("-H", field)]
        answer = subprocess.run(["curl", "-sS", "-i", "-m", "5", *flags, *fields, f"{scheme}://127.0.0.1:{port}{path}"],
                                capture_output=True).stdout
        return answer if answer.startswith(first) else b""

    return ask


class Ways(Cached):
    """Makes listeners of clash-proxy, nginx and Envoy, and starts them; `settings` are more of clash-proxy's."""

    def __init__(self, o, binary, folder, settings=(), connections=4096):
        super().__init__(o, binary, folder)
        self.settings, self.connections, self.tls, self.records = settings, connections, {}, {}
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        (folder / "openssl.cnf").write_text(OFFERED)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", self.key, "-out", self.certificate], check=True, capture_output=True)
        os.environ["OPENSSL_CONF"] = str(folder / "openssl.cnf")
        self.makers = {"clash-proxy": self.our_listener, "nginx": self.nginx_listener, "envoy": self.envoy_listener}
        self.names = harness.names(o.only) if o.only else [*self.makers]
        if not {*self.names} <= {*self.makers}:
            raise SystemExit(f"--only: of {', '.join(self.makers)}")

    def listener(self, name, kind):
        return self.makers[name](f"{name}-{kind}", kind)

    def our_listener(self, label, kind):
        more = {"plain": [], "h2c": ["listen.h2c=true"],
                "tls": [f"listen.tls_certificate={self.certificate}", f"listen.tls_key={self.key}"]}
        return self.server(label, self.ours(*self.settings, *more[kind]), "hits/proxy.conf", access="false")

    def nginx_listener(self, label, kind):
        tls = (f"ssl_certificate {self.certificate}; ssl_certificate_key {self.key}; ssl_protocols TLSv1.2 TLSv1.3; "
               "ssl_session_cache shared:tls:16m;")
        return self.server(label, ["nginx", "-c"], "hits/nginx.conf", connections=self.connections,
                           listen={"plain": "", "h2c": "http2", "tls": "ssl http2"}[kind], tls=tls if kind == "tls" else "")

    def envoy_listener(self, label, kind):
        return self.server(label, self.envoy(), "hits/envoy.yaml",
                           codec={"plain": "HTTP1", "h2c": "HTTP2", "tls": "AUTO"}[kind],
                           transport_socket=ENVOY_TLS % (self.certificate, self.key) if kind == "tls" else "null")

    def begin(self, name, way, server):
        """Starts a listener, unless another way has; says why it does not do the work on this way, or nothing."""
        kind, scheme, _ = WAYS[way]
        if server not in Server.running:
            server.start(harness.PREFIX, TOOL, by=ask_by(way))
            if kind == "tls":
                self.tls[name], self.records[name] = self.agreed(server.port), self.records_of_hit(server.port)
                say(f"{name}: {', '.join(self.tls[name].values())}; {self.records[name]} records for a hit")
        why = self.prove(f"{name}, {way}", server, ask_by(way), scheme)
        return why and f"{way}: {why}"

    def agreed(self, port):
        """What a handshake comes to, in OpenSSL's words."""
        shown = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-brief"], stdin=subprocess.DEVNULL,
                               capture_output=True, text=True)
        labels = ("Protocol version", "Ciphersuite", "Signature type", "Server Temp Key")
        return {label: (re.search(rf"^{label}: (.*)$", shown.stdout + shown.stderr, re.M) or [0, "–"])[1] for label in labels}

    def records_of_hit(self, port):
        """How many TLS records with data of the application (23, 0x17) one answer over HTTP/1.1 takes."""
        lines = [f"GET {harness.PREFIX} HTTP/1.1", f"Host: 127.0.0.1:{port}", *TOOL, "Connection: close", "", ""]
        shown = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-msg", "-ign_eof"], timeout=10,
                               input="\r\n".join(lines).encode(), capture_output=True)
        return len(re.findall(rb"<<< TLS 1\.3, InnerContent.*\n\s+17\n", shown.stdout))

    def tls_line(self):
        agreed = {", ".join(says.values()) for says in self.tls.values()}
        same = "TLS of all: " + "; ".join(agreed) if len(agreed) == 1 else f"TLS DIFFERS: {self.tls}"
        return same + "; records for a hit over HTTP/1.1: " + ", ".join(f"{n} {r}" for n, r in self.records.items()) + "."
