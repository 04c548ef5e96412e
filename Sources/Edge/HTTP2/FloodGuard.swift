// What a tool may do on an HTTP/2 connection that costs us something and brings nothing: how often. 200 times in ten
// seconds is always allowed, 10,000 times never (of each kind).

import NIOCore

/// A leaky bucket.
struct Allowance: Equatable {
    static let burst = 400
    static let refillPerSecond = 25

    private var left = burst
    private var refilledAt: NIODeadline

    init(now: NIODeadline) { refilledAt = now }

    /// Whether this once is still allowed.
    mutating func take(now: NIODeadline) -> Bool {
        let interval = TimeAmount.seconds(1).nanoseconds / Int64(Self.refillPerSecond)
        let earned = (now - refilledAt).nanoseconds / interval
        if earned > 0 {
            left = min(Self.burst, left + Int(min(earned, Int64(Self.burst))))
            refilledAt = left == Self.burst ? now : refilledAt + .nanoseconds(earned * interval)
        }
        left -= 1
        return left >= 0
    }
}

/// Counts frames. Events and the time in, verdicts out.
struct FloodGuard {
    /// What there was too much of, as the tool is told.
    enum Flood: String {
        case resets, pings, settings, empty = "empty frames", priority = "priority and unknown frames"
        case windowUpdates = "window updates", continuations, refused = "streams beyond the limit"
    }

    /// Header blocks may come in so many pieces.
    static let maxContinuations = 64
    /// DATA that does not end its stream and holds less is small; padded, it counts as empty.
    static let leastData = 16
    /// Tools that write bodies piece by piece send small DATA: so much of that counts as one that is empty.
    private static let smallForEmpty = 16
    /// So many bytes of an answer earn their window updates, of stream and connection; each stream and each DATA earns two.
    private static let bytesForUpdate = 512

    private var allowances: [Flood: Allowance] = [:]
    private var continuations = 0
    private var updateCredit = 0
    private var bytesOut = 0
    private var small = 0

    /// A frame came. Returns what there is too much of.
    mutating func came(_ frame: FrameHead, now: @autoclosure () -> NIODeadline) -> Flood? {
        switch frame.kind {
        case .data:
            if frame.length >= Self.leastData || frame.hasFirstFlag { return nil }
            small += frame.length == 0 ? Self.smallForEmpty : 1
            guard small >= Self.smallForEmpty else { return nil }
            small -= Self.smallForEmpty
            return count(.empty, now())
        case .headers:
            continuations = 0
            updateCredit += 2
            return frame.length == 0 ? count(.empty, now()) : nil
        case .continuation:
            continuations += 1
            if continuations > Self.maxContinuations { return .continuations }
            return frame.length == 0 ? count(.empty, now()) : nil
        case .resetStream: return count(.resets, now())
        case .settings: return count(.settings, now())
        case .ping: return count(.pings, now())
        case .windowUpdate:
            if updateCredit > 0 {
                updateCredit -= 1
                return nil
            }
            return count(.windowUpdates, now())
        case .priority, .pushPromise, .goAway, nil: return count(.priority, now())
        }
    }

    /// DATA that was nothing but padding.
    mutating func paddingCame(now: NIODeadline) -> Flood? { count(.empty, now) }

    /// A stream was reset because of what the tool sent on it, or was one too many.
    mutating func resetByUs(isRefusal: Bool, now: NIODeadline) -> Flood? { count(isRefusal ? .refused : .resets, now) }

    /// DATA of an answer went out. A tool with a small window has to open it again after each.
    mutating func sent(_ bytes: Int) {
        bytesOut += bytes
        let earned = 2 * (bytesOut / Self.bytesForUpdate) + (bytes > 0 ? 2 : 0)
        updateCredit = min(updateCredit + earned, 1 << 20)
        bytesOut %= Self.bytesForUpdate
    }

    private mutating func count(_ flood: Flood, _ now: NIODeadline) -> Flood? {
        allowances[flood, default: Allowance(now: now)].take(now: now) ? nil : flood
    }
}
