// The whole table of operations against every kind of scope, over sockets, hits from a warm cache included.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct ScopeTableTests {
    /// A row's call with what it names changed.
    private enum Naming: CaseIterable {
        case right, mixed, undecodable
    }

    @Test(
        "every operation: right scope as documented, foreign, mixed and unreadable 403, and nothing of it is sent",
        arguments: ["v1", "v2"])
    func table(version: String) async throws {
        try await withScopes(flags: ["cache.enabled=true"]) { rig, callers in
            let rows = try await rows(rig, callers, version)
            for row in rows {
                let name = "\(row.operation) \(row.method) \(row.target)"
                let isRead = row.method == "GET"
                if isRead {
                    let first = try await call(rig, row, callers.key("mine"))
                    #expect(first.status == row.status, "\(name): \(first.text)")
                }
                let before = rig.simulator.recorded(RequestFilter(target: "/clash")).count
                for (caller, naming) in [("foreign", Naming.right), ("mine", .mixed), ("mine", .undecodable)] {
                    let id = "\(caller)-\(UInt32.random(in: 0 ... .max))"
                    let refused = try await call(
                        rig, changed(row, naming), callers.key(caller), [("x-correlation-id", id)])
                    refused.expectError(
                        403, "InsufficientPermissions", reason: "permission-denied", "\(caller) \(naming) \(name)")
                    let isRecorded =
                        row.operation.hasSuffix(".delete") || row.operation.hasSuffix(".remove")
                        || row.operation.contains(".runs.start") || row.operation.contains(".cancel")
                    #expect(try rig.story(of: id) == (isRecorded ? ["denied"] : []), "\(naming) \(name)")
                }
                #expect(rig.simulator.recorded(RequestFilter(target: "/clash")).count == before, "\(name) was sent")
                let right = try await call(rig, row, callers.key("mine"))
                #expect(right.status == row.status, "\(name): \(right.text)")
                guard isRead, right["Cache-Status"]?.contains("hit") == true else { continue }
                let hit = try await call(rig, row, callers.key("foreign"))
                hit.expectError(403, "InsufficientPermissions", reason: "permission-denied", "a hit of \(name)")
            }
        }
    }

    @Test("every operation goes through for a caller without a scope", arguments: ["v1", "v2"])
    func unscoped(version: String) async throws {
        try await withScopes { rig, callers in
            for row in try await rows(rig, callers, version) {
                let answer = try await call(rig, row, callers.key("free"))
                #expect(answer.status == row.status, "\(row.operation): \(answer.text)")
            }
        }
    }

    private func call(
        _ rig: Rig, _ row: OperationRow, _ key: (String, String), _ headers: [(String, String)] = []
    ) async throws -> RawResponse {
        try await rig.call(row.method, row.target, row.headers + [key] + headers, body: row.body)
    }

    /// A foreign iTwin beside the right one, or ids that nobody can read.
    private func changed(_ row: OperationRow, _ naming: Naming) -> OperationRow {
        var (target, body) = (row.target, row.body)
        switch naming {
        case .right: break
        case .mixed:
            if let former = body {
                body = #"{"iTwinId":"\#(SeededWorld.foreign)","# + former.dropFirst()
            } else {
                target += (target.contains("?") ? "&" : "?") + "projectid=\(SeededWorld.foreign)"
            }
        case .undecodable:
            let prefix = SeededWorld.idPrefix(SeededWorld.mine)
            func broken(_ text: String) -> String {
                text.replacing(SeededWorld.mine, with: "no-guid").replacing(prefix, with: prefix.dropLast())
            }
            (target, body) = (broken(target), body.map(broken))
        }
        return OperationRow(
            row.operation, row.method, target, headers: row.headers, body: body, row.status)
    }

    private func rows(_ rig: Rig, _ callers: ScopedCallers, _ version: String) async throws -> [OperationRow] {
        #expect(rig.iTwin == SeededWorld.mine)
        let templates = try await rig.get("\(rig.v2)/suppression-templates", [callers.key("free")]).text
        let start = try #require(templates.firstRange(of: #""id":""#)).upperBound
        let id = String(templates[start...].prefix { $0 != "\"" })
        let ids = WorldIDs(
            rig, template: id, legacyTemplate: rig.simulator.legacyID(project: rig.iTwin, entity: id) ?? "")
        return version == "v1" ? ids.v1 : ids.v2
    }
}
