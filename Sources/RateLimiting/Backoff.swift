// The pauses before the repetitions of one call. Not for a pause that upstream told: that may only get longer.

/// Exponentially growing pauses of which half is left to chance, so that calls which failed together are not repeated
/// together.
package struct Backoff: Sendable, Equatable {
    /// The longest first pause.
    package let first: Duration
    /// Each pause to the one before.
    package let factor: Int
    /// No pause is longer.
    package let longest: Duration

    /// Pauses of up to `first`, `first * factor`, … and never more than `longest`.
    package init(first: Duration = .milliseconds(50), factor: Int = 4, longest: Duration = .seconds(2)) {
        self.first = max(first, .zero)
        self.factor = max(factor, 1)
        self.longest = max(longest, .zero)
    }

    /// The pause before the `retry`-th repetition (from 1), between half of its full length and its full length.
    /// `random` is a number in `0..<1`.
    package func pause(before retry: Int, random: Double) -> Duration {
        var full = min(first, longest)
        // By the 64th step any pause has reached any cap.
        for _ in 1..<min(max(retry, 1), 64) { full = min(full * factor, longest) }
        return full / 2 + (full / 2) * random
    }
}
