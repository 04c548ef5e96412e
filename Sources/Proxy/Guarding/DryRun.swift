// `Prefer: dry-run` on a delete: what it would delete, and whether it would be sent. Only reads go upstream.

import ClashAPI
import CurlTransport
import Ground
import HTTPTypes

/// A delete that is not to be carried out.
struct DryRun {
    let verdict: DryRunVerdict

    /// What is known of one of its objects.
    private struct Object {
        let id: String
        /// Nil where nobody can tell: the API has no read for it.
        let isFound: Bool?
        let summary: ObjectSummary?
    }

    /// So much of an object is read: of a report its beginning.
    private static let mostBytes = 64 << 10

    /// The answer's body. Each object costs one call.
    ///
    /// - Parameter read: sends a read and brings upstream's answer.
    func body(
        _ call: UpstreamCall, read: (UpstreamCall) async throws(FlowExit) -> UpstreamResponse
    ) async throws(FlowExit) -> [UInt8] {
        var objects: [Object] = []
        for id in call.match.objectIDs {
            guard let target = call.match.readTarget(of: id) else {
                objects.append(Object(id: id, isFound: nil, summary: nil))
                continue
            }
            objects.append(try await look(at: id, call.reading(target), read))
        }
        var answer = JSONObject()
        answer.add("dryRun", true)
        answer.add("operation", call.match.operation.name)
        answer.add("objects", objects.map { Self.json($0, itwin: call.match.itwin) })
        switch verdict {
        case .wouldBeSent: answer.add("wouldBe", "sent")
        case .wouldBeRefused(let refusal):
            answer.add("wouldBe", "refused")
            var why = JSONObject()
            why.add("code", refusal.reason.row(call.match.operation.version).code)
            why.add("message", refusal.message)
            answer.add("why", why)
        }
        return Array((answer.text + "\n").utf8)
    }

    private func look(
        at id: String, _ call: UpstreamCall, _ read: (UpstreamCall) async throws(FlowExit) -> UpstreamResponse
    ) async throws(FlowExit) -> Object {
        let response = try await read(call)
        defer { response.body.cancel() }
        switch response.status.code {
        case 200..<300:
            var bytes: [UInt8] = []
            while bytes.count < Self.mostBytes, let more = try await response.body.nextBytes(call.traits) {
                bytes += more
            }
            return Object(id: id, isFound: true, summary: ObjectSummary(beginning: bytes))
        case 404, 410: return Object(id: id, isFound: false, summary: nil)
        case let status:
            throw .failed(
                Failure(
                    .upstreamInvalidResponse,
                    "What the delete is about could not be read: upstream answered \(status). Nothing was deleted."))
        }
    }

    private static func json(_ object: Object, itwin: String?) -> JSONObject {
        var json = JSONObject()
        json.add("id", object.id)
        if let isFound = object.isFound { json.add("found", isFound) } else { json.add("found", raw: "null") }
        json.add("name", object.summary?.name)
        json.add("status", raw: object.summary?.status ?? "null")
        json.add("itwin", object.summary?.itwin ?? itwin)
        if let createdAt = object.summary?.createdAt { json.add("createdAt", createdAt) }
        return json
    }
}
