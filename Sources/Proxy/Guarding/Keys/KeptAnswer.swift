// An answer that is given more than once: to who joined the call, and to who repeats it under its key.

import CurlTransport
import HTTPTypes
import Synchronization

/// Upstream's answer, or ours in its place, as it came: links, dates and all that is of one request alone are made anew each
/// time that it is given. A value.
struct KeptAnswer: Sendable, Equatable {
    let status: Int
    let fields: HTTPFields
    /// Nil where it was too large to keep.
    private(set) var body: [UInt8]?

    /// The largest body that is kept, in bytes.
    static let mostBytes = 64 << 10

    /// - Parameter body: nil, or more than is kept: it is left out.
    init(status: Int, fields: HTTPFields, body: [UInt8]?) {
        self.status = status
        // Its length may be another's by then.
        self.fields = fields.endToEnd(dropping: .dropDownstream)
        self.body = body.flatMap { $0.count <= Self.mostBytes ? $0 : nil }
    }

    /// About so many bytes it takes.
    var size: Int { (body?.count ?? 0) + fields.reduce(0) { $0 + $1.name.rawName.utf8.count + $1.value.utf8.count } }

    /// Without its body, which there is no room for any more.
    mutating func dropBody() { body = nil }

    /// As if it came from upstream now.
    ///
    /// - Parameter isReplay: whether it says that it was given before, under its key.
    func response(isReplay: Bool) -> UpstreamResponse {
        var fields = fields
        if isReplay {
            if body == nil { fields[.contentType] = nil }
            fields[.idempotentReplayed] = body == nil ? "true; body=dropped" : "true"
        }
        return UpstreamResponse(
            status: HTTPResponse.Status(code: status), fields: fields, body: KeptBody(body ?? []),
            facts: .init(connectionReused: true, connect: .zero, firstByte: .zero))
    }
}

/// A body that is here already.
final class KeptBody: UpstreamBody {
    private let rest: Mutex<[UInt8]?>
    let declaredLength: Int?

    init(_ bytes: [UInt8]) {
        declaredLength = bytes.count
        rest = Mutex(bytes.isEmpty ? nil : bytes)
    }

    func next() async throws(TransferFailure) -> [UInt8]? { rest.withLock { $0.take() } }
    func cancel() { rest.withLock { $0 = nil } }
    var endIsProven: Bool { true }
    var isBufferedComplete: Bool { true }
    var trailers: HTTPFields { HTTPFields() }
}
