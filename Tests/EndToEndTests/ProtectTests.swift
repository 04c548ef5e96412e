// deletes.protect: what nobody deletes, by whatever way.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct ProtectTests {
    private static let mine = SeededWorld.mine
    private static let run = "11111111-2222-4333-8444-555555555555"
    private static let test = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"

    @Test("a protected run, report or test is not deleted in any version, spelling or body; another one is")
    func objects() async throws {
        let world = Simulator(SimulatorConfiguration())
        let v1Run = world.legacyID(project: Self.mine, entity: Self.run) ?? ""
        let v1Test = world.legacyID(project: Self.mine, entity: Self.test) ?? ""
        // Once as its GUID, once as its v1 id.
        for protected in [[Self.run.uppercased(), "{\(Self.test)}"], [v1Run, v1Test + "="]] {
            try await withProtection(of: protected) { rig, received, callers in
                let base = "/clash-detection/itwins/\(Self.mine)"
                let spellings = [Self.run, "{\(Self.run.uppercased())}", Self.run.replacing("-", with: "")]
                var calls: [(String, String, String?)] = [
                    ("DELETE", "/clashdetection/runs/\(v1Run)", nil),
                    ("DELETE", "/ClashDetection//Runs/\(v1Run)%3D/", nil),
                    (
                        "DELETE",
                        "/clashdetection/runs/\(v1Run.first.map { "%\(String($0.asciiValue ?? 0, radix: 16))" } ?? "")\(v1Run.dropFirst());x=1",
                        nil
                    ),
                    ("DELETE", "/clashdetection/tests/\(v1Test)", nil),
                    (
                        "DELETE",
                        "/clashdetection/tests/\(v1Test.dropLast())\(v1Test.suffix(1))?projectId=\(Self.mine)", nil
                    ),
                    ("POST", "\(base)/tests/jobs/deletion", #"{"jobs":["\#(Self.test)"],"operation":"delete"}"#),
                    ("POST", "\(base)/runs/jobs", #"{"jobs":[{"reportId":"\#(Self.run)"}],"operation":"delete"}"#),
                    ("POST", "\(base)/unknown", #"{"x":{"y":["\#(Self.run)"]},"operation":"delete"}"#),
                    ("DELETE", "\(base)/reports/\(Self.run)", nil),
                    ("DELETE", "\(base)/unknown?reportId=%7B\(Self.run)%7D", nil),
                    ("DELETE", "\(base)/manual-suppressions", #"{"reports":["\#(v1Run)"]}"#),
                ]
                calls += spellings.map {
                    ("POST", "\(base)/reports/jobs/deletion", #"{"jobs":["\#($0)"],"operation":"delete"}"#)
                }
                for (index, (method, target, body)) in calls.enumerated() {
                    // An id with parameters is outside every scope.
                    for caller in target.contains(";") ? ["free"] : ["free", "mine"] {
                        let answer = try await rig.call(
                            method, target, [callers.key(caller), ("x-correlation-id", "p\(index)\(caller)")],
                            body: body)
                        answer.expectError(403, "Protected", reason: "protected", "\(method) \(target) \(body ?? "")")
                        #expect(try rig.story(of: "p\(index)\(caller)") == ["denied"], "\(target)")
                    }
                }
                let byHeader = try await rig.call(
                    "POST", "\(base)/manual-suppressions/removal",
                    [callers.key("free"), ("clash-report-id", Self.run)], body: "{}")
                byHeader.expectError(403, "Protected", reason: "protected")
                #expect(received.count == 0, "\(received.all.map(\.requestLine))")
                let other = "99999999-2222-4333-8444-555555555555"
                let allowed: [(String, String, String?)] = [
                    ("DELETE", "/clashdetection/runs/\(world.legacyID(project: Self.mine, entity: other) ?? "")", nil),
                    ("POST", "\(base)/reports/jobs/deletion", #"{"jobs":["\#(other)"],"operation":"delete"}"#),
                    ("GET", "\(base)/reports/\(Self.run)", nil), ("PUT", "\(base)/tests/\(Self.test)", "{}"),
                ]
                for (method, target, body) in allowed {
                    #expect(
                        try await rig.call(method, target, [callers.key("free")], body: body).status == 200, "\(target)"
                    )
                }
            }
        }
    }

    @Test("a protected run covers its result; a protected test its reports do not share")
    func covered() async throws {
        let world = Simulator(SimulatorConfiguration())
        let report = world.reportIDs(iTwin: Self.mine)[3]
        let result = world.legacyResultID(report: report) ?? ""
        try await withProtection(of: [report, Self.test]) { rig, received, callers in
            try await rig.call("DELETE", "/clashdetection/results/\(result)", [callers.key("free")])
                .expectError(403, "Protected", reason: "protected")
            #expect(received.count == 0)
            let body = #"{"jobs":["\#(Self.run)"],"operation":"delete"}"#
            let target = "/clash-detection/itwins/\(Self.mine)/reports/jobs/deletion"
            #expect(try await rig.call("POST", target, [callers.key("free")], body: body).status == 200)
        }
    }

    @Test("while something is protected, a delete has to name what it is about by ids, whatever its body calls it")
    func namedByIDs() async throws {
        try await withProtection(of: [Self.run]) { rig, received, callers in
            let base = "/clash-detection/itwins/\(Self.mine)"
            let other = "99999999-2222-4333-8444-555555555555"
            func jobs(_ list: String, _ word: String = "delete") -> String {
                #"{"jobs":\#(list),"operation":"\#(word)"}"#
            }
            let unnamed = [
                #"["urn:uuid:\#(Self.run)"]"#, #"["x\#(Self.run)"]"#, #"["\#(other),\#(Self.run)"]"#,
                #"[{"\#(Self.run)":1}]"#, "[]",
            ]
            var calls = unnamed.map { ("\(base)/reports/jobs/deletion", jobs($0)) }
            calls += [("\(base)/tests/jobs/deletion", jobs("[]")), ("\(base)/reports/jobs/deletion", "")]
            calls += ["remove", "Purge"].map { ("\(base)/reports/jobs", jobs(#"["\#(Self.run)"]"#, $0)) }
            for (target, body) in calls {
                try await rig.call("POST", target, [callers.key("free")], body: body)
                    .expectError(403, "Protected", reason: "protected", "\(target) \(body)")
            }
            #expect(received.count == 0, "\(received.all.map(\.requestLine))")
            let named = jobs(#"["\#(other)"]"#)
            let target = "\(base)/reports/jobs/deletion"
            #expect(try await rig.call("POST", target, [callers.key("free")], body: named).status == 200)
        }
    }

    @Test("nothing in a protected iTwin is deleted, and no delete whose iTwin or body nobody can read")
    func iTwins() async throws {
        let world = Simulator(SimulatorConfiguration())
        let id = world.legacyID(project: Self.mine, entity: Self.run) ?? ""
        try await withProtection(of: [Self.mine]) { rig, received, callers in
            let base = "/clash-detection/itwins/\(Self.mine.uppercased())"
            let theirs = "/clash-detection/itwins/\(SeededWorld.foreign)"
            let delete = #"{"jobs":["\#(Self.run)"],"operation":"delete"}"#
            let refused: [(String, String, [(String, String)], String?)] = [
                ("POST", "\(base)/reports/jobs/deletion", [], delete),
                ("DELETE", "\(base)/suppression-rules/1", [], nil),
                ("DELETE", "/clashdetection/runs/\(id)", [], nil), ("DELETE", "/clashdetection/runs/AbC", [], nil),
                ("DELETE", "/clashdetection/anything?projectId=\(Self.mine)", [], nil),
                ("POST", "/clashdetection/x", [], #"{"projectId":"\#(Self.mine)","operation":"delete"}"#),
                ("POST", "\(theirs)/reports/jobs/deletion", [], #"{"jobs":["#),
                ("POST", "\(theirs)/reports/jobs/deletion", [("Content-Encoding", "gzip")], delete),
                ("POST", "\(theirs)/reports/jobs/deletion", [("Content-Type", "text/plain; charset=utf-16")], delete),
                ("POST", "\(theirs)/reports/jobs/deletion", [("Content-Type", "text/plain")], "jobs=1"),
                ("POST", "\(theirs)/reports/jobs", [], "operation=delete&jobs=1"),
                ("DELETE", "\(theirs);\(Self.mine)/suppression-rules/1", [], nil),
                ("DELETE", "\(theirs)/suppression-rules/1;\(Self.mine)", [], nil),
            ]
            for (method, target, headers, body) in refused {
                let answer = try await rig.call(method, target, [callers.key("free")] + headers, body: body)
                answer.expectError(403, "Protected", reason: "protected", "\(method) \(target) \(body ?? "")")
            }
            #expect(received.count == 0)
            #expect(
                try await rig.call("POST", "\(theirs)/reports/jobs/deletion", [callers.key("free")], body: delete)
                    .status == 200)
            #expect(try await rig.call("PUT", "\(base)/tests/1", [callers.key("free")], body: "{}").status == 200)
        }
    }

    @Test("rights come before scope, and scope before protection: nobody learns what is protected elsewhere")
    func order() async throws {
        try await withProtection(of: [SeededWorld.foreign]) { rig, _, callers in
            let target = "/clash-detection/itwins/\(SeededWorld.foreign)/suppression-rules/1"
            for caller in ["mine", "reader"] {
                try await rig.call("DELETE", target, [callers.key(caller)])
                    .expectError(403, "InsufficientPermissions", reason: "permission-denied", caller)
            }
            try await rig.call("DELETE", target, [callers.key("foreign")])
                .expectError(403, "Protected", reason: "protected")
        }
    }

    private func withProtection(
        of ids: [String], _ body: @escaping (Rig, Received, ScopedCallers) async throws -> Void
    ) async throws {
        let received = Received()
        let server = origin(received) { _, _ in ok }
        let list = ids.map { "\"\($0)\"" }.joined(separator: ",")
        try await withScopes(origin: server, flags: ["deletes.protect=[\(list)]"]) {
            try $0.add("reader", allow: "read")
        } _: { rig, callers in
            try await body(rig, received, callers)
        }
        server.stop()
    }
}
