// `clash-proxy approvals`: what a person types who decides.

import FoundationEssentials
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.enabled(if: Program.isBuilt), .timeLimit(.minutes(8))) struct ApprovalsCommandTests {
    private func run(
        _ rig: Rig, _ arguments: [String], key: String?, file: String? = nil
    ) async throws -> AuditProgram.Result {
        var environment = ownEnvironment()
        environment["CLASH_KEY"] = key
        let place = ["--url", "http://127.0.0.1:\(rig.port)"] + (file.map { ["--key-file", $0] } ?? [])
        return try await AuditProgram.run(
            Program.path, ["approvals"] + arguments + place, environment: environment)
    }

    @Test("it lists, approves and denies with the caller's own key, from the environment or a file")
    func decides() async throws {
        try await withApprovers { rig, team in
            let boss = team.key("boss").1
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            let nothing = try await run(rig, ["list"], key: boss)
            #expect(nothing.status == 0 && nothing.output == "nothing waits\n", "\(nothing.errors)")
            let first = try approvalID(try await team.delete(reports[1], "tool", id: "a"))
            let second = try approvalID(try await team.delete(reports[2], "tool", id: "b"))
            let list = try await run(rig, ["list"], key: boss)
            #expect(list.lines.contains(first) && list.lines.contains(second), "\(list.output)")
            #expect(list.output.contains(#"{"jobs":["\#(reports[1])"],"operation":"delete"}"#))
            #expect(
                list.output.contains("by tool, to be decided until ") && list.output.contains("reason   tidying up"))
            let json = try await run(rig, ["list", "--json"], key: boss)
            #expect(json.output.hasPrefix("{\"approvals\":[{\"id\":\""))

            let approved = try await run(rig, ["approve", first, "--reason", "fine"], key: boss)
            #expect(approved.status == 0 && approved.output.hasPrefix("approved until "), "\(approved.errors)")
            #expect(try await team.delete(reports[1], "tool", id: "goes").status == 202)
            let file = rig.folder.path + "/key"
            try Data((boss + "\n").utf8).write(to: URL(filePath: file))
            let denied = try await run(rig, ["deny", second, "--reason", "not \u{1B}[31mthis"], key: nil, file: file)
            #expect(denied.status == 0 && denied.output.hasPrefix("denied until "), "\(denied.errors)")
            #expect(try await team.delete(reports[2], "tool", id: "no").status == 403)
            let reasons = try rig.records().compactMap { $0.text.contains("\"reason\":\"fine\"") ? $0.line.event : nil }
            #expect(reasons == ["approved"])
        }
    }

    @Test("what does not go is said in the proxy's words, with 1; a wrong command line with 64")
    func refused() async throws {
        try await withApprovers { rig, team in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            let id = try approvalID(try await team.delete(report, "lead", id: "a"))
            for (key, id, words) in [
                ("lead", id, "is the caller's own"), ("tool", id, "may not approve"),
                ("elsewhere", id, "may not touch"),
                ("boss", "00", "No delete waits"),
            ] {
                let refused = try await run(rig, ["approve", id], key: team.key(key).1)
                #expect(refused.status == 1 && refused.errors.contains(words), "\(key): \(refused.errors)")
            }
            #expect(try await run(rig, ["list"], key: "cpk_wrong").status == 1)
            let none = try await run(rig, ["list"], key: nil)
            #expect(none.status == 1 && none.errors.contains("set CLASH_KEY"), "\(none.errors)")
            #expect(try await run(rig, ["approve", "../me"], key: team.key("boss").1).status == 64)
            #expect(try await run(rig, ["approve"], key: team.key("boss").1).status == 64)
            let nobody = try await AuditProgram.run(
                Program.path, ["approvals", "list", "--url", "http://127.0.0.1:1"],
                environment: ownEnvironment().merging(["CLASH_KEY": "x"]) { $1 })
            #expect(
                nobody.status == 1 && nobody.errors.contains("nobody answers at http://127.0.0.1:1"), "\(nobody.errors)"
            )
        }
    }
}
