// kill -9 under deletes that need an approval and are archived: nothing is deleted that is not kept, no approval is used twice.

import FoundationEssentials
import Glibc
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.enabled(if: Program.isBuilt), .serialized, .timeLimit(.minutes(8))) struct GuardKillTests {
    @Test(
        "killed at random moments, every deleted report has its archived bytes, and every approval is used at most once"
    )
    func killed() async throws {
        var random = SeededGenerator(seed: 17)
        try await withScopes {
            try $0.add("tool")
            try $0.add("boss", allow: "approve")
        } _: { rig, callers in
            let config = rig.folder.path + "/proxy.conf"
            try Data(callers.tables.utf8).write(to: URL(filePath: config))
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            let arguments =
                ["serve", "--config", config, "--set", "deletes.approval=second"] + rig.programSettings("required")
            for round in 0..<8 {
                let program = try Program(arguments)
                let port = try await program.port()
                let isOver = Latch()
                let nap = Duration.milliseconds(Int.random(in: 5...150, using: &random))
                await withTaskGroup(of: Void.self) { group in
                    for (index, report) in reports.enumerated() where index % 8 <= round {
                        group.addTask {
                            let team = Team(rig: rig, callers: callers, port: port)
                            while !isOver.isOpen {
                                // What is cut off by the kill throws.
                                guard
                                    let answer = try? await team.delete(report, "tool", id: "r\(round)-\(index)")
                                else { break }
                                guard answer.status == 428, let id = try? approvalID(answer) else { break }
                                _ = try? await team.decide(id, "approve", "boss")
                            }
                        }
                    }
                    try? await Task.sleep(for: nap)
                    isOver.open()
                    program.kill()
                    await group.waitForAll()
                }
            }
            // One more process settles what is open.
            let last = try Program(arguments)
            _ = try await last.port()
            try await eventually("all is settled") { try Self.open(rig).isEmpty }
            #expect(try await last.end() == 0)
            try await check(rig, reports)
        }
    }

    /// Intents without an outcome.
    private static func open(_ rig: Rig) throws -> Set<Int> {
        try rig.records(in: rig.programLog).reduce(into: Set()) { open, record in
            if record.line.event == "intent" { open.insert(record.line.seq) }
            if let intent = record.line.intent { open.remove(intent) }
        }
    }

    private func check(_ rig: Rig, _ reports: [String]) async throws {
        struct Line: Decodable {
            struct Approval: Decodable { let id: String }
            let approval: Approval?
            let archive: [ArchivedEntry]?
        }
        let records = try rig.records(in: rig.programLog)
        let notSent = Set(records.filter { $0.line.result == "not_sent" }.compactMap(\.line.intent))
        var (used, kept) = ([String: Int](), Set<String>())
        for record in records where record.line.event == "intent" {
            let line = try JSONDecoder().decode(Line.self, from: Data(record.text.utf8))
            let id = try #require(line.approval?.id, "an intent without an approval")
            if !notSent.contains(record.line.seq) { used[id, default: 0] += 1 }
            if line.archive?.first?.file != nil { kept.formUnion(record.line.objects ?? []) }
        }
        #expect(used.values.allSatisfy { $0 == 1 }, "\(used)")
        let approved = Set(
            try records.filter { $0.line.event == "approved" }.compactMap {
                try JSONDecoder().decode(Line.self, from: Data($0.text.utf8)).approval?.id
            })
        #expect(Set(used.keys).isSubset(of: approved))
        let gone = reports.filter { !rig.simulator.reportExists($0) }
        #expect(!gone.isEmpty, "the rounds were too short to delete anything")
        #expect(gone.allSatisfy(kept.contains), "deleted, and not kept")
        let verified = try await AuditProgram.run(
            ["audit", "verify", "--archive", "--path", rig.programLog, "--archive-path", rig.archiveFolder])
        #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
        #expect(rig.unfinished.isEmpty, "the last start has removed what was left")
    }
}
