// Request heads that were seen a moment ago, with what was found out about them: dashboards and scripts send the same head
// again and again, byte for byte, and checking it, finding its caller and its cache key takes longer than to compare it.

import HTTPTypes
import NIOHTTP1

/// A head that was seen before.
final class KnownHead {
    fileprivate let decoded: HTTPRequestHead
    let head: RequestHead
    /// What the service behind the listener has found out about it.
    var memo: AnyObject?

    fileprivate init(_ decoded: HTTPRequestHead, _ head: RequestHead) {
        self.decoded = decoded
        self.head = head
    }
}

/// The known heads of one event loop. Confined to it.
final class KnownHeads {
    private var heads: [Int: KnownHead] = [:]

    /// Some hundred kilobytes at most.
    private static let capacity = 256
    private static let maxHeaders = 32
    private static let correlationID = "x-correlation-id"

    /// The known head that is the same but for its correlation id.
    func find(_ decoded: HTTPRequestHead) -> KnownHead? {
        guard Self.mayBeKnown(decoded), let known = heads[Self.hash(decoded)] else { return nil }
        return Self.isSame(known.decoded, decoded) ? known : nil
    }

    /// Remembers a read without a body; others are not worth it.
    func remember(_ decoded: HTTPRequestHead, _ head: RequestHead) -> KnownHead? {
        guard Self.mayBeKnown(decoded), head.framing == .none else { return nil }
        if heads.count >= Self.capacity { heads.removeAll(keepingCapacity: true) }
        let known = KnownHead(decoded, head)
        heads[Self.hash(decoded)] = known
        return known
    }

    /// The correlation id that a head brings, if any: the one thing that may differ.
    static func offeredID(_ decoded: HTTPRequestHead) -> String? {
        for (name, value) in decoded.headers where isCorrelationID(name) { return value }
        return nil
    }

    private static func mayBeKnown(_ decoded: HTTPRequestHead) -> Bool {
        (decoded.method == .GET || decoded.method == .HEAD) && decoded.headers.count <= maxHeaders
    }

    private static func hash(_ decoded: HTTPRequestHead) -> Int {
        var hasher = Hasher()
        hasher.combine(decoded.uri)
        for (name, value) in decoded.headers where !isCorrelationID(name) { hasher.combine(value) }
        return hasher.finalize()
    }

    private static func isSame(_ left: HTTPRequestHead, _ right: HTTPRequestHead) -> Bool {
        guard left.uri == right.uri, left.method == right.method, left.version == right.version else { return false }
        var rights = right.headers.makeIterator()
        for (name, value) in left.headers where !isCorrelationID(name) {
            var other = rights.next()
            while let skipped = other, isCorrelationID(skipped.name) { other = rights.next() }
            guard let other, other.name == name, other.value == value else { return false }
        }
        while let rest = rights.next() { if !isCorrelationID(rest.name) { return false } }
        return true
    }

    private static func isCorrelationID(_ name: String) -> Bool {
        name.utf8.count == correlationID.utf8.count && name.lowercased() == correlationID
    }
}
