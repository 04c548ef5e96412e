// Idempotency keys and processes: a proxy that is killed under starts of runs, and the next one on the same folder.

import FoundationEssentials
import Glibc
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.enabled(if: Program.isBuilt), .serialized, .timeLimit(.minutes(8))) struct IdempotencyProcessTests {
    private static let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
        .joined(separator: "/")
    private static let python = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":")
        .map { "\($0)/python3" }.first { FileManager.default.isExecutableFile(atPath: $0) }

    @Test(
        "what a killed proxy left of starts is found out by the next: a retry with the key gets the run, and none is sent again"
    )
    func killed() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let log = folder.path + "/audit"
        try await withRig { rig async throws in
            let tests = rig.simulator.testIDs(iTwin: rig.iTwin)
            let before = rig.runs
            // Carried out and without a key, carried out, and not carried out.
            let starts: [(id: String, test: String, key: String?, fault: Fault)] = [
                ("s-0", tests[0], nil, .executeThenHang), ("s-1", tests[1], "k-1", .executeThenHang),
                ("s-2", tests[2], "k-2", .hang),
            ]
            var program: Program? = try Program(["serve", "--config", "/dev/null"] + settings(rig, log: log))
            let port = try await program?.port() ?? 0
            var clients: [RawClient] = []
            for start in starts {
                rig.simulator.inject(start.fault, where: RequestFilter(method: "POST", body: start.test))
                let client = try RawClient(port: port)
                try await client.send(request(rig, start.id, start.test, start.key))
                #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(method: "POST", body: start.test)))
                clients.append(client)
            }
            program = nil  // SIGKILL
            for client in clients { client.close() }
            rig.simulator.clearFaults()

            let again = try Program(["serve", "--config", "/dev/null"] + settings(rig, log: log))
            let next = try await again.port()
            let answers = try await withThrowingTaskGroup(of: (Int, RawResponse).self) { group in
                for (index, start) in starts.enumerated() where start.key != nil {
                    group.addTask { [self] in
                        let client = try RawClient(port: next)
                        defer { client.close() }
                        return (index, try await client.exchange(request(rig, "retry-\(index)", start.test, start.key)))
                    }
                }
                return try await group.reduce(into: [Int: RawResponse]()) { $0[$1.0] = $1.1 }
            }
            let new = rig.runs.filter { !before.contains($0) }
            #expect(new.count == 2)
            #expect(answers[1]?.status == 200 && new.contains { answers[1]?.text.contains($0) == true })
            #expect(answers[2]?.status == 504 && answers[2]?.text.contains("no new run of the test was seen") == true)
            try await eventually("three recovered records") {
                try rig.records(in: log).filter { $0.line.event == "recovered" }.count == 3
            }
            #expect(try await again.end() == 0)
            let stories = try starts.map { try rig.story(of: $0.id, in: log) }
            #expect(
                stories == [
                    ["intent", "recovered started"], ["intent", "recovered started"], ["intent", "recovered unknown"],
                ])
            #expect(rig.startsSent == 3)
        }
    }

    @Test(
        "killed at random moments under starts with keys, each key's run is started once", .enabled(if: python != nil))
    func soak() async throws {
        let python = try #require(Self.python)
        let ran = try await AuditProgram.run(
            python, ["\(Self.root)/scripts/soak-runs", "4", "0.6", "--binary", Program.path, "--tools", "8"])
        #expect(ran.status == 0, "\(ran.output)\(ran.errors)")
        #expect(ran.output.contains("4 kills"))
    }

    private func request(_ rig: Rig, _ id: String, _ test: String, _ key: String?) -> String {
        let model = rig.simulator.repositoryIDs(iTwin: rig.iTwin)[0]
        return rig.request(
            "POST", "\(rig.v2)/runs/jobs",
            [("x-correlation-id", id)] + (key.map { [("Idempotency-Key", $0)] } ?? []),
            body: #"{"jobs":[{"testId":"\#(test)","iModelId":"\#(model)"}],"operation":"run"}"#)
    }

    private func settings(_ rig: Rig, log: String) -> [String] {
        [
            "listen.address=127.0.0.1:0", "admin.address=", "upstream.url=\(rig.upstream.apiURL)",
            "token.token_url=\(rig.upstream.tokenURL)", "token.client_id=demo", "token.client_secret=demo-secret",
            "audit.path=\(log)", "audit.snapshot=false",
        ].flatMap { ["--set", $0] }
    }
}
