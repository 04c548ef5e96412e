// The deletes that a caller may ask for in a span of time, over all members.

/// One caller's budget of deletes; the engine's milliseconds.
package struct LedgerBudget: Sendable, Equatable {
    package internal(set) var window: LedgerWindow

    /// An unspent budget for spans of so many milliseconds.
    package init(span: Int) { window = LedgerWindow(slot: max(span / 200, 1), counted: span) }

    package init(window: LedgerWindow) { self.window = window }

    /// Counts one delete if there is room; else after how long there is. `spent` is what the log named `log` holds: counted where
    /// less of it is known, as late as it may have been.
    package mutating func spend(limit: Int, span: Int, log: UInt64, spent: [FleetCount], now: Int) -> Int? {
        if window.counted != span {
            var other = LedgerBudget(span: span)
            other.window.inherit(from: window)
            self = other
        }
        window.trim(now: now)
        var missing = spent.reduce(0) { $0 + ($1.age < span ? $1.count : 0) } - window.sum(of: log)
        for count in spent.sorted(by: { $0.age < $1.age }) where missing > 0 && count.age < span {
            let added = min(missing, count.count)
            window.add(added, of: log, now: now - max(count.age, 0))
            missing -= added
        }
        guard window.sum < limit else { return max((window.firstExpiry ?? now) - now, 1) }
        window.add(1, of: log, now: now)
        return nil
    }

    /// The last that was counted of a log was never sent.
    package mutating func giveBack(log: UInt64) { window.removeLast(of: log) }
}
