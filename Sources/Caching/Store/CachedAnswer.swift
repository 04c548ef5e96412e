// One answer of upstream as it is kept: immutable, shared by everybody who is answered with it.

import HTTPTypes
import NIOCore
import Synchronization

/// A page's place in its list.
package struct ListPage: Sendable, Equatable {
    /// Stands for the list: what its pages have in common.
    package let list: CacheKey
    /// Whether it is the page that a walk begins with.
    package let isFirst: Bool
    /// How many rows the whole list has, where the page says so.
    package let count: Int?
    /// Whether pages of walks are cut out of it. Such a page is kept for walkers of its picture when that has been replaced.
    package let isForWalks: Bool

    /// A page of `list`.
    package init(list: CacheKey, isFirst: Bool, count: Int? = nil, isForWalks: Bool = false) {
        self.list = list
        self.isFirst = isFirst
        self.count = count
        self.isForWalks = isForWalks
    }
}

/// What those who write answers have made of its fields for their wire, kept beside them and dropped with them. Nothing here
/// looks into it.
package protocol AnswerRendering: AnyObject, Sendable {
    /// Bytes it holds.
    var byteCount: Int { get }
}

/// A complete answer. Stored ones have status 200; others are only shared by those who wait for them.
package final class CachedAnswer: Sendable {
    /// Upstream's.
    package let status: HTTPResponse.Status
    /// End-to-end fields without `Age`, `Set-Cookie` and those that frame the body.
    package let fields: HTTPFields
    /// The body, for every tool as its links are to begin.
    package let body: SplicedBody
    /// Identifies the body without bases, in characters that may stand in an entity tag.
    package let digest: String
    /// How long it may be used, and what holds afterwards.
    package let freshness: Freshness
    /// When upstream's head came, monotonic.
    package let receivedAt: ContinuousClock.Instant
    /// Everything it shows something of.
    package let tags: TagSet
    /// The objects that it shows whole, by their own ids: what must not be in it any more after a delete.
    package let objects: TagSet
    /// Its place in a list, if it is a page of one.
    package let page: ListPage?
    /// What was made of the fields for a wire, if anything.
    package let rendering: (any AnswerRendering)?
    /// Bytes really held, keys and bookkeeping included.
    let cost: Int
    /// Where several processes show the same pages: since when what it shows is unchanged. Set before it is stored.
    private let shared = Mutex<SharedStamp?>(nil)

    /// Puts an answer together. See the properties.
    package init(
        status: HTTPResponse.Status, fields: HTTPFields, body: SplicedBody, digest: String, freshness: Freshness,
        receivedAt: ContinuousClock.Instant, tags: TagSet = TagSet([]), objects: TagSet = TagSet([]),
        page: ListPage? = nil, rendering: (any AnswerRendering)? = nil
    ) {
        self.status = status
        self.fields = fields
        self.body = body
        self.digest = digest
        self.freshness = freshness
        self.receivedAt = receivedAt
        self.tags = tags
        self.objects = objects
        self.page = page
        self.rendering = rendering
        let fieldBytes = fields.reduce(0) { $0 + $1.name.rawName.utf8.count + $1.value.utf8.count + Self.perField }
        cost =
            Self.overhead + fieldBytes + body.cost + (rendering?.byteCount ?? 0) + digest.utf8.count
            + (tags.count + objects.count) * MemoryLayout<TagHash>.stride + (page?.list.byteCount ?? 0)
    }

    func begin(with stamp: SharedStamp) { shared.withLock { $0 = stamp } }

    /// Whether no process has made untrue what it shows.
    func isCurrent(_ freshness: any SharedFreshness) -> Bool {
        shared.withLock { stamp in
            guard var known = stamp, freshness.isCurrent(&known, { tags.hashes }) else { return false }
            stamp = known
            return true
        }
    }

    /// Until when it is fresh.
    var freshUntil: ContinuousClock.Instant { receivedAt + (freshness.lifetime - freshness.initialAge) }

    /// How old it is (RFC 9111, 4.2.3).
    package func age(at now: ContinuousClock.Instant) -> Duration {
        freshness.initialAge + max(receivedAt.duration(to: now), .zero)
    }

    /// How long it stays fresh; negative when it has expired.
    package func timeToLive(at now: ContinuousClock.Instant) -> Duration { freshness.lifetime - age(at: now) }

    /// Of the objects around an answer: itself, its node, arrays, table slots.
    private static let overhead = 640
    private static let perField = 96
}
