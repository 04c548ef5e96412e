// Whether a stored page may still be shown, asked on the way of every hit: no system call, no lock, no waiting.

/// What was known of some tags when a page began to be fetched.
package struct FleetStamp: Sendable, Equatable {
    /// Of all tags together.
    package var everything: UInt64
    /// The sum of the counters of the page's own tags.
    package var own: UInt64

    package init(everything: UInt64, own: UInt64) { (self.everything, self.own) = (everything, own) }
}

/// Safe to use from any thread; never blocks.
package protocol FleetPages: Sendable {
    /// Whether this member has heard the fleet lately enough to show any stored page at all.
    var mayShow: Bool { get }

    /// The state of the counters now. Engines whose news are applied to the cache by name return the same stamp always.
    func stamp(of tags: [UInt64]) -> FleetStamp

    /// Whether nothing that a page with these tags shows was said to be untrue since the stamp was made. Where only other tags
    /// were named, the stamp learns that.
    func isCurrent(_ stamp: inout FleetStamp, _ tags: [UInt64]) -> Bool
}
