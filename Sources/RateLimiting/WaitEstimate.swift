// Guesses how long somebody at a given place of the queue would wait. Learns from how long permits are held, and from
// silence: a gate through which nobody has come out for a while is expected to stand still for as long again.

struct WaitEstimate: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// Before anything is known.
    private static let firstGuess: Duration = .seconds(1)
    /// Of the latest holding time in the moving average.
    private static let weight = 0.2
    static let shortest: Duration = .seconds(1)
    static let longest: Duration = .seconds(300)

    private(set) var averageHold: Duration?
    /// When the gate last became full or, being full, let somebody out.
    private var lastMovement: Instant?
    /// Places promised to those who were refused and told when to come back; each departure redeems one. They keep
    /// the refused from all being told the same moment.
    private var promised = 0

    mutating func becameFull(now: Instant) { lastMovement = now }

    mutating func permitReturned(heldFor hold: Duration, now: Instant) {
        averageHold = averageHold.map { $0 + (hold - $0) * Self.weight } ?? hold
        lastMovement = now
        promised = max(promised - 1, 0)
    }

    /// Somebody found room at once, so whatever was promised is redeemed.
    mutating func foundRoom() { promised = 0 }

    /// What to tell somebody who is refused while `queued` others wait. `limit` is the number of permits.
    mutating func promise(queued: Int, limit: Int, now: Instant) -> Duration {
        let perPlace = (averageHold ?? Self.firstGuess) / limit
        let stall = lastMovement.map { max($0.duration(to: now) - perPlace, .zero) } ?? .zero
        let wait = min(max(perPlace * (queued + promised + 1) + stall, Self.shortest), Self.longest)
        // Beyond the longest answer further places would change nothing.
        if wait < Self.longest { promised += 1 }
        return wait
    }
}
