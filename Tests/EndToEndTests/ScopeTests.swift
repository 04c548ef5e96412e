// What a caller's scope is held against: every place that can name an iTwin, in every spelling, and what names none.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct ScopeTests {
    private static let mine = SeededWorld.mine
    private static let foreign = SeededWorld.foreign

    /// The spellings of a GUID, as they stand in a target.
    private static func spellings(_ id: String) -> [String] {
        let bare = id.replacing("-", with: "")
        return [
            id, id.uppercased(), bare, bare.uppercased(), "%7B\(id)%7D", "%28\(id)%29", "%7b\(bare)%7d",
            id.replacing("-", with: "%2D"), id.map { "%\(String($0.asciiValue ?? 0, radix: 16))" }.joined(),
        ]
    }

    @Test("one iTwin is one iTwin in every spelling, in path, query and body")
    func spellings() async throws {
        try await withOpenOrigin { rig, received, callers in
            for (id, owner, other) in [(Self.mine, "mine", "foreign"), (Self.foreign, "foreign", "mine")] {
                for spelled in Self.spellings(id) {
                    let plain = spelled.replacing("%2D", with: "-")
                    let inBody = plain.contains("%") ? id.uppercased() : plain
                    let calls: [(String, String, String?)] = [
                        ("GET", "/clash-detection/itwins/\(spelled)/reports", nil),
                        ("GET", "/clashdetection/tests?projectId=\(spelled)", nil),
                        ("GET", "/clashdetection/tests?%50ROJECTID=\(spelled)", nil),
                        ("GET", "/clashdetection/runs?iTwinId=\(spelled)", nil),
                        ("POST", "/clashdetection/tests", #"{"projectId":"\#(inBody)"}"#),
                        ("POST", "/clashdetection/tests", #"{"a":{},"ITWINID":" {\#(inBody)} "}"#),
                        ("POST", "/clashdetection/tests", #"{"project\u0049d":"(\#(inBody))"}"#),
                    ]
                    for (method, target, body) in calls {
                        let before = received.count
                        let right = try await rig.call(method, target, [callers.key(owner)], body: body)
                        #expect(right.status == 200, "\(owner) \(target) \(body ?? "") \(right.text)")
                        #expect(received.count == before + 1)
                        let wrong = try await rig.call(method, target, [callers.key(other)], body: body)
                        wrong.expectError(
                            403, "InsufficientPermissions", reason: "permission-denied", "\(other) \(target)")
                        #expect(received.count == before + 1, "\(target)")
                    }
                }
            }
        }
    }

    @Test("a v1 id names its project with padding, with spare bits and percent-encoded, in the path and in the body")
    func v1Spellings() async throws {
        try await withOpenOrigin { rig, received, callers in
            let entity = "fedcba98-7654-4321-8fed-cba987654321"
            let id = try #require(rig.simulator.legacyID(project: Self.mine, entity: entity))
            let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
            let last = try #require(id.last.flatMap { letters.firstIndex(of: $0) })
            let spare = String(id.dropLast()) + String(letters[last | 3])
            let first = "%\(String(id.first?.asciiValue ?? 0, radix: 16))"
            let inPath = [id, id + "=", id + "%3D", spare, first + id.dropFirst()]
            for spelled in inPath {
                for (method, collection) in [("GET", "runs"), ("DELETE", "runs"), ("GET", "suppressionRules")] {
                    let target = "/clashdetection/\(collection)/\(spelled)"
                    #expect(try await rig.call(method, target, [callers.key("mine")]).status == 200, "\(target)")
                    let before = received.count
                    try await rig.call(method, target, [callers.key("foreign")])
                        .expectError(403, "InsufficientPermissions", reason: "permission-denied", target)
                    #expect(received.count == before)
                }
            }
            for spelled in [id, id + "=", spare, "\\u00\(first.dropFirst())" + id.dropFirst()] {
                let bodies = [
                    ("/clashdetection/runs", #"{"testId":"\#(spelled)"}"#),
                    ("/clashdetection/tests", #"{"projectId":"\#(Self.mine)","suppressionRules":["\#(spelled)"]}"#),
                    ("/clashdetection/suppressionrules", #"{"projectId":"\#(Self.mine)","templateID":"\#(spelled)"}"#),
                ]
                for (target, body) in bodies {
                    let right = try await rig.call("POST", target, [callers.key("mine")], body: body)
                    #expect(right.status == 200, "\(body) \(right.text)")
                    try await rig.call("POST", target, [callers.key("foreign")], body: body)
                        .expectError(403, "InsufficientPermissions", reason: "permission-denied", body)
                }
            }
            let theirs = try #require(rig.simulator.legacyID(project: Self.foreign, entity: entity))
            let mixed = #"{"projectId":"\#(Self.mine)","suppressionRules":["\#(id)","\#(theirs)"]}"#
            try await rig.call("POST", "/clashdetection/tests", [callers.key("mine")], body: mixed)
                .expectError(403, "InsufficientPermissions", reason: "permission-denied")
        }
    }

    @Test("what names no iTwin, or cannot be read, is refused to a scoped caller and to nobody else")
    func unnamed() async throws {
        try await withOpenOrigin { rig, received, callers in
            let json = [("Content-Type", "application/json")]
            let (mine, foreign) = (Self.mine, Self.foreign)
            let id = rig.simulator.legacyID(project: mine, entity: mine) ?? ""
            let calls: [(String, String, [(String, String)], String?)] = [
                ("GET", "/clashdetection/tests", [], nil), ("GET", "/clashdetection/tests?projectId=", [], nil),
                ("GET", "/clashdetection/tests?projectId=\(mine)&projectId=\(foreign)", [], nil),
                ("GET", "/clashdetection/tests?projectId=\(foreign)&projectId=\(mine)", [], nil),
                ("GET", "/clashdetection/tests?projectId=\(mine)&x=1;projectId=\(foreign)", [], nil),
                ("GET", "/clashdetection/tests?projectId=\(mine)&project%2549d=\(foreign)", [], nil),
                ("GET", "/clashdetection/tests?projectId=\(mine)&x=1%26projectId=\(foreign)", [], nil),
                ("GET", "/clashdetection/runs/AbC", [], nil), ("GET", "/clashdetection/runs/\(mine)", [], nil),
                ("GET", "/clashdetection/runs/\(id)?projectId=\(foreign)", [], nil),
                ("GET", "/clashdetection/runs/\(id)?iTwinId=x", [], nil),
                ("GET", "/clash-detection/nowhere", [], nil), ("OPTIONS", "/clashdetection/tests", [], nil),
                ("GET", "/clash-detection/itwins/\(mine)x/tests", [], nil),
                ("GET", "/clash-detection/itwins/\(mine);\(foreign)/reports", [], nil),
                ("GET", "/clash-detection/itwins/\(mine);/reports", [], nil),
                ("GET", "/clash-detection/itwins/\(mine)%3B\(foreign)/reports", [], nil),
                ("GET", "/clash-detection/itwins/\(mine),\(foreign)/reports", [], nil),
                ("GET", "/clash-detection/itwins/\(mine)/reports/\(mine);\(foreign)", [], nil),
                ("GET", "/clash-detection/itwins/\(mine)/reports/\(mine)%3B\(foreign)", [], nil),
                ("GET", "/clashdetection/runs/\(id);\(foreign)", [], nil),
                ("GET", "/clash-detection/%2569twins/\(foreign)/reports?projectId=\(mine)", [], nil),
                ("GET", "/clash-detection/%252569twins/\(foreign)/reports?projectId=\(mine)", [], nil),
                ("GET", "/clash-detection/itwins/\(mine)/x%252F..%252F..%252F\(foreign)/tests", [], nil),
                ("GET", "/clash-detection/itwins/\(mine)/other/itwins/\(foreign)", [], nil),
                ("GET", "/clash-detection/itwins//\(foreign)/tests", [], nil),
                ("GET", "/clash-detection/itwins/%257B\(foreign)%257D/tests", [], nil),
                ("POST", "/clashdetection/tests", json, "{}"), ("POST", "/clashdetection/tests", json, ""),
                ("POST", "/clashdetection/tests", json, #"{"projectId":null}"#),
                ("POST", "/clashdetection/tests", json, #"{"projectId":["\#(mine)"]}"#),
                ("POST", "/clashdetection/tests", json, #"{"projectId":"\#(mine)","projectId":"\#(foreign)"}"#),
                ("POST", "/clashdetection/tests", json, #"{"projectId":"\#(mine)","suppressionRules":[1]}"#),
                ("POST", "/clashdetection/tests", json, #"{"a":{"projectId":"\#(mine)"}}"#),
                ("POST", "/clashdetection/tests", json, #"{"projectId":"\#(mine)"} {"projectId":"\#(foreign)"}"#),
                ("POST", "/clashdetection/tests?projectId=\(mine)", json, #""\#(mine)""#),
                ("POST", "/clashdetection/tests?projectId=\(mine)", json + [("Content-Encoding", "br")], "{}"),
                (
                    "POST", "/clashdetection/tests?projectId=\(mine)",
                    [("Content-Type", "application/json; charset=utf-16")], "{}"
                ),
                ("POST", "/clashdetection/runs", json, #"{"testId":"t","projectId":"\#(mine)"}"#),
                ("PUT", "/clash-detection/itwins/\(mine)/tests/1", json, "{"),
                ("DELETE", "/clashdetection/runs/\(id)", json, #"{"iTwinId":"\#(foreign)"}"#),
                ("DELETE", "/clashdetection/runs/\(id)", json, "plain"),
                ("GET", "/clash-detection/itwins/\(mine)/tests", json, #"{"projectId":"\#(foreign)"}"#),
            ]
            for (method, target, headers, body) in calls {
                let before = received.count
                let refused = try await rig.call(method, target, [callers.key("mine")] + headers, body: body)
                refused.expectError(
                    403, "InsufficientPermissions", reason: "permission-denied", "\(method) \(target) \(body ?? "")")
                #expect(received.count == before, "\(target)")
                let free = try await rig.call(method, target, [callers.key("free")] + headers, body: body)
                #expect(free.status == 200, "\(method) \(target) \(body ?? "") \(free.text)")
            }
        }
    }

    @Test("a call that its head already puts outside the scope is refused before its body is asked for")
    func early() async throws {
        try await withOpenOrigin { rig, received, callers in
            for (caller, target) in [
                ("mine", "/clash-detection/itwins/\(Self.foreign)/tests"), ("lister", "/clashdetection/runs"),
            ] {
                let key = callers.key(caller)
                let answer = try await rig.raw(
                    "POST \(target) HTTP/1.1\r\nHost: localhost\r\n\(key.0): \(key.1)\r\nContent-Length: 40\r\n"
                        + "Expect: 100-continue\r\n\r\n", method: "POST")
                answer.expectError(403, "InsufficientPermissions", reason: "permission-denied", caller)
            }
            #expect(received.count == 0)
        }
    }

    @Test("operations narrow the rights: names of the table and their beginnings, whatever the body makes of the call")
    func operations() async throws {
        try await withOpenOrigin { rig, received, callers in
            let base = "/clash-detection/itwins/\(Self.mine)"
            let calls: [(String, String, String?, Bool)] = [
                ("GET", "\(base)/reports", nil, true), ("GET", "\(base)/reports/1", nil, true),
                ("HEAD", "\(base)/reports/1", nil, true), ("GET", "\(base)/tests", nil, false),
                ("POST", "\(base)/reports/jobs/deletion", #"{"jobs":["1"],"operation":"delete"}"#, true),
                ("POST", "\(base)/runs/jobs", #"{"jobs":["1"],"operation":"cancel"}"#, true),
                ("POST", "\(base)/runs/jobs", #"{"jobs":["1"],"operation":"run"}"#, false),
                ("POST", "\(base)/runs/jobs", #"{"jobs":["1"],"operation":"delete"}"#, false),
                ("PUT", "\(base)/reports/1", "{}", false), ("GET", "\(base)/reports/1/more", nil, false),
                ("GET", "/clashdetection/runs?projectId=\(Self.mine)", nil, false),
            ]
            for (method, target, body, isAllowed) in calls {
                let before = received.count
                let answer = try await rig.call(method, target, [callers.key("lister")], body: body)
                #expect(answer.status == (isAllowed ? 200 : 403), "\(method) \(target) \(body ?? "") \(answer.text)")
                #expect(received.count == before + (isAllowed ? 1 : 0))
                if !isAllowed { #expect(answer.text.contains("its operations are: v2.reports.*, v2.runs.cancel")) }
            }
        }
    }

    @Test(
        "a v1 id that does not decode is refused by whatever method, known or not", arguments: ["POST", "PATCH", "GET"])
    func unknownMethods(method: String) async throws {
        let received = Received()
        let server = origin(received) { _, _ in ok }
        try await withScopes(origin: server) { rig, callers in
            let body: String? = method == "GET" ? nil : "{}"
            for collection in ["tests", "runs", "results", "SuppressionRules"] {
                for id in ["notanid", "vB.", SeededWorld.foreign] {
                    let target = "/clashdetection/\(collection)/\(id)?projectId=\(Self.mine)"
                    let answer = try await rig.call(method, target, [callers.key("mine")], body: body)
                    #expect(answer.status == 403, "\(method) \(target): \(answer.statusLine)")
                }
            }
            #expect(received.count == 0, "\(received.all.map(\.requestLine))")
        }
        server.stop()
    }

    @Test("what exists and what does not are refused alike, and a preflight says nothing")
    func nothingTold() async throws {
        try await withScopes(flags: ["listen.cors_origins=https://viewer.example"]) { rig, callers in
            let theirs = rig.simulator.reportIDs(iTwin: Self.foreign)[0]
            let origin = ("Origin", "https://viewer.example")
            func refusal(_ report: String) async throws -> String {
                let answer = try await rig.get(
                    "/clash-detection/itwins/\(Self.foreign)/reports/\(report)",
                    [callers.key("mine"), origin, ("x-correlation-id", "same")])
                answer.expectError(403, "InsufficientPermissions", reason: "permission-denied")
                return answer.text
            }
            #expect(try await refusal(theirs) == refusal("00000000-0000-0000-0000-000000000000"))
            for iTwin in [Self.mine, Self.foreign] {
                let preflight = try await rig.call(
                    "OPTIONS", "/clash-detection/itwins/\(iTwin)/reports",
                    [origin, ("Access-Control-Request-Method", "GET")])
                #expect(preflight.status == 204)
            }
        }
    }

    @Test("no answer to a scoped caller holds another iTwin's GUID that its request did not name", arguments: 1...3)
    func property(seed: UInt64) async throws {
        try await withScopes(flags: ["cache.enabled=true"]) { rig, callers in
            var random = SeededGenerator(seed: seed)
            for _ in 0..<120 {
                let (target, headers) = Self.randomRead(rig, &random)
                // The other one warms the cache.
                let caller = ["mine", "mine", "foreign", "free"].randomElement(using: &random) ?? "mine"
                let answer = try await rig.get(target, headers + [callers.key(caller)])
                #expect([200, 403, 404, 422].contains(answer.status), "\(target) \(answer.text)")
                guard caller == "mine" else { continue }
                let text = answer.text.lowercased()
                let isNamed = Self.spellings(Self.foreign).contains { target.contains($0) }
                if text.contains(Self.foreign) {
                    #expect(isNamed && answer.status == 403, "\(target)")
                }
                #expect(!answer.text.contains(SeededWorld.idPrefix(Self.foreign)), "\(target)")
            }
        }
    }

    private static func randomRead(_ rig: Rig, _ random: inout SeededGenerator) -> (String, [(String, String)]) {
        let simulator = rig.simulator
        let iTwin = SeededWorld.iTwins.randomElement(using: &random) ?? mine
        // An object of the same iTwin, or of the other.
        let holder = SeededWorld.iTwins.randomElement(using: &random) ?? mine
        let report = simulator.reportIDs(iTwin: holder).randomElement(using: &random) ?? ""
        let test = simulator.testIDs(iTwin: holder).randomElement(using: &random) ?? ""
        let spelled = spellings(iTwin).randomElement(using: &random) ?? iTwin
        let targets = [
            "/clash-detection/itwins/\(iTwin)/reports?$top=3", "/clash-detection/itwins/\(spelled)/tests?$top=3",
            "/clash-detection/itwins/\(iTwin)/reports/\(report)", "/clash-detection/itwins/\(iTwin)/tests/\(test)",
            "/clash-detection/itwins/\(iTwin)/manual-suppressions?clashReportId=\(report)",
            "/clashdetection/tests?projectId=\(spelled)", "/clashdetection/runs?projectId=\(iTwin)",
            "/clashdetection/tests/\(simulator.legacyID(project: iTwin, entity: test) ?? "")",
            "/clashdetection/runs/\(simulator.legacyID(project: iTwin, entity: report) ?? "")",
            "/clashdetection/results/\(simulator.legacyResultID(report: report) ?? "")",
            "/clashdetection/suppressionrules?projectId=\(iTwin)&projectId=\(mine)", "/clashdetection/runs",
        ]
        let target = targets.randomElement(using: &random) ?? targets[0]
        let metadata = Bool.random(using: &random) ? [("Include-User-Metadata", "true")] : []
        return (target, metadata + (target.contains("/tests") ? [("configType", "2")] : []))
    }

    /// The callers, and `lister` who may list reports and cancel runs, in front of an origin that takes everything.
    private func withOpenOrigin(
        _ body: @escaping (Rig, Received, ScopedCallers) async throws -> Void
    ) async throws {
        let received = Received()
        let server = origin(received) { _, request in
            request.requestLine.hasPrefix("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" : ok
        }
        try await withScopes(origin: server) {
            try $0.add("lister", operations: "v2.reports.*,v2.runs.cancel")
        } _: { rig, callers in
            try await body(rig, received, callers)
        }
        server.stop()
    }
}
