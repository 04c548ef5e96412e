// Where tools can connect: several addresses, unix sockets with their permissions, sockets of a service manager.

import Glibc
import Proxy
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct ListenAddressTests {
    private static func socketPath() -> String {
        "/tmp/clash-proxy-test-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
    }

    @Test("every address of a list is listened on, and each is told with the port that it got")
    func list() async throws {
        let path = Self.socketPath()
        try await withRig { options in
            options.flags = ["listen.address=[\"127.0.0.1:0\", \"unix:\(path)\", \"[::1]:0\"]"]
        } _: { rig in
            #expect(rig.addresses.allTools.count == 3)
            #expect(rig.addresses.allTools[1] == "unix:\(path)")
            let sixth = rig.addresses.allTools[2]
            #expect(sixth.hasPrefix("http://[::1]:") && !sixth.hasSuffix(":0"))
            let port = sixth.split(separator: ":").last.flatMap { Int($0) } ?? 0
            for client in [try rig.connect(), try RawClient(unixPath: path), try RawClient(port: port, host: "::1")] {
                #expect(try await client.exchange(rig.request("GET", rig.list)).status == 200)
                client.close()
            }
            _ = try await rig.applicationLog.line(with: "listening", "unix:\(path)", sixth)
            #expect(await rig.drain())
        }
        #expect(access(path, F_OK) != 0)
    }

    @Test("unix sockets have the permissions of socket_mode", arguments: [0o600, 0o660, 0o666] as [UInt32])
    func mode(bits: UInt32) async throws {
        let path = Self.socketPath()
        try await withRig { options in
            options.flags = ["listen.address=unix:\(path)", "listen.socket_mode=0\(String(bits, radix: 8))"]
        } _: { rig in
            #expect(permissions(of: path) == bits)
            let client = try RawClient(unixPath: path)
            defer { client.close() }
            #expect(try await client.exchange(rig.request("GET", rig.list)).status == 200)
        }
    }

    /// Runs the program with a socket of its own at descriptor 3, asks it once, and ends it.
    private func inherited(bind: String, pid: String, call: String) async throws -> String {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let script = """
            import os, socket, sys
            s = \(bind)
            s.listen()
            os.dup2(s.fileno(), 3)
            os.set_inheritable(3, True)
            os.environ["LISTEN_FDS"] = "1"
            os.environ["LISTEN_PID"] = \(pid)
            sets = ["token.mode=passthrough", "listen.address=127.0.0.1:0", "admin.address=", "audit.path=\(folder.path)/audit"]
            os.execv("\(Program.path)", ["clash-proxy", "serve"] + [x for y in sets for x in ("--set", y)])
            """
        return try await Shell.run(
            """
            cd \(folder.path) && cat > start.py <<'END'
            \(script)
            END
            python3 start.py >out 2>err & process=$!
            for i in $(seq 200); do grep -q listening err && break; kill -0 $process 2>/dev/null || break; sleep 0.05; done
            \(call)
            kill $process; wait $process; echo exit=$?; cat err
            """)
    }

    @Test(
        "sockets of LISTEN_FDS replace listen.address",
        .enabled(
            if: Program.isBuilt && Shell.has("python3", "curl"), "python3 and curl (apt) play the service manager here")
    )
    func listenFDs() async throws {
        let tcp = try await inherited(
            bind: "socket.create_server((\"127.0.0.1\", 0))", pid: "str(os.getpid())",
            call: "curl -s -m 10 -o /dev/null -w 'code=%{http_code}\\n' "
                + "$(grep -o 'http://127[^ ,]*' err | head -1)/x")
        #expect(tcp.contains("code=404") && tcp.contains("exit=0"), "\(tcp)")
        let unix = try await inherited(
            bind: "socket.socket(socket.AF_UNIX); s.bind(\"tools.sock\")", pid: "str(os.getpid())",
            call:
                "curl -s -m 10 -o /dev/null -w 'code=%{http_code}\\n' --unix-socket tools.sock http://localhost/x; ls tools.sock"
        )
        #expect(unix.contains("code=404") && unix.contains("exit=0"), "\(unix)")
        #expect(unix.contains("tools=unix:tools.sock"), "\(unix)")
        let others = try await inherited(
            bind: "socket.create_server((\"127.0.0.1\", 0))", pid: "\"1\"", call: "true")
        #expect(others.contains("tools=http://127.0.0.1:"), "\(others)")
        let none = try await inherited(
            bind: "type('S', (socket.socket,), {'listen': lambda self: 0})(socket.AF_INET, socket.SOCK_DGRAM)",
            pid: "str(os.getpid())",
            call: "true")
        #expect(none.contains("exit=78") && none.contains("no listening TCP or unix stream socket"), "\(none)")
    }
}
