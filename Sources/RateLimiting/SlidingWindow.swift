// One hard window, exact: never more than `limit` sends in any closed span of its length. A call takes a reservation
// when it is admitted and becomes a dated send when it goes out, so the sum of the two never rises in between.
//
// Sends that lie closer together than a 1024th of the span share an entry dated by the latest of them: they are
// forgotten a little late, never early, and memory stays bounded whatever the limit.

import DequeModule
import Ground

struct SlidingWindow: Sendable {
    /// Sends that leave the window together.
    struct Sends: Sendable, Equatable {
        let first: Nanoseconds
        var last: Nanoseconds
        var count: Int
    }

    let limit: Int
    let span: Nanoseconds
    private(set) var log: Deque<Sends> = []
    /// Sends in `log`.
    private(set) var spent = 0
    /// Admitted and not yet sent.
    private(set) var reserved = 0

    init(_ window: GateWindow) {
        limit = window.limit
        span = window.span.clampedNanoseconds
    }

    /// What could still be reserved; negative after the limit was lowered.
    var room: Int { limit - spent - reserved }

    /// The instant at which sends dated `last` no longer count.
    func expiry(_ sends: Sends) -> Nanoseconds { sends.last + span + 1 }

    /// Forgets what has left the window. To be called before anything else is asked about `now`.
    mutating func advance(to now: Nanoseconds) {
        while let oldest = log.first, expiry(oldest) <= now {
            spent -= oldest.count
            log.removeFirst()
        }
    }

    /// When one more can be reserved, if nothing else is reserved or sent until then; `never` where only the end of a
    /// reservation could make room.
    func opening(now: Nanoseconds) -> Nanoseconds {
        var missing = 1 - room
        guard missing > 0 else { return now }
        for sends in log {
            missing -= sends.count
            if missing <= 0 { return expiry(sends) }
        }
        return .never
    }

    mutating func reserve() { reserved += 1 }

    /// A reservation ends without having been sent.
    mutating func cancelReservation() { reserved -= 1 }

    /// A reservation becomes a send.
    mutating func send(now: Nanoseconds) {
        reserved -= 1
        record(1, at: now)
    }

    /// Dates `count` sends that nobody had reserved.
    mutating func record(_ count: Int, at now: Nanoseconds) {
        guard count > 0 else { return }
        spent += count
        if let newest = log.last, now - newest.first < span / 1024 {
            log[log.count - 1].last = max(now, newest.last)
            log[log.count - 1].count += count
        } else {
            log.append(Sends(first: now, last: max(now, log.last?.last ?? now), count: count))
        }
    }

    /// Goes on with the sends that another window has counted.
    mutating func inherit(from other: SlidingWindow) {
        log = other.log
        spent = other.spent
    }

    /// Begins with reservations that were made before it.
    mutating func adopt(reserved: Int) { self.reserved = reserved }
}
