// Several processes that show the same pages: what one of them makes untrue the others may not show either. What is known of that
// comes from outside; the store asks on the way of every hit.

/// The state of all tags at one moment, before a fetch is sent.
package struct SharedMoment: Sendable {
    /// Of all tags together.
    package let any: UInt64
    /// By tag, in whatever order who made it keeps them; empty where that is known otherwise.
    package let counters: [UInt64]

    /// A moment.
    package init(any: UInt64, counters: [UInt64]) { (self.any, self.counters) = (any, counters) }
}

/// The state of one page's tags when it began to be fetched.
package struct SharedStamp: Sendable, Equatable {
    /// Of all tags together, when it was last compared.
    package var any: UInt64
    /// Of its own tags.
    package let own: UInt64

    /// A stamp.
    package init(any: UInt64, own: UInt64) { (self.any, self.own) = (any, own) }
}

/// What other processes have made untrue. Safe to use from any thread; never blocks.
package protocol SharedFreshness: Sendable {
    /// Whether this process hears of the others, so that it may show stored pages at all.
    var mayShow: Bool { get }
    /// How it stands now.
    func moment() -> SharedMoment
    /// The stamp of a page with these tags that began to be fetched then; nil: something that it shows has changed since.
    func stamp(of tags: [UInt64], since moment: SharedMoment) -> SharedStamp?
    /// Whether nothing that the page shows has changed since its stamp. Changes of other tags are noted in the stamp.
    func isCurrent(_ stamp: inout SharedStamp, _ tags: () -> [UInt64]) -> Bool
}
