// Tools that wait for a page to change, as a value: until when each waits, and when the page is looked at. However many they
// are, one look at a time is made for all of them.

/// The waiters of one page.
struct WatchState: Sendable {
    typealias Instant = ContinuousClock.Instant
    typealias ID = UInt64

    /// What is to be done now.
    struct Due: Sendable, Equatable {
        /// Who has waited long enough.
        var over: [ID] = []
        /// Whether the page has surely been as they know it while they waited.
        var isVerified = false
        /// For whom a look is to be begun; nil: none is due.
        var looksFor: ID?
    }

    private var deadlines: [ID: Instant] = [:]
    private var earliest: Instant?
    private var nextLook: Instant
    private var isLooking = false
    /// Something was written while the look was under way: what it brings may be older than that.
    private var wasPoked = false
    /// The last look, or the first waiter's own, has found the page, and nothing was written since.
    private(set) var isVerified: Bool

    /// - Parameters:
    ///   - isVerified: the first waiter has found the page fresh.
    ///   - nextLook: when that ends.
    init(isVerified: Bool, nextLook: Instant) { (self.isVerified, self.nextLook) = (isVerified, nextLook) }

    var isEmpty: Bool { deadlines.isEmpty }

    /// When `passed` is due; nil: never.
    var nextEvent: Instant? {
        guard let earliest else { return nil }
        return isLooking ? earliest : min(earliest, nextLook)
    }

    /// Somebody waits.
    ///
    /// - Parameter look: the latest at which the page is to be looked at for it.
    mutating func join(_ id: ID, until deadline: Instant, look: Instant, isVerified isFresh: Bool) {
        deadlines[id] = deadline
        earliest = earliest.map { min($0, deadline) } ?? deadline
        nextLook = min(nextLook, look)
        if !isFresh { isVerified = false }
    }

    /// Somebody waits no more.
    mutating func leave(_ id: ID) {
        guard let deadline = deadlines.removeValue(forKey: id) else { return }
        if deadline == earliest { earliest = deadlines.values.min() }
    }

    /// Time has passed.
    mutating func passed(now: Instant) -> Due {
        var due = Due(isVerified: isVerified)
        if let earliest, earliest <= now {
            due.over = deadlines.filter { $0.value <= now }.keys.sorted()
            for id in due.over { deadlines[id] = nil }
            self.earliest = deadlines.values.min()
        }
        if !isLooking, nextLook <= now, let id = deadlines.keys.first {
            isLooking = true
            wasPoked = false
            due.looksFor = id
        }
        return due
    }

    /// The look has ended.
    ///
    /// - Parameter found: whether it has found the page.
    mutating func looked(found: Bool, next: Instant, now: Instant) {
        isLooking = false
        isVerified = found && !wasPoked
        nextLook = wasPoked ? now : next
    }

    /// Something was written that may concern the page.
    mutating func poked(now: Instant) {
        isVerified = false
        wasPoked = true
        nextLook = now
    }

    /// Everybody, who waits no more from now on.
    mutating func end() -> [ID] {
        defer { (deadlines, earliest) = ([:], nil) }
        return deadlines.keys.sorted()
    }
}
