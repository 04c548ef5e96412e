// An HTTP proxy on the way out: all that it is asked is CONNECT, and what it says is told apart from what servers say.

import CurlTransport
import Glibc
import HTTPTypes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct OutgoingProxyTests {
    private static func through(
        _ proxy: String, credentials: OutgoingProxy.Credentials? = nil, caFile: String? = nil
    ) throws -> CurlTransport.Configuration {
        CurlTransport.Configuration(
            caFile: caFile, proxy: OutgoingProxy(origin: try origin(proxy), credentials: credentials))
    }

    @Test("TLS goes through it from end to end: the proxy sees the server's name and nothing of the request")
    func endToEnd() async throws {
        let certificate = try Certificate()
        let server = try TLSServer(certificate, "-www")
        let proxy = TunnelProxy()
        defer { proxy.stop() }
        let credentials = OutgoingProxy.Credentials(user: "us er", password: "p:w")
        try await withTransport(try Self.through(proxy.url, credentials: credentials, caFile: certificate.file)) {
            transport in
            let request = UpstreamRequest(
                origin: try origin(server.url), target: "/secret-path",
                fields: [.authorization: "Bearer secret-token", .userAgent: "secret-agent"])
            let response = try await transport.execute(request)
            #expect(response.status.code == 200)
            _ = try await response.body.all()
        }
        #expect(proxy.heads.count == 1)
        let lines = proxy.heads.first?.split(separator: "\r\n").map(String.init) ?? []
        let authority = server.url.dropFirst("https://".count)
        #expect(lines.first == "CONNECT \(authority) HTTP/1.1")
        #expect(lines.contains("Proxy-Authorization: Basic dXMgZXI6cDp3"))
        for word in ["secret", "Bearer"] { #expect(!(proxy.heads.joined() + proxy.seen).contains(word)) }
    }

    @Test("a server whose certificate does not hold is refused behind a proxy, too")
    func untrusted() async throws {
        let certificate = try Certificate()
        let server = try TLSServer(certificate, "-www")
        let proxy = TunnelProxy()
        defer { proxy.stop() }
        try await withTransport(try Self.through(proxy.url)) { transport in
            let failure = try await failure {
                _ = try await transport.execute(UpstreamRequest(origin: try origin(server.url), target: "/"))
            }
            #expect(failure.reason == .notTrusted && !failure.sent)
        }
    }

    @Test("the answer's head is the server's: what the proxy said to CONNECT is no part of it")
    func heads() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send("HTTP/1.1 404 Not Found\r\nX-Of-The-Server: 1\r\nContent-Length: 2\r\n\r\nno")
        }
        let proxy = TunnelProxy()
        defer { proxy.stop() }
        try await withTransport(try Self.through(proxy.url)) { transport in
            // A tunnel for http:// as well.
            let response = try await transport.execute(try get(server))
            #expect(response.status.code == 404)
            #expect(response.fields.map(\.name.rawName) == ["X-Of-The-Server", "Content-Length"])
            #expect(try await response.body.text() == "no")
        }
        #expect(proxy.heads.count == 1 && proxy.heads[0].hasPrefix("CONNECT 127.0.0.1:\(server.port) HTTP/1.1\r\n"))
        #expect(!proxy.heads[0].contains("Proxy-Authorization"))
    }

    @Test("a tunnel is used again, and the look at a server's health goes through the proxy as well")
    func reuse() async throws {
        let server = ScriptedOrigin { connection in
            while true {
                try connection.readHead()
                try connection.send("HTTP/1.1 204 No Content\r\n\r\n")
            }
        }
        let proxy = TunnelProxy()
        defer { proxy.stop() }
        try await withTransport(try Self.through(proxy.url)) { transport in
            for _ in 0..<3 { #expect(try await transport.execute(try get(server)).status.code == 204) }
            #expect(proxy.heads.count == 1)
            try await transport.connect(to: try origin(server.url))
            #expect(proxy.heads.count == 2)
        }
    }

    @Test(
        "a refusal is told in words, with proxy and status, and nothing was sent",
        arguments: [
            (407, TransferFailure.Reason.proxyRefused, "407: it wants credentials"), (403, .proxyRefused, "403"),
            (400, .proxyRefused, "400"), (502, .proxyUnreachable, "502"), (503, .proxyUnreachable, "503"),
            (302, .proxyUnreachable, "302"),
        ])
    func refusals(status: Int, reason: TransferFailure.Reason, words: String) async throws {
        let body = "<html>a page of the proxy's</html>"
        let proxy = TunnelProxy { _, _ in
            "HTTP/1.1 \(status) No\r\nProxy-Authenticate: Basic realm=\"x\"\r\nLocation: http://127.0.0.1:1/\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        }
        defer { proxy.stop() }
        let server = ScriptedOrigin { _ in }
        try await withTransport(try Self.through(proxy.url)) { transport in
            let failure = try await failure { _ = try await transport.execute(try delete(server)) }
            #expect(failure.reason == reason && !failure.sent && !failure.headReceived)
            #expect(failure.detail == "the proxy 127.0.0.1:\(proxy.port) answered CONNECT with \(words)")
            #expect(transport.statistics.requestsSent == 0)
        }
        #expect(proxy.heads.count == 1 && server.acceptCount == 0)
        server.stop()
    }

    @Test("credentials that are not taken are said so and shown nowhere")
    func wrongCredentials() async throws {
        let proxy = TunnelProxy { _, _ in
            "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n"
        }
        defer { proxy.stop() }
        let server = ScriptedOrigin { _ in }
        let credentials = OutgoingProxy.Credentials(user: "hidden-user", password: "hidden-password")
        try await withTransport(try Self.through(proxy.url, credentials: credentials)) { transport in
            let failure = try await failure { _ = try await transport.execute(try get(server)) }
            #expect(
                failure.reason == .proxyRefused && failure.detail.hasSuffix("407: it does not take the credentials"))
            #expect(!failure.description.contains("hidden"))
        }
        var dumped = ""
        dump(credentials, to: &dumped)
        #expect(!("\(credentials)" + dumped + String(reflecting: credentials)).contains("hidden"))
        server.stop()
    }

    @Test("a proxy that is not there, or makes no sense, is told apart from upstream")
    func gone() async throws {
        let server = ScriptedOrigin { _ in }
        defer { server.stop() }
        let closed = TunnelProxy()
        closed.stop()
        try await withTransport(try Self.through(closed.url)) { transport in
            let failure = try await failure { _ = try await transport.execute(try get(server)) }
            #expect(failure.reason == .proxyUnreachable && !failure.sent)
            #expect(failure.detail == "the proxy 127.0.0.1:\(closed.port) cannot be reached")
        }
        for answer in ["", "hello\r\n\r\n", "HTTP/1.1 \r\n\r\n"] {
            let odd = ScriptedOrigin { connection in
                try connection.readHead()
                if !answer.isEmpty { try connection.send(answer) }
            }
            try await withTransport(try Self.through(odd.url)) { transport in
                let failure = try await failure { _ = try await transport.execute(try get(server)) }
                #expect(failure.reason == .proxyUnreachable && !failure.sent, "\(answer) \(failure)")
                #expect(failure.detail.hasPrefix("the proxy 127.0.0.1:\(odd.port) "), "\(failure)")
            }
            odd.stop()
        }
    }

    @Test("a proxy that says nothing costs no more than the time to connect, and is named")
    func silent() async throws {
        let proxy = ScriptedOrigin { connection in _ = connection.readUntilClosed() }
        defer { proxy.stop() }
        var configuration = try Self.through(proxy.url)
        configuration.connectTimeout = .milliseconds(200)
        try await withTransport(configuration) { transport in
            let failure = try await failure {
                _ = try await transport.execute(UpstreamRequest(origin: try origin("http://192.0.2.1"), target: "/"))
            }
            #expect(failure.reason.rawValue == "proxySilent" && !failure.sent)
            #expect(failure.detail == "the proxy 127.0.0.1:\(proxy.port) did not answer CONNECT in time")
        }
    }

    @Test("no variable of the environment leads past it")
    func environment() async throws {
        await #expect(processExitsWith: .success) {
            for name in ["no_proxy", "NO_PROXY"] { setenv(name, "*", 1) }
            for name in ["http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
                setenv(name, "http://127.0.0.1:1", 1)
            }
            let server = ScriptedOrigin { connection in
                try connection.readHead()
                try connection.send("HTTP/1.1 204 No Content\r\n\r\n")
            }
            let proxy = TunnelProxy()
            let configuration = CurlTransport.Configuration(
                proxy: OutgoingProxy(origin: try origin(proxy.url), credentials: nil))
            try await withTransport(configuration) { transport in
                let response = try await transport.execute(try get(server))
                #expect(response.status.code == 204)
            }
            #expect(proxy.heads.count == 1)
        }
    }
}
