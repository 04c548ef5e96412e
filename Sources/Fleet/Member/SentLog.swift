// What was sent within one window, as a member remembers it: by its own monotonic clock, for telling it to a ledger again.

import Ground

/// Nanoseconds of the member's clock. Sends close together share an entry, dated by the latest: forgotten late, never early.
struct SentLog: Sendable {
    private struct Entry {
        var first: Nanoseconds
        var last: Nanoseconds
        var count: Int
    }

    /// How long a send is remembered.
    let span: Nanoseconds
    private var entries: [Entry] = []
    private(set) var sum = 0

    init(span: Nanoseconds) { self.span = span }

    mutating func advance(to now: Nanoseconds) {
        guard let oldest = entries.first, oldest.last + span < now else { return }
        let kept = entries.firstIndex { $0.last + span >= now } ?? entries.endIndex
        for entry in entries[..<kept] { sum -= entry.count }
        entries.removeSubrange(..<kept)
    }

    mutating func record(_ count: Int, at: Nanoseconds) {
        guard count > 0 else { return }
        sum += count
        if let newest = entries.last, at - newest.first < span / 1000 {
            entries[entries.count - 1].last = max(newest.last, at)
            entries[entries.count - 1].count += count
        } else {
            entries.append(Entry(first: at, last: max(at, entries.last?.last ?? at), count: count))
        }
    }

    func counts(now: Nanoseconds) -> [FleetCount] {
        entries.map { FleetCount(age: Int(max(now - $0.last, 0) / 1_000_000), count: $0.count) }
    }
}
