// Reads request bodies whole, before anything is decided about them or sent.
//
// What a call does may be decided by its body: a v2 delete is a POST whose JSON says so. A place upstream is only taken
// for a call that can go at once, however slowly its tool sends. And what is refused for now can be sent again.

import ClashAPI
import Edge
import HTTPTypes
import NIOCore

enum RequestBodyReader {
    /// The body, the operation that it makes of the request, and what it names. Throws 413, 408 and what else the wire
    /// says, 503 where there is no room for it.
    static func read(
        _ visit: Visit, _ route: RouteMatch
    ) async throws(FlowExit) -> (CallBody, OperationMatch, RequestBodyFacts) {
        let fields = visit.fields
        if visit.head.framing == .none { return (.none, route.resolve(headers: fields), .empty) }
        if visit.head.method == .head {
            // It has no meaning (RFC 9110 section 9.3.2), and is not sent on: a gateway that answers without reading it is out
            // of step.
            while try await nextPart(visit.wire) != nil {}
            return (.none, route.resolve(headers: fields), .empty)
        }
        var classifier = classifier(fields, visit.admission)
        var decided: RequestBodyFacts?
        var parts = BodyParts()
        while let part = try await nextPart(visit.wire) {
            guard visit.hold(part.readableBytes, of: .request) else { throw .failed(.overloaded) }
            let bytes = Array(part.readableBytesView)
            parts.append(bytes)
            if decided == nil, case .decided(let facts)? = classifier?.consume(bytes) { decided = facts }
        }
        let facts = decided ?? classifier?.finish() ?? .empty
        // What is none of the operation's business makes no other one of it.
        let match = route.resolve(body: route.bodyDecides ? facts : .empty, headers: fields)
        return (.bytes(parts.joined()), match, facts)
    }

    /// What a whole body says to whoever asks under other rules than those that it was read by.
    static func facts(of body: [UInt8]?, _ fields: HTTPFields, _ admission: Admission) -> RequestBodyFacts {
        guard let bytes = body, var classifier = classifier(fields, admission) else { return .empty }
        if case .decided(let facts) = classifier.consume(bytes) { return facts }
        return classifier.finish()
    }

    /// Nil where nobody wants to know what the body says.
    private static func classifier(_ fields: HTTPFields, _ admission: Admission) -> BodyClassifier? {
        let (route, protection) = (admission.route, admission.protection)
        let isWanted =
            admission.caller.bounds?.readsBodies == true
            || protection != nil && route.operationClass == .delete
        guard isWanted || route.bodyDecides else { return nil }
        return BodyClassifier(
            route: route, headers: fields, always: isWanted, watching: protection?.ids ?? [])
    }

    private static func nextPart(_ exchange: Exchange) async throws(FlowExit) -> ByteBuffer? {
        do throws(RequestBodyError) {
            return try await exchange.nextBodyPart()
        } catch {
            switch error {
            case .failed(let failure): throw .failed(Failure(failure))
            case .callerLeft: throw .callerLeft
            }
        }
    }
}

/// A body as it comes. Takes hardly more memory than it has bytes, however small its parts and however many bodies there
/// are that never end: one array would be copied as it grows and have twice the room.
private struct BodyParts {
    private var blocks: [[UInt8]] = []
    private var count = 0
    private static let blockBytes = 64 << 10

    mutating func append(_ part: [UInt8]) {
        count += part.count
        if let last = blocks.last, last.count + part.count <= Self.blockBytes {
            blocks[blocks.count - 1] += part
        } else {
            blocks.append(part)
        }
    }

    consuming func joined() -> [UInt8] {
        if blocks.count == 1 { return blocks[0] }
        var whole: [UInt8] = []
        whole.reserveCapacity(count)
        for block in blocks { whole += block }
        return whole
    }
}
