// `Prefer: dry-run` on a delete: what it would delete, and whether it would be sent. Only reads go upstream.

import ClashAPI
import CurlTransport
import Ground
import HTTPTypes

/// A delete that is not to be carried out.
struct DryRun {
    let verdict: DryRunVerdict
    /// So many objects are looked at, of which each costs a call; of the others nothing is said.
    let mostReads: Int
    /// Whether the caller may see more of an object than that it is there, by the target of its read.
    let mayRead: (_ target: String) -> Bool

    /// So many objects are looked at at most. The API takes one id at a time.
    static let mostReads = 10

    /// What is known of one of its objects.
    private struct Object {
        let id: String
        /// Nil where nobody can tell: the API has no read for it, or it was not looked at.
        let isFound: Bool?
        let summary: ObjectSummary?
        /// It is one too many.
        var isLeftOut = false
    }

    /// Throws 400 where nobody can tell what would be deleted: an answer without objects looks like one that deletes nothing.
    ///
    /// - Parameter isProtected: it is known that the call would be refused, whatever it names.
    static func checkObjects(_ match: OperationMatch, isProtected: Bool) throws(Failure) {
        guard !isProtected, match.objectIDs.isEmpty || match.body.isUnreadable else { return }
        throw .invalid(
            "What this delete is about cannot be told, so there is nothing to say about it: send it as one JSON text in UTF-8, "
                + "without a coding, with each object named by its id. Nothing was deleted.", target: "Prefer")
    }

    /// So much of an object is read: of a report its beginning.
    private static let mostBytes = 64 << 10

    /// The answer's body. Each object that is looked at costs one call.
    ///
    /// - Parameter read: sends a read and brings upstream's answer.
    func body(
        _ call: UpstreamCall, read: (UpstreamCall) async throws(FlowExit) -> UpstreamResponse
    ) async throws(FlowExit) -> [UInt8] {
        var (objects, reads) = ([Object](), 0)
        for id in call.match.objectIDs {
            guard let target = call.match.readTarget(of: id), reads < mostReads else {
                objects.append(Object(id: id, isFound: nil, summary: nil, isLeftOut: reads >= mostReads))
                continue
            }
            reads += 1
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
            why.add("message", refusal.messageWithWait)
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
            return Object(
                id: id, isFound: true, summary: mayRead(call.match.route.target) ? ObjectSummary(beginning: bytes) : nil
            )
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
        if object.isLeftOut { json.add("why", "not looked at: too many objects for the calls that a dry run may cost") }
        return json
    }
}
