// What earlier releases wrote is still read, and goes on: Fixtures/release-N was made by the program of that release, against
// its own simulator. No secret in it was ever anything else's.

import FoundationEssentials
import Glibc
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.enabled(if: Program.isBuilt)) struct EarlierReleaseTests {
    /// Release 1, found from this file wherever the package lies.
    private static let fixtures: String = {
        let here = realpath(#filePath, nil)
        defer { free(here) }
        let path = here.map { String(cString: $0) } ?? #filePath
        return path.prefix(upTo: path.lastIndex(of: "/") ?? path.endIndex) + "/Fixtures/release-1"
    }()

    private static let head = "18 51d1b230e6c76a32b72f1013e6f7f55a0b6d80a7009b0542931f1f4b25ab0b4c"

    /// A copy that may be written, with the rights that a log has.
    private func withLog(_ body: (String) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let log = folder.path + "/audit"
        try #require(mkdir(log, 0o700) == 0)
        for name in try FileManager.default.contentsOfDirectory(atPath: Self.fixtures + "/audit") {
            try Data(contentsOf: URL(filePath: "\(Self.fixtures)/audit/\(name)")).write(
                to: URL(filePath: "\(log)/\(name)"))
            chmod("\(log)/\(name)", 0o600)
        }
        try await body(log)
    }

    @Test("an audit log verifies and lists: deletes, a denial, a recovered call, over several files")
    func auditReads() async throws {
        try await withLog { log in
            let verified = try await AuditProgram.run(["audit", "verify", "--path", log])
            #expect(verified.status == 0 && verified.lines == ["intact: 18 records in 2 files, head \(Self.head)"])
            let listed = try await AuditProgram.run(["audit", "list", "--path", log, "--format", "csv"])
            let rows = listed.output.split(separator: "\r\n").dropFirst().map { $0.split(separator: ",") }
            #expect(rows.map { String($0[2]) } == ["c-1", "c-2", "c-3", "c-4", "c-5", "r-1", "c-6", "c-7"])
            let recovered = try await AuditProgram.run([
                "audit", "list", "--path", log, "--object", "c20ab167-8686-4d48-b924-e53029553196",
            ])
            #expect(recovered.output.contains("(rec.)"), "\(recovered.output)")
            let shown = try await AuditProgram.run(["audit", "show", "c-3", "--path", log])
            #expect(shown.status == 0 && shown.output.contains("\"event\":\"denied\""))
        }
    }

    @Test("an audit log goes on: the chain is one, across the releases")
    func auditGoesOn() async throws {
        try await withLog { log in
            try await withRig { options in
                options.flags = ["audit.path=\(log)"]
            } _: { rig async throws in
                let report = try #require(rig.simulator.reportIDs(iTwin: rig.iTwin).last)
                #expect(try await rig.deleteReport(report, id: "new-1").status == 202)
                let verified = try await AuditProgram.run(
                    ["audit", "verify", "--path", log, "--head", String(Self.head.dropFirst(3))])
                #expect(verified.status == 0 && verified.output.contains("intact: 21 records"), "\(verified.output)")
                let listed = try await AuditProgram.run(["audit", "list", "--path", log])
                #expect(listed.output.contains("c-1") && listed.output.contains("new-1"))
            }
        }
    }

    @Test("an audit log that a kill left with an open call and half a line is recovered, as its own release would have")
    func auditRecovers() async throws {
        try await withLog { log in
            // The last file up to the intent of c-6, and half of what came next.
            let path = log + "/audit-00000000000000000007.jsonl"
            let lines = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self).split(
                separator: "\n")
            let open = try #require(lines.firstIndex { $0.contains("\"id\":\"c-6\"") })
            let text = lines[...open].joined(separator: "\n") + "\n" + lines[open + 1].prefix(40)
            try Data(text.utf8).write(to: URL(filePath: path))
            try await withRig { options in
                options.flags = ["audit.path=\(log)"]
            } _: { rig async throws in
                _ = try await rig.applicationLog.line(with: "had no outcome in the audit log", "c-6")
            }
            let listed = try await AuditProgram.run(["audit", "list", "--path", log, "--format", "json"])
            #expect(listed.output.contains("\"recovered\":true"), "\(listed.output)")
            #expect(try await AuditProgram.run(["audit", "verify", "--path", log]).status == 0)
        }
    }

    @Test("proxy.conf as it was shipped loads, and what it says in other words today is said in a line each")
    func configuration() async throws {
        let ran = try await AuditProgram.run(
            Program.path, ["check", "--config", Self.fixtures + "/proxy.conf"],
            environment: ["CLASH_CLIENT_ID": "a", "CLASH_CLIENT_SECRET": "b"])
        #expect(ran.status == 0 && ran.lines.last == "ok: read \(Self.fixtures)/proxy.conf", "\(ran)")
        #expect(ran.errors.split(separator: "\n").count == 1 && ran.errors.contains("run_in_place"), "\(ran.errors)")
        #expect(ran.output.contains("also = [\"run\", \"cancel\"]"))
    }

    @Test("a sign-in is taken over: its refresh token is the first thing that the token endpoint sees")
    func signIn() async throws {
        let text = try String(decoding: Data(contentsOf: URL(filePath: Self.fixtures + "/sign-in.json")), as: UTF8.self)
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let path = folder.path + "/sign-in.json"
        let simulator = Simulator(SimulatorConfiguration())
        let upstream = try await simulator.start()
        let here = text.replacing("http://127.0.0.1:28802/connect/token", with: upstream.tokenURL)
        #expect(here != text)
        try Data(here.utf8).write(to: URL(filePath: path))
        chmod(path, 0o600)
        let program = try Program([
            "serve", "--config", "/dev/null", "--set", "listen.address=127.0.0.1:0", "--set", "admin.address=",
            "--set", "upstream.url=\(upstream.apiURL)", "--set", "token.mode=refresh_token",
            "--set", "token.token_url=\(upstream.tokenURL)", "--set", "token.client_id=demo",
            "--set", "token.client_secret=demo-secret", "--set", "token.state_file=\(path)",
            "--set", "audit.path=\(folder.path)/audit",
        ])
        // Nobody has signed in at this simulator: it was read, and refused there.
        _ = try await program.logged("sign-in needed")
        #expect(try await program.end() == 0)
        await simulator.stop()
        #expect(simulator.counters.tokenRequests > 0)
    }
}
