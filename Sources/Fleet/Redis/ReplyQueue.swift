// Which reply answers which command: in order, and each in its time. A value without I/O.

/// The commands of one connection that have no reply yet. `Waiter` is whoever wants it.
struct ReplyQueue<Waiter>: ~Copyable {
    private struct Entry {
        /// Nil: its time was over. Its reply will still come, before those of all later commands.
        var waiter: Waiter?
        let due: Instant
    }

    /// Nanoseconds of the event loop's clock.
    typealias Instant = UInt64

    /// So many commands at once, at most.
    static var limit: Int { 4_096 }

    private var entries: [Entry] = []
    /// Those before it have been answered.
    private var first = 0

    init() {}

    var count: Int { entries.count - first }
    var isFull: Bool { count >= Self.limit }

    /// When the next waiter is out of time. Nil where none waits.
    var nextDue: Instant? { entries[first...].lazy.filter { $0.waiter != nil }.map(\.due).min() }

    /// By when the server's next reply was due; nil where it owes none.
    var owedBy: Instant? { count > 0 ? entries[first].due : nil }

    mutating func sent(_ waiter: Waiter, due: Instant) {
        entries.append(Entry(waiter: waiter, due: due))
    }

    enum Match {
        case waiter(Waiter)
        /// It was waited for, but no longer.
        case late
        /// Nobody has asked.
        case unasked
    }

    /// Whom the next reply is for.
    mutating func replied() -> Match {
        guard count > 0 else { return .unasked }
        let waiter = entries[first].waiter
        first += 1
        if first == entries.count || first >= 512 {
            entries.removeFirst(first)
            first = 0
        }
        return waiter.map { .waiter($0) } ?? .late
    }

    /// Those whose time is over. Their replies are dropped when they come.
    mutating func expired(now: Instant) -> [Waiter] {
        var expired: [Waiter] = []
        for index in entries.indices.dropFirst(first) where entries[index].due <= now {
            guard let waiter = entries[index].waiter else { continue }
            entries[index].waiter = nil
            expired.append(waiter)
        }
        return expired
    }

    /// Everybody who still waits; the connection has ended.
    mutating func ended() -> [Waiter] {
        defer { (entries, first) = ([], 0) }
        return entries[first...].compactMap(\.waiter)
    }
}
