// A hard window with a pace: up to a tenth of the limit may go at once, the rest is spread evenly over the span.
//
// The pace is planned from what the window holds: the fastest even pace that will not run into the hard limit before
// what was sent has left the window. A burst is so paid back evenly, instead of by a standstill at the window's end.
// A hundredth of the limit, and at least what falls on 20 ms, is kept unplanned, because upstream dates calls later than we
// do and not always equally.

import DequeModule
import Ground

struct PacedWindow: Sendable {
    /// By so many nanoseconds one call may take longer on its way than another, without upstream counting one too many.
    private static let shake = 20_000_000.0

    private(set) var window: SlidingWindow
    /// Of the sends in it those that nobody here has made: what may have gone before it began. Nobody is told of them.
    private(set) var assumed: Int
    private var began: Nanoseconds
    /// False where nothing is held: calls then go that should not, and only the credit tells when they should have.
    private let isHeld: Bool
    /// Calls that may go at once.
    let burst: Double
    /// Calls that may go now; one is taken for each. Below 0 only where nothing is held.
    private(set) var credit: Double
    private var creditedAt: Nanoseconds
    /// Nanoseconds from call to call at the planned pace.
    private(set) var interval: Double
    private var plannedAt: Nanoseconds
    private var admittedSincePlan = 0

    /// A window of which half the burst counts as spent by whoever was here before.
    init(_ gateWindow: GateWindow, isHeld: Bool, now: Nanoseconds) {
        window = SlidingWindow(gateWindow)
        self.isHeld = isHeld
        burst = max(Double(gateWindow.limit / 10), 1)
        credit = max(burst / 2, 1)
        creditedAt = now
        interval = 0
        plannedAt = now
        assumed = Int(burst) - Int(credit)
        began = now
        window.record(assumed, at: now)
        plan(now: now)
    }

    /// Passes the time until `now` at the share `pace` (0..1) of the planned pace. `isSteady` keeps bursts from
    /// being saved up.
    mutating func advance(to now: Nanoseconds, pace: Double, isSteady: Bool) {
        window.advance(to: now)
        if window.log.first?.first != began { assumed = 0 }
        let cap = isSteady ? 1 : max(burst * pace, 1)
        credit = min(credit + Double(now - creditedAt) * pace / interval, cap)
        creditedAt = now
        if now - plannedAt > window.span / 128 { plan(now: now) }
    }

    /// When one more may be admitted, as far as this window goes.
    func opening(now: Nanoseconds, pace: Double) -> Nanoseconds {
        let hard = hardOpening(now: now)
        // A hair below 1 is rounding.
        guard credit < 1 - 1e-6 else { return hard }
        return max(hard, now + Nanoseconds(((1 - credit) * interval / pace).rounded(.up)))
    }

    /// Whether it counts nothing.
    var isUnspent: Bool { window.spent == 0 && window.reserved == 0 }

    /// When the hard window has room; `never` where only the end of a reservation can tell.
    func hardOpening(now: Nanoseconds) -> Nanoseconds { isHeld ? window.opening(now: now) : now }

    /// How long the `count`-th call from now will wait, if nobody else comes.
    func delay(forCalls count: Double, now: Nanoseconds, pace: Double) -> Nanoseconds {
        let hard = hardOpening(now: now)
        let paced = Nanoseconds(max(0, (count - credit) * interval / pace))
        return max(hard == .never ? 0 : hard - now, paced)
    }

    mutating func reserve(now: Nanoseconds, paced: Bool) {
        window.reserve()
        if paced { credit -= 1 }
        admittedSincePlan += 1
        if admittedSincePlan > window.limit / 128 { plan(now: now) }
    }

    /// `paced`: as it was reserved.
    mutating func cancelReservation(paced: Bool) {
        window.cancelReservation()
        if paced { credit = min(credit + 1, burst) }
    }

    /// A send that was not reserved here.
    mutating func record(now: Nanoseconds) { window.record(1, at: now) }

    mutating func send(now: Nanoseconds) { window.send(now: now) }

    /// Goes on where another window stood, if there was one, with the reservations that are out.
    mutating func inherit(from other: PacedWindow?, reserved: Int, now: Nanoseconds) {
        window.adopt(reserved: reserved)
        if let other {
            window.inherit(from: other.window)
            (assumed, began) = (other.assumed, other.began)
            window.advance(to: now)
            credit = min(credit, other.credit)
        }
        plan(now: now)
    }

    /// Goes on with sends that were counted elsewhere, where those are more: what was there before it began, such as an earlier
    /// process's sends, stands here alone.
    mutating func inherit(sends: SlidingWindow, now: Nanoseconds) {
        guard sends.spent > window.spent else { return }
        window.inherit(from: sends)
        assumed = 0
        window.advance(to: now)
        plan(now: now)
    }

    /// Begins with what is known to have been sent, instead of what was assumed.
    mutating func begin(with sends: SlidingWindow, credit: Double, now: Nanoseconds) {
        window = sends
        assumed = 0
        self.credit = credit
        plan(now: now)
    }

    /// Sends of others.
    mutating func record(_ count: Int, now: Nanoseconds) {
        window.record(count, at: now)
        admittedSincePlan += count
        if admittedSincePlan > window.limit / 128 { plan(now: now) }
    }

    /// Calls that went ahead of the even pace make it slower until they have left the window.
    private mutating func plan(now: Nanoseconds) {
        plannedAt = now
        admittedSincePlan = 0
        let budget = Double(window.limit) * (1 - max(0.01, Self.shake / Double(window.span)))
        interval = Double(window.span) / budget
        guard isHeld else { return }
        // Until the i-th of those in the window leaves it, there is room for as many as have left before, and one.
        var room = budget - Double(window.spent + window.reserved) + 1
        for sends in window.log {
            interval = max(interval, Double(window.expiry(sends) - now) / max(room, 1))
            room += Double(sends.count)
        }
    }
}
