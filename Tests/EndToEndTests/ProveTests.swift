// `clash-proxy prove`: that the promises hold on a configuration with everything in it, and that each proof can fail.

import ClashAPI
import Configuration
import Ground
import RateLimiting
import Simulator
import TestSupport
import Testing

@testable import Proving

@Suite(.timeLimit(.minutes(8))) struct ProveTests {
    private static let bound = "11111111-1111-4111-8111-111111111111"
    private static let file = """
        [rate]
        windows = ["500/1m", "5000/1h"]
        [deletes]
        protect = ["d5baf029-f041-4756-b717-a7011de099da"]
        [audit]
        require_reason = true
        [admin]
        key_sha256 = "\(String(repeating: "d", count: 64))"
        [[caller]]
        name = "dashboard"
        key_sha256 = "\(String(repeating: "a", count: 64))"
        allow = ["read"]
        itwins = ["\(bound)"]
        [[caller]]
        name = "cleaner"
        key_sha256 = "\(String(repeating: "b", count: 64))"
        allow = ["read", "delete"]
        windows = ["4/1h"]
        [[caller]]
        name = "runner"
        key_sha256 = "\(String(repeating: "c", count: 64))"
        allow = ["read", "run", "write", "delete"]
        operations = ["v2.runs.*", "v2.tests.*", "v1.*"]
        [[issuer]]
        url = "https://ims.bentley.com"
        client_ids = ["tool"]
        rights_claim = "groups"
        rights = { "admins" = ["read", "write", "run", "delete"] }
        """

    private static func config(_ file: String = file, _ flags: [String] = []) throws -> Config {
        let secrets = ["token.client_id=x", "token.client_secret=x"]
        return try ConfigLoader.load(
            ConfigSources(file: ConfigSources.File(name: "proxy.conf", text: file), flags: secrets + flags)
        ).config
    }

    private func prove(
        _ config: Config, only: Set<Promise> = Set(Promise.allCases), limit: Duration = .seconds(120),
        _ sabotage: @escaping @Sendable (inout Config) -> Void = { _ in }
    ) async throws -> [ProofRow] {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let rows = await Prover(config, in: folder.path, only: only, limit: limit, sabotage: sabotage).run()
        let left = try await Shell.run("ls \(folder.path)")
        #expect(left.isEmpty, "nothing is left behind")
        return rows
    }

    @Test(
        "all promises hold on a configuration with callers, scopes, windows, protection and an issuer; each caller has its row"
    )
    func holds() async throws {
        let rows = try await prove(try Self.config())
        for row in rows {
            if case .fail(let why) = row.verdict { Issue.record("\(row.promise) \(row.caller): \(why)") }
        }
        let callers = [
            "dashboard", "cleaner", "runner", "anybody of https://ims.bentley.com",
            "anybody of https://ims.bentley.com in admins",
        ]
        for promise in Promise.allCases {
            let named = rows.filter { $0.promise == promise }.map(\.caller)
            if promise == .drainLosesNothing || promise == .logVerifies {
                #expect(named == ["all"])
            } else {
                for caller in callers { #expect(named.contains(caller), "\(promise) \(caller)") }
            }
        }
        func isPassed(_ promise: Promise, _ caller: String) -> Bool {
            rows.contains { row in
                guard row.promise == promise, row.caller == caller, case .pass = row.verdict else { return false }
                return true
            }
        }
        #expect(isPassed(.scopeHolds, "dashboard") && isPassed(.scopeHolds, "anybody of https://ims.bentley.com"))
        #expect(isPassed(.deletedIsNeverShown, "cleaner") && isPassed(.deletesAreRecorded, callers[4]))
        #expect(isPassed(.noWindowIsExceeded, "all") && isPassed(.noWindowIsExceeded, "cleaner"))
        #expect(isPassed(.runsStartOnce, "runner"))
        #expect(isPassed(.noWindowIsExceeded, "starts of runs") && isPassed(.protectedStays, "runner"))
    }

    @Test("what is turned off is not applicable, with the key that does it")
    func turnedOff() async throws {
        let flags = [
            "cache.enabled=false", "audit.required=false", "rate.observe=true", "rate.run_windows=[]",
            "shutdown.drain_timeout=0s",
        ]
        let rows = try await prove(try Self.config("", flags))
        let off: [(Promise, String, String)] = [
            (.repeatsAreCached, "anonymous", "cache.enabled"), (.noRecordNoDelete, "anonymous", "audit.required"),
            (.pauseIsAbsorbed, "anonymous", "rate.observe"), (.noWindowIsExceeded, "all", "rate.observe"),
            (.noWindowIsExceeded, "starts of runs", "rate.run_windows"),
            (.protectedStays, "anonymous", "deletes.protect"),
            (.drainLosesNothing, "all", "shutdown.drain_timeout"), (.scopeHolds, "anonymous", "allow"),
        ]
        for (promise, caller, key) in off {
            let row = try #require(rows.first { $0.promise == promise && $0.caller == caller })
            #expect(row.verdict.word == "not applicable" && row.verdict.why.contains(key), "\(row)")
        }
        #expect(!rows.contains { $0.verdict.word == "fail" }, "\(rows)")
    }

    @Test(
        "limits that are small are no lost calls at the end",
        arguments: [
            ["rate.max_in_flight=1", "upstream.max_connections=1"], ["listen.max_connections=2"],
            ["rate.max_queue=1"], ["rate.max_wait=1s", "rate.max_in_flight=1"], ["upstream.first_byte_timeout=1s"],
        ])
    func smallLimits(flags: [String]) async throws {
        let rows = try await prove(try Self.config("", flags), only: [.drainLosesNothing])
        #expect(rows.map(\.verdict.word) == ["pass"], "\(rows)")
    }

    @Test("no credential has to be at hand: what stands for one and is not set, or not there, is no mistake")
    func withoutSecrets() throws {
        let file = """
            [token]
            client_id = "${NOPE}"
            client_secret = "${NOPE}"
            [alerts]
            webhook = "https://${NOPE}/x"
            """
        func load(_ file: String, _ flags: [String] = []) throws -> Config {
            let sources = ConfigSources(file: ConfigSources.File(name: "proxy.conf", text: file), flags: flags)
            return try ConfigLoader.load(sources, judgesSecrets: false).config
        }
        #expect(try load(file, ["rate.windows=7/1s"]).rate.windows.map(\.limit) == [7])
        #expect(try load("", ["token.client_secret_file=/nowhere/secret"]).token.mode == .clientCredentials)
        #expect(throws: ConfigMistakes.self) { try load(file, ["rate.windows=none"]) }
        #expect(throws: ConfigMistakes.self) { try Self.config(file) }
    }

    struct Sabotage: Sendable, CustomTestStringConvertible {
        let promise: Promise
        let caller: String
        let testDescription: String
        let change: @Sendable (inout Config) -> Void

        init(
            _ promise: Promise, _ caller: String, _ text: String, _ change: @escaping @Sendable (inout Config) -> Void
        ) {
            (self.promise, self.caller, testDescription, self.change) = (promise, caller, text, change)
        }
    }

    private static let sabotages: [Sabotage] = [
        Sabotage(.repeatsAreCached, "dashboard", "no cache") { $0.cache.enabled = false },
        Sabotage(.scopeHolds, "dashboard", "a caller may touch every iTwin") { $0.callers[0].itwins = [] },
        Sabotage(.scopeHolds, "cleaner", "a caller has every right") { $0.callers[1].allow = Set(Permission.allCases) },
        Sabotage(.scopeHolds, "runner", "a caller may call every operation") { $0.callers[2].operations = [] },
        Sabotage(.protectedStays, "cleaner", "nothing is protected") { $0.deletes.protect = [] },
        Sabotage(.noRecordNoDelete, "cleaner", "the log is not required") { $0.audit.required = false },
        Sabotage(.noWindowIsExceeded, "all", "no window holds") { $0.rate.windows = [] },
        Sabotage(.noWindowIsExceeded, "starts of runs", "no window for runs") { $0.rate.runWindows = [] },
        Sabotage(.noWindowIsExceeded, "cleaner", "no windows of a caller") { $0.callers[1].windows = [] },
        Sabotage(.pauseIsAbsorbed, "cleaner", "429s are passed on") { $0.rate.observe = true },
        Sabotage(.drainLosesNothing, "all", "no time to drain") { $0.shutdown.drainTimeout = .zero },
        Sabotage(.logVerifies, "all", "the log is elsewhere") { $0.audit.path += "-elsewhere" },
        Sabotage(.deletesAreRecorded, "cleaner", "recorded under another name") { $0.callers[1].name = "somebody" },
        Sabotage(.noSecretLeaves, "the proxy itself", "a caller is called as the secret") {
            $0.callers[1].name = $0.token.clientSecret?.withValue { $0 } ?? ""
        },
    ]

    @Test("a promise that is broken on purpose fails, in the row of who it was promised to", arguments: sabotages)
    func broken(_ sabotage: Sabotage) async throws {
        let rows = try await prove(try Self.config(), only: [sabotage.promise], sabotage.change)
        let row = try #require(rows.first { $0.promise == sabotage.promise && $0.caller == sabotage.caller })
        #expect(row.verdict.word == "fail" && !row.verdict.why.hasPrefix("could not"), "\(row)")
    }

    @Test("an upstream that still shows what it said it deleted makes the proof of deletes fail")
    func undead() async throws {
        let origin = ScriptedOrigin { connection in
            while true {
                let request = try connection.readRequest()
                let isRead = request.requestLine.hasPrefix("GET")
                try connection.send(isRead ? numbered(1) : json("{}", status: "202 Accepted"))
            }
        }
        defer { origin.stop() }
        let port = Int(origin.url.split(separator: ":").last ?? "") ?? 0
        let rows = try await prove(try Self.config("", []), only: [.deletedIsNeverShown]) {
            $0.upstream.url.port = port
        }
        #expect(
            rows.first?.verdict.word == "fail" && rows.first?.verdict.why.contains("still showed it") == true, "\(rows)"
        )
    }

    @Test("what could not be run within the time is a failure")
    func noTime() async throws {
        let rows = try await prove(try Self.config(), limit: .milliseconds(1))
        #expect(
            !rows.isEmpty && rows.contains { $0.verdict.word == "fail" && $0.verdict.why.contains("could not be run") })
    }

    @Test("the calls of the proof of deletes are bounded, however many callers there are")
    func bounded() {
        for count in 1...100 {
            let readers = MainProof.mostReaders(ofCallers: count)
            #expect((2...12).contains(readers) && readers * count <= max(96, 2 * count))
        }
        #expect(MainProof.mostReaders(ofCallers: 5) == 12)
    }

    @Test("there is a call for every documented operation")
    func operations() async throws {
        let simulator = Simulator(SimulatorConfiguration())
        let calls = ProofCalls(simulator, iTwin: simulator.iTwinIDs[0]).all.map(\.operation)
        #expect(Set(calls) == Set(Operation.all.filter(\.isKnown).map(\.name)) && Set(calls).count == calls.count)
    }

    @Test(
        "the command prints the table and ends with 0; a wrong configuration ends it with 78",
        .enabled(if: Program.isBuilt))
    func command() async throws {
        let ran = try await AuditProgram.run(["prove", "--config", "/dev/null", "--set", "cache.enabled=false"])
        #expect(ran.status == 0, "\(ran.output) \(ran.errors)")
        #expect(ran.output.hasPrefix("PROMISE ") && ran.output.contains("every promise that applies holds"))
        let json = try await AuditProgram.run(["prove", "--json", "--config", "/dev/null"])
        let document = try #require(JSON(Array(json.output.utf8)))
        #expect(document["holds"] == .bool(true) && (document["rows"]?.array?.count ?? 0) >= Promise.allCases.count)
        let wrong = try await AuditProgram.run(["prove", "--config", "/dev/null", "--set", "rate.windows=none"])
        #expect(wrong.status == 78 && wrong.output.isEmpty)
    }
}
