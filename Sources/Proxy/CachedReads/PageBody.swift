// Takes an answer's body off upstream whole, up to a limit, in room that the cache grants.

import Caching
import CurlTransport

struct PageBody {
    /// What is here, in order.
    private(set) var chunks: [[UInt8]] = []
    private(set) var count = 0
    /// Whether the end has been seen; else the chunks are only its beginning.
    private(set) var isWhole = false
    private(set) var isOutOfRoom = false
    /// The same bytes for a tool that reads along.
    private(set) var growing: GrowingBody?
    private var granted = 0
    private let key: CacheKey
    private let store: CacheStore

    /// From here on a body counts as large: the first tool is not kept waiting for the rest.
    private static let largeBytes = 256 << 10

    private let held: HeldRoom

    /// - Parameter held: room for what a tool that reads along leaves waiting.
    init(for key: CacheKey, from store: CacheStore, held: HeldRoom) {
        self.held = held
        self.key = key
        self.store = store
    }

    /// Reads until the end, or until more than `limit` bytes would be held. Throws when the body breaks off.
    ///
    /// - Parameter readAlong: called once when the body turns out to be large.
    mutating func fill(
        _ body: any UpstreamBody, limit: Int, _ call: CallTraits, readAlong: (GrowingBody) -> Void
    ) async throws(FlowExit) {
        if let length = body.declaredLength {
            guard length <= limit else { return }
            guard grant(length, exactly: true) else { return }
        }
        while count <= limit {
            guard let chunk = try await body.nextBytes(call) else {
                isWhole = true
                return
            }
            chunks.append(chunk)
            count += chunk.count
            if growing?.append(chunk) == false { isOutOfRoom = true }
            guard grant(count), !isOutOfRoom else { return }
            if growing == nil, count > Self.largeBytes, count <= limit {
                let growing = GrowingBody(held)
                for chunk in chunks where !growing.append(chunk) { isOutOfRoom = true }
                self.growing = growing
                readAlong(growing)
                if isOutOfRoom { return }
            }
        }
    }

    /// Room for so many bytes, twice: as they come, and as they will be kept.
    private mutating func grant(_ count: Int, exactly: Bool = false) -> Bool {
        let wanted = 2 * count
        guard wanted > granted else { return true }
        // Some at a time: a lock for every chunk would be dear.
        let more = exactly ? wanted - granted : max(wanted - granted, 64 << 10)
        guard store.reserve(more, for: key) else {
            isOutOfRoom = true
            return false
        }
        granted += more
        return true
    }

    /// The room goes back: what is stored is counted there.
    func giveBack() {
        if granted > 0 { store.release(granted, for: key) }
    }
}
