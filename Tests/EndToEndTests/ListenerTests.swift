// The other sockets: IPv6 and unix, and the refusal of an address that is taken.

import Edge
import Glibc
import Ground
import Proxy
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct ListenerTests {
    @Test("tools can come by IPv6, and links lead back there")
    func ipv6() async throws {
        try await withRig { options in
            options.flags = ["listen.address=[::1]:0"]
        } _: { rig in
            #expect(rig.addresses.tools.hasPrefix("http://[::1]:"))
            let client = try RawClient(port: rig.port, host: "::1")
            let authority = "[::1]:\(rig.port)"
            let page = try await client.exchange(rig.request("GET", rig.list, [("Host", authority)]))
            #expect(page.status == 200)
            #expect(page.link("next")?.hasPrefix("http://\(authority)/clash-detection/") == true)
            client.close()
            _ = try await rig.accessLog.line(with: " ::1 ")
        }
    }

    @Test("tools can come by a unix socket, whose file goes with the proxy")
    func unix() async throws {
        let path = "/tmp/clash-proxy-test-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
        try await withRig { options in
            options.flags = ["listen.address=unix:\(path)"]
        } _: { rig in
            #expect(rig.addresses.tools == "unix:\(path)")
            let client = try RawClient(unixPath: path)
            // No page can reach a unix socket, so any Host will do.
            for host in ["localhost", "whatever.example"] {
                let answer = try await client.exchange(rig.request("GET", rig.list, [("Host", host)]))
                #expect(answer.status == 200)
            }
            client.close()
            _ = try await rig.accessLog.line(with: " unix ")
        }
        #expect(access(path, F_OK) != 0)
    }

    @Test("a socket that somebody else has put in the place of the proxy's stays")
    func foreignSocket() async throws {
        let path = "/tmp/clash-proxy-test-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
        try await withRig { options in
            options.flags = ["listen.address=unix:\(path)"]
        } _: { _ in
            #expect(unlink(path) == 0)
            leaveSocket(path)
        }
        #expect(access(path, F_OK) == 0)
        unlink(path)
    }

    /// A bound socket whose owner is gone leaves its file.
    private func leaveSocket(_ path: String) {
        let stale = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let bound = UnixAddress(path: path)?.withAddress { bind(stale, $0, $1) }
        #expect(bound == 0)
        close(stale)
    }

    @Test("the socket file of a proxy that was killed is replaced, that of a living one is not")
    func staleSocket() async throws {
        let path = "/tmp/clash-proxy-test-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
        let flags = ["listen.address=unix:\(path)"]
        leaveSocket(path)
        try await withRig({ $0.flags = flags }) { rig in
            let client = try RawClient(unixPath: path)
            #expect(try await client.exchange(rig.request("GET", "/nowhere", [("Host", "x")])).status == 404)
            client.close()
            await #expect(throws: ListenError.self) {
                try await withRig({ $0.flags = flags }) { _ in }
            }
            let again = try RawClient(unixPath: path)
            #expect(try await again.exchange(rig.request("GET", "/nowhere", [("Host", "x")])).status == 404)
            again.close()
        }
    }

    @Test("a port that is taken is an error that says what to do")
    func portTaken() async throws {
        try await withRig { rig in
            do {
                try await withRig({ $0.flags = ["listen.address=\(rig.host)"] }) { _ in }
                Issue.record("two proxies on one port")
            } catch let error as ListenError {
                #expect(error.description.contains("already in use"))
                #expect(error.description.contains("listen.address"))
            }
        }
    }
}
