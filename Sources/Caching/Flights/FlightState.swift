// One upstream fetch shared by several requests, as a value: who waits, until when, and what ends it.
//
// The fetch has a life of its own: whoever began it may leave. It is dropped only while it still queues for its turn and
// nobody waits for it any more; once sent it is finished. Deadlines hold only until it is sent: after that the answer is
// as near as it can be.

struct FlightState: Sendable {
    typealias Instant = ContinuousClock.Instant
    typealias WaiterID = UInt64

    enum Phase: Sendable, Equatable {
        case queued
        case sent
        case ended
    }

    private(set) var phase = Phase.queued
    private var deadlines: [WaiterID: Instant] = [:]
    /// Nobody waits for a refresh in the background, and it goes on all the same.
    private var isBackground: Bool

    init(isBackground: Bool) { self.isBackground = isBackground }

    var waiters: Int { deadlines.count }

    /// The earliest deadline that still counts, when `deadlinePassed` is due.
    var nextDeadline: Instant? { phase == .queued ? deadlines.values.min() : nil }

    /// Somebody waits. False when the fetch has ended already.
    mutating func join(_ id: WaiterID, deadline: Instant) -> Bool {
        guard phase != .ended else { return false }
        deadlines[id] = deadline
        return true
    }

    /// Somebody has left. Returns whether the fetch is to be dropped.
    mutating func leave(_ id: WaiterID) -> Bool {
        guard deadlines.removeValue(forKey: id) != nil else { return false }
        return isPointless
    }

    /// Returns those whose time is over, and whether the fetch is to be dropped.
    mutating func deadlinePassed(now: Instant) -> (late: [WaiterID], isPointless: Bool) {
        guard phase == .queued else { return ([], false) }
        let late = deadlines.filter { $0.value <= now }.keys.sorted()
        for id in late { deadlines[id] = nil }
        return (late, !late.isEmpty && isPointless)
    }

    /// The request goes upstream now.
    mutating func sent() { if phase == .queued { phase = .sent } }

    /// Upstream has refused the request for now, so it waits for its turn again.
    mutating func held() { if phase == .sent { phase = .queued } }

    /// Returns everybody who waits for the outcome.
    mutating func ended() -> [WaiterID] {
        phase = .ended
        defer { deadlines = [:] }
        return deadlines.keys.sorted()
    }

    /// Nobody waits for it any more, and it has not been sent.
    var isPointless: Bool { phase == .queued && deadlines.isEmpty && !isBackground }
}
