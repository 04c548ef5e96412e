// Takes an answer's body off upstream whole, up to a limit, in room that the cache grants.

import Caching
import CurlTransport

struct PageBody {
    private(set) var bytes: [UInt8] = []
    /// Whether the end has been seen; else `bytes` is only its beginning.
    private(set) var isWhole = false
    private(set) var isOutOfRoom = false
    private var granted = 0
    private let key: CacheKey
    private let store: CacheStore

    /// Reads until the end, or until more than `limit` bytes would be held. Throws when the body breaks off.
    static func collect(
        _ response: UpstreamResponse, limit: Int, for key: CacheKey, from store: CacheStore, _ call: CallTraits
    ) async throws(FlowExit) -> PageBody {
        var body = PageBody(key: key, store: store)
        do throws(FlowExit) {
            try await body.fill(response.body, limit: limit, call)
        } catch {
            body.giveBack()
            throw error
        }
        return body
    }

    private init(key: CacheKey, store: CacheStore) {
        self.key = key
        self.store = store
    }

    private mutating func fill(_ body: ResponseBody, limit: Int, _ call: CallTraits) async throws(FlowExit) {
        if let length = body.declaredLength {
            guard length <= limit else { return }
            guard grant(length) else { return }
            bytes.reserveCapacity(length)
        }
        while bytes.count <= limit {
            guard let chunk = try await ResponseRelay.next(body, call) else {
                isWhole = true
                return
            }
            bytes += chunk
            guard grant(bytes.count) else { return }
        }
    }

    /// Room for so many bytes, twice: as they come, and as they will be kept.
    private mutating func grant(_ count: Int) -> Bool {
        let wanted = 2 * count
        guard wanted > granted else { return true }
        // Some at a time: a lock for every chunk would be dear.
        let more = max(wanted - granted, 64 << 10)
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
