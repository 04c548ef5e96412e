// Callers that ask for deletes, and callers that decide about them.

import FoundationEssentials
import Simulator
import TestSupport
import Testing

/// The answer's `approval.id`.
func approvalID(_ answer: RawResponse) throws -> String {
    struct Body: Decodable {
        struct Approval: Decodable { let id: String }
        let approval: Approval?
    }
    return try #require(try JSONDecoder().decode(Body.self, from: Data(answer.body)).approval?.id, "\(answer.text)")
}

/// Callers `tool` (deletes), `lead` (deletes and approves), `boss` (approves), `here` and `elsewhere` (approve in one iTwin).
struct Team: Sendable {
    let rig: Rig
    let callers: ScopedCallers
    var port: Int?

    func key(_ name: String) -> (String, String) { callers.key(name) }

    func at(_ port: Int) -> Team { Team(rig: rig, callers: callers, port: port) }

    func delete(
        _ report: String, _ caller: String, id: String, reason: String? = "tidying up",
        _ fields: [(String, String)] = []
    ) async throws -> RawResponse {
        let why = reason.map { [("X-Audit-Reason", $0)] } ?? []
        return try await send(
            "POST", "\(rig.v2)/reports/jobs/deletion", [key(caller), ("x-correlation-id", id)] + why + fields,
            body: #"{"jobs":["\#(report)"],"operation":"delete"}"#)
    }

    func list(_ caller: String) async throws -> RawResponse {
        try await send("GET", "/_proxy/approvals", [key(caller)], body: nil)
    }

    func decide(_ id: String, _ decision: String, _ caller: String, reason: String? = nil) async throws -> RawResponse {
        let why = reason.map { #","reason":"\#($0)""# } ?? ""
        return try await send(
            "POST", "/_proxy/approvals/\(id)", [key(caller)], body: #"{"decision":"\#(decision)"\#(why)}"#)
    }

    private func send(
        _ method: String, _ target: String, _ fields: [(String, String)], body: String?
    ) async throws -> RawResponse {
        let client = try RawClient(port: port ?? rig.port)
        defer { client.close() }
        return try await client.exchange(rig.request(method, target, fields, body: body))
    }
}

extension Rig {
    /// How many deletes have got upstream.
    var deletesUpstream: Int {
        simulator.recorded(RequestFilter(target: "/clash")).filter { $0.method != "GET" }.count
    }
}

func withApprovers(
    origin: ScriptedOrigin? = nil, flags: [String] = [], _ body: (Rig, Team) async throws -> Void
) async throws {
    try await withScopes(origin: origin, flags: ["deletes.approval=second"] + flags) {
        try $0.add("tool")
        try $0.add("lead", allow: "read,delete,approve")
        try $0.add("boss", allow: "read,approve")
        try $0.add("here", allow: "approve", itwins: [SeededWorld.mine], operations: "v2.reports.delete")
        try $0.add("elsewhere", allow: "approve", itwins: [SeededWorld.foreign])
    } _: { rig, callers in
        try await body(rig, Team(rig: rig, callers: callers))
    }
}
