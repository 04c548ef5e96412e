// What counts as news, as values: no clock, no log.

import RateLimiting

/// Which pauses hold, as far as they were told.
struct PauseBook {
    struct Key: Hashable, Sendable {
        /// Whose gate, where each tool has its own.
        let gate: String?
        let scope: CoolDownScope
    }

    struct Pause: Sendable, Equatable {
        var end: ContinuousClock.Instant
        /// The call that met it first; nil for one that an earlier process was told of.
        let tag: RequestTag?
    }

    enum News: Equatable {
        /// `former`: an earlier pause whose end was not told yet.
        case begun(former: Pause?)
        case longer
        case known
    }

    /// Calls that were under way together are refused one after the other, and each refusal has its jitter.
    private static let noise = Duration.seconds(2)

    private var pauses: [Key: Pause] = [:]

    mutating func closed(
        _ key: Key, until end: ContinuousClock.Instant, tag: RequestTag?, now: ContinuousClock.Instant
    ) -> News {
        guard let old = pauses[key], old.end > now else {
            return .begun(former: pauses.updateValue(Pause(end: end, tag: tag), forKey: key))
        }
        guard end > old.end else { return .known }
        pauses[key]?.end = end
        return end - old.end > Self.noise ? .longer : .known
    }

    func end(of key: Key) -> ContinuousClock.Instant? { pauses[key]?.end }

    /// The pause that is over at `now`, once; nil while it holds.
    mutating func over(_ key: Key, now: ContinuousClock.Instant) -> Pause? {
        guard let pause = pauses[key], pause.end <= now else { return nil }
        pauses[key] = nil
        return pause
    }
}

/// Refusals by our own limits: each kind is told at most once a minute, with the number since it was told before. What
/// is untold when a minute is over is told then.
struct RefusalTally {
    private static let interval = Duration.seconds(60)

    private var kinds: [String: (told: ContinuousClock.Instant, untold: Int)] = [:]

    /// How many to tell of now; nil: none.
    mutating func refused(_ kind: String, now: ContinuousClock.Instant) -> Int? {
        guard let known = kinds[kind], now - known.told < Self.interval else {
            let count = (kinds[kind]?.untold ?? 0) + 1
            kinds[kind] = (now, 0)
            return count
        }
        kinds[kind] = (known.told, known.untold + 1)
        return nil
    }

    /// When the minute of a kind is over; nil when nothing of it was refused lately.
    func end(of kind: String) -> ContinuousClock.Instant? { kinds[kind].map { $0.told + Self.interval } }

    /// How many to tell of when a minute is over; nil: none. A kind of which there was nothing new is forgotten.
    mutating func over(_ kind: String, now: ContinuousClock.Instant) -> Int? {
        guard let known = kinds[kind], now - known.told >= Self.interval else { return nil }
        kinds[kind] = known.untold > 0 ? (now, 0) : nil
        return known.untold > 0 ? known.untold : nil
    }

    /// What was not told yet, by kind in the order of their names.
    mutating func rest() -> [(kind: String, count: Int)] {
        defer { kinds = [:] }
        return kinds.filter { $0.value.untold > 0 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value.untold) }
    }
}

/// What is told at most once a minute, with the number since it was told before.
struct MinuteTally {
    private var told: ContinuousClock.Instant?
    private var untold = 0

    /// One more. How many to tell of now; nil: none.
    mutating func add(now: ContinuousClock.Instant) -> Int? {
        untold += 1
        if let told, now - told < .seconds(60) { return nil }
        defer { (told, untold) = (now, 0) }
        return untold
    }
}
