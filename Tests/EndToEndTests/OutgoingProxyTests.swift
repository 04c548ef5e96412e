// upstream.proxy: how calls and tokens get out, and what is said where they do not.

import Glibc
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct WayOutTests {
    private static func file(_ text: String, in folder: TemporaryFolder, mode: mode_t = 0o600) -> String {
        let path = folder.path + "/proxy-credentials"
        let file = open(path, O_WRONLY | O_CREAT, 0o600)
        _ = Array(text.utf8).withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        close(file)
        chmod(path, mode)
        return path
    }

    @Test(
        "the API and the token endpoint are reached through the proxy, which sees tunnels and its own credentials only")
    func both() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let proxy = TunnelProxy()
        defer { proxy.stop() }
        let path = Self.file("sidecar:pass:word\n", in: folder)
        try await withRig { options in
            options.flags = ["upstream.proxy=\(proxy.url)", "upstream.proxy_credentials_file=\(path)"]
        } _: { rig async throws in
            #expect(try await rig.get(rig.list, [("X-Api-Key", "of-the-tool")]).status == 200)
            #expect(try await rig.call("DELETE", "/clashdetection/tests/a").status == 404)
            let targets = Set(proxy.heads.compactMap { $0.split(separator: " ").dropFirst().first.map(String.init) })
            #expect(targets == Set([rig.upstream.apiURL, rig.upstream.tokenURL].compactMap(Self.authority)))
            for head in proxy.heads {
                #expect(head.contains("Proxy-Authorization: Basic c2lkZWNhcjpwYXNzOndvcmQ=\r\n"))
                for word in ["Bearer", "demo-secret", "of-the-tool", "\r\nAuthorization"] {
                    #expect(!head.contains(word))
                }
            }
            #expect(!proxy.seen.contains("c2lkZWNhcjpwYXNzOndvcmQ="))
            let logs = rig.applicationLog.text + rig.accessLog.text
            for word in ["pass:word", "c2lkZWNhcjpwYXNzOndvcmQ=", "chmod"] { #expect(!logs.contains(word)) }
        }
    }

    private static func authority(_ url: String) -> String? {
        url.split(separator: "/").dropFirst().first.map(String.init)
    }

    @Test("a file of credentials that others can read is advised against")
    func openFile() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let proxy = TunnelProxy()
        defer { proxy.stop() }
        let path = Self.file("a:b", in: folder, mode: 0o644)
        try await withRig { options in
            options.flags = ["upstream.proxy=\(proxy.url)", "upstream.proxy_credentials_file=\(path)"]
        } _: { rig async throws in
            #expect(
                try await rig.applicationLog.line(with: "proxy_credentials_file", "chmod 600").hasPrefix("warning "))
        }
    }

    @Test(
        "what the proxy refuses was not sent, and the answer says which proxy and which status",
        arguments: [(407, "it wants credentials"), (403, "403"), (502, "502")])
    func refused(status: Int, words: String) async throws {
        let received = Received()
        let server = origin(received, always: ok)
        // Tokens come through, calls do not.
        let proxy = TunnelProxy { _, head in
            head.hasPrefix("CONNECT 127.0.0.1:\(server.port) ")
                ? "HTTP/1.1 \(status) No\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n" : nil
        }
        defer { proxy.stop() }
        try await withRig(origin: server, flags: ["upstream.proxy=\(proxy.url)"]) { rig async throws in
            let answer = try await rig.call("DELETE", "/clashdetection/runs/r1", [("x-correlation-id", "p-1")])
            answer.expectError(502, "UpstreamUnreachable", reason: "upstream-unreachable", retryAfter: 1...1)
            for word in ["upstream.proxy", "127.0.0.1:\(proxy.port)", "\(status)", words] {
                #expect(answer.text.contains(word), "\(word) in \(answer.text)")
            }
            // Nothing was sent, and so nothing is unknown.
            let story = try rig.story(of: "p-1", in: rig.folder.path + "/audit")
            #expect(story.last?.contains("unknown") == false, "\(story)")
            #expect(try await rig.accessLog.line(with: "p-1").contains("refused:upstream-unreachable"))
        }
        #expect(received.count == 0)
    }

    @Test("without a way to the token endpoint it is said why, also by /readyz")
    func tokens() async throws {
        let proxy = TunnelProxy { _, _ in "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n" }
        defer { proxy.stop() }
        try await withRig { options in
            options.flags = ["upstream.proxy=\(proxy.url)"]
            options.faults = []
        } _: { rig async throws in
            let answer = try await rig.get(rig.list)
            #expect(answer.status == 503)
            let client = try RawClient(port: rig.adminPort)
            defer { client.close() }
            let ready = try await client.exchange("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(ready.status == 503)
            for text in [answer.text, ready.text] {
                #expect(text.contains("the proxy 127.0.0.1:\(proxy.port) answered CONNECT with 403"))
            }
        }
    }

    @Test("a proxy that takes CONNECT and says nothing is named")
    func silent() async throws {
        // Tokens come through, calls do not.
        let server = ScriptedOrigin { _ in }
        let proxy = TunnelProxy(silence: { $0.hasPrefix("CONNECT 127.0.0.1:\(server.port) ") })
        defer { proxy.stop() }
        let flags = ["upstream.proxy=\(proxy.url)", "upstream.connect_timeout=300ms"]
        try await withRig(origin: server, flags: flags) { rig async throws in
            let answer = try await rig.call("DELETE", "/clashdetection/runs/r1")
            answer.expectError(504, "UpstreamTimeout", reason: "upstream-timeout", retryAfter: 1...1)
            for word in ["upstream.proxy", "the proxy 127.0.0.1:\(proxy.port) did not answer CONNECT"] {
                #expect(answer.text.contains(word), "\(word) in \(answer.text)")
            }
        }
    }
}
