// Durations as whole numbers, for arithmetic that is cheaper than the 128 bits of `Duration` and for text. Conversions
// are clamped, so that neither they nor a sum of an instant and a span overflows.

/// A span, or an instant counted from some beginning, in nanoseconds.
@usableFromInline
package typealias Nanoseconds = Int64

extension Duration {
    /// In seconds.
    @inlinable
    static var century: Int64 { 3_155_760_000 }

    /// Nanoseconds, at most a century either way; what is finer is cut off.
    @inlinable
    package var clampedNanoseconds: Nanoseconds {
        // A century is well within 2^63 nanoseconds. By the words of the number: `components` takes four times as long.
        let whole = attoseconds
        let limit = Int128(Self.century) * 1_000_000_000_000_000_000
        if whole >= limit || whole <= -limit { return (whole < 0 ? -1 : 1) * Self.century * 1_000_000_000 }
        return Nanoseconds(truncatingIfNeeded: whole / 1_000_000_000)
    }

    /// Seconds, at most a century either way; what is finer is cut off.
    package var clampedSeconds: Int { Int(clampedNanoseconds / 1_000_000_000) }

    /// Milliseconds; what is finer is cut off. What is more than an `Int` holds (292 million years) becomes its limit.
    package var wholeMilliseconds: Int {
        let (seconds, attoseconds) = components
        let (product, isTooLarge) = Int(seconds).multipliedReportingOverflow(by: 1_000)
        let (sum, overflows) = product.addingReportingOverflow(Int(attoseconds / 1_000_000_000_000_000))
        return isTooLarge || overflows ? (seconds < 0 ? .min : .max) : sum
    }

    /// Tenths of a millisecond, at most a century either way; what is finer is cut off.
    @inlinable
    package var tenthsOfMilliseconds: Int { Int(clampedNanoseconds / 100_000) }
}
