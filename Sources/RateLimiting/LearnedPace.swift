// What upstream's refusals teach about the limits: a share of the configured pace that shrinks when a 429 comes though
// our own count stands below the limit, since then others spend the same budget, and that recovers slowly.

import Ground

struct LearnedPace: Sendable {
    private static let least = 0.05
    /// Nanoseconds until the full pace is back from a standstill: a tenth of it a minute.
    private static let recovery = Double(600 * Int64.oneSecond)

    private var share = 1.0
    private var since: Nanoseconds = 0

    /// The share of the configured pace that holds at `now`, 0.05...1.
    func share(now: Nanoseconds) -> Double {
        share >= 1 ? 1 : min(1, share + Double(max(now - since, 0)) / Self.recovery)
    }

    /// Upstream refused while `spent` (0...1) of the fullest window was used by our own count. Recovery begins at
    /// `end`, when the pause is over.
    mutating func refused(spent: Double, now: Nanoseconds, end: Nanoseconds) {
        let current = share(now: now)
        // A full window explains a refusal by calls that were dated a little differently there.
        let learned = spent >= 0.95 ? current * 0.98 : max(current / 2, min(current * 0.9, spent))
        share = max(learned, Self.least)
        since = end
    }
}
