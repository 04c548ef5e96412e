// A small seeded generator (SplitMix64, Steele, Lea and Flood 2014): same seed, same sequence, on every machine.

/// Deterministic random numbers.
struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// `stream` separates uses, so that drawing for one never shifts the ids of another.
    init(seed: UInt64, stream: UInt64) {
        state = seed
        state = SplitMix.mix(state ^ SplitMix.mix(stream &+ 0x9E37_79B9_7F4A_7C15))
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return SplitMix.mix(state)
    }

    /// A well-spread function of its argument; also used to make clash rows from their index.
    static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
