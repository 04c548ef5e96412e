// Whether a tool takes an answer too slowly while others wait for the place that it holds upstream: a value, no clock, no
// socket.
//
// A tool's kernel acknowledges in steps: when the tool has read a good part of what waits for it there, and not before (95 KB
// at once over loopback, some KB over a network). So time alone tells nothing. What is acknowledged is credit, which the
// minimal rate uses up, and only who has none left is too slow. What comes without a pause before it fills buffers and shows
// no rate: it makes no credit beyond the first.

import Ground
import RateLimiting

struct TakingRate {
    typealias Instant = ContinuousClock.Instant

    /// So long others must have waited.
    static let patience = Duration.seconds(30)
    /// From one look to the next.
    static let interval = Duration.seconds(1)
    /// Between two who want a place it counts as wanted all the same: who was refused asks again after a second.
    private static let gap = Duration.seconds(5)
    /// Bytes that a tool has to its credit from the beginning.
    private static let firstCredit = 40.0 * 1_024
    /// The most bytes that it ever has.
    private static let mostCredit = 128.0 * 1_024
    /// Acknowledgements so far apart are steps of a tool that reads.
    private static let pause = Duration.seconds(2)

    private let minRate: Double
    private var credit = firstCredit
    private var taken: Int
    private var lookedAt: Instant
    private var tookAt: Instant
    private var refused: Int?
    private var wanted: (since: Instant, last: Instant)?

    /// - Parameters:
    ///   - minRate: bytes a second (listen.min_rate).
    ///   - taken: what the tool's kernel has acknowledged so far.
    init(minRate: Int, taken: Int, now: Instant) {
        self.minRate = Double(minRate)
        self.taken = taken
        (lookedAt, tookAt) = (now, now)
    }

    /// Whether the tool is too slow, and somebody waits for that.
    mutating func isTooSlow(taken now: Int, _ demand: PlaceDemand, now time: Instant) -> Bool {
        credit -= minRate * Double((time - lookedAt).clampedNanoseconds) / 1e9
        lookedAt = time
        take(now, at: time)
        guard isWanted(demand, at: time) else {
            credit = max(credit, 0)
            return false
        }
        guard let wanted else { return false }
        if wanted.since == time { credit = max(credit, minRate * Double(Self.patience.components.seconds)) }
        return time - wanted.since >= Self.patience && credit < 0
    }

    private mutating func take(_ count: Int, at time: Instant) {
        guard count > taken else { return }
        let most = time - tookAt >= Self.pause ? Self.mostCredit : max(Self.firstCredit, credit)
        credit = min(credit + Double(count - taken), most)
        (taken, tookAt) = (count, time)
    }

    private mutating func isWanted(_ demand: PlaceDemand, at time: Instant) -> Bool {
        defer { refused = demand.refused }
        if demand.isWaitedFor || demand.refused > refused ?? demand.refused {
            wanted = (wanted?.since ?? time, time)
        } else if let last = wanted?.last, time - last > Self.gap {
            wanted = nil
        }
        return wanted != nil
    }
}
