// Time inside the gate's arithmetic: whole nanoseconds in 64 bits, cheaper than the 128 of `Duration`. Conversions are
// clamped, so that no sum of an instant and a span overflows.

/// A span, or an instant counted from the making of the gate.
typealias Nanoseconds = Int64

extension Int64 {
    static let oneSecond: Nanoseconds = 1_000_000_000
    /// Not to be known from the present state. Nothing is ever added to it.
    static let never: Nanoseconds = .max
}

extension Duration {
    /// At most a century either way.
    var clampedNanoseconds: Nanoseconds {
        let (seconds, attoseconds) = components
        let century: Int64 = 3_155_760_000
        return min(max(seconds, -century), century) * .oneSecond + attoseconds / 1_000_000_000
    }
}
