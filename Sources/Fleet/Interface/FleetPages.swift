// Whether a stored page may still be shown, asked on the way of every hit: no system call, no lock, no waiting.

/// The state of all tags at one moment.
package struct FleetMoment: Sendable {
    /// Of all tags together.
    package let any: UInt64
    /// As the engine keeps them; empty where its news are applied to the cache by name.
    package let counters: [UInt64]

    package init(any: UInt64, counters: [UInt64]) { (self.any, self.counters) = (any, counters) }
}

/// The state of some tags at a moment.
package struct FleetStamp: Sendable, Equatable {
    /// Of all tags together, when it was last compared.
    package var any: UInt64
    /// Of the tags.
    package let own: UInt64

    package init(any: UInt64, own: UInt64) { (self.any, self.own) = (any, own) }
}

/// Safe to use from any thread; never blocks.
package protocol FleetPages: Sendable {
    /// Whether this member has heard the fleet lately enough to show any stored page at all.
    var mayShow: Bool { get }
    /// How it stands now: to be asked before a fetch is sent.
    func moment() -> FleetMoment
    /// The stamp of a page with these tags; nil: something that it shows was said to be untrue since that moment.
    func stamp(of tags: [UInt64], since moment: FleetMoment) -> FleetStamp?
    /// Whether nothing that a page with these tags shows was said to be untrue since the stamp was made. Where only other tags were
    /// named, the stamp learns that.
    func isCurrent(_ stamp: inout FleetStamp, _ tags: () -> [UInt64]) -> Bool
}

/// For engines whose news are applied to the cache by name, in order: then what is stored is current.
package struct NamedPages: FleetPages {
    private let hears: @Sendable () -> Bool

    /// - Parameter hears: `mayShow`.
    package init(hears: @escaping @Sendable () -> Bool) { self.hears = hears }

    package var mayShow: Bool { hears() }
    package func moment() -> FleetMoment { FleetMoment(any: 0, counters: []) }
    package func stamp(of tags: [UInt64], since moment: FleetMoment) -> FleetStamp? { FleetStamp(any: 0, own: 0) }
    package func isCurrent(_ stamp: inout FleetStamp, _ tags: () -> [UInt64]) -> Bool { true }
}
