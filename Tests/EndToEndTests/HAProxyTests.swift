// haproxy itself in front, as a balancer that passes connections on: what it writes is what we must read.

import Glibc
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct HAProxyTests {
    private static let path: String? = ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy"].first { (place: String) in
        access(place, X_OK) == 0
    }

    @Test(
        "behind haproxy the client's address is the one that haproxy saw",
        .enabled(if: path != nil, "haproxy is not installed"),
        arguments: ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options unique-id,crc32c"])
    func versions(option: String) async throws {
        let flags = ["listen.proxy_protocol=true", "listen.trusted_proxies=127.0.0.1"]
        try await withRig(origin: origin(always: ok), flags: flags) { rig async throws in
            let folder = try TemporaryFolder()
            defer { folder.remove() }
            // A port that was free a moment ago.
            let before = ScriptedOrigin { _ in }
            let port = before.port
            before.stop()
            let text = """
                defaults
                  mode tcp
                  timeout connect 5s
                  timeout client 20s
                  timeout server 20s
                frontend front
                  bind [::1]:\(port)
                  default_backend back
                backend back
                  server one 127.0.0.1:\(rig.port) source 127.0.0.1 \(option)

                """
            let file = folder.path + "/haproxy.cfg"
            let descriptor = open(file, O_WRONLY | O_CREAT, 0o600)
            _ = Array(text.utf8).withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            close(descriptor)
            let process = try spawn(
                try #require(Self.path), ["haproxy", "-db", "-f", file], input: .inherited, output: .inherited,
                errors: .inherited)
            defer {
                kill(process, SIGKILL)
                var status: Int32 = 0
                waitpid(process, &status, 0)
            }
            try await eventually("haproxy listens") { (try? RawClient(port: port, host: "::1")) != nil }
            let client = try RawClient(port: port, host: "::1")
            defer { client.close() }
            for number in 0..<2 {
                let id = "h-\(number)"
                let answer = try await client.exchange(
                    rig.request("GET", "/clashdetection/tests", [("x-correlation-id", id)]))
                #expect(answer.status == 200)
                #expect(try await rig.accessLog.line(with: id).contains(" \(id) ::1 "))
            }
        }
    }
}
