// How far a sink is, as a value: what it surely has, what is on its way, when to try again. No I/O, no clock.
//
// Syslog answers nothing. What was written to a connection counts as read when the peer has ended it in good order, or when more
// than buffers on both sides hold was written behind it, and never for the time that has gone by: a peer can take connections
// and read nothing for hours. If the connection breaks, what does not count is sent again; for a while record by record, so
// that a peer that breaks every connection after a few of them has read those before it does, and gets on.

import Audit

struct SinkProgress: Sendable {
    /// The time between two records of a sink that is treated with care.
    static let breath = Duration.milliseconds(20)
    /// How long a connection must live on for its sink to get many records at once again.
    static let patience = Duration.seconds(60)
    /// Parts of fewer bytes are one.
    private static let partBytes = 64 << 10
    /// More than the buffers of both kernels hold (`tcp_wmem` and `tcp_rmem` are 4 and 6 MiB at most unless changed).
    static let buffers = 16 << 20

    private struct Part {
        var last: AuditHead
        var bytes: Int
        var at: ContinuousClock.Instant
    }

    /// The last record that the sink surely has.
    private(set) var position: AuditHead
    /// The last that was sent, and need not be sent again unless its connection breaks.
    private(set) var sent: AuditHead
    private var unsure: [Part] = []
    /// Its last connection broke over what it may not have read: it gets one record at a time.
    private(set) var isFragile = false
    private var failures = 0
    /// Since when nothing can be sent; nil while it can, or nobody has tried.
    private(set) var downSince: ContinuousClock.Instant?
    /// Until when nothing is tried.
    private(set) var retryAt: ContinuousClock.Instant?

    init(at position: AuditHead) { (self.position, sent) = (position, position) }

    /// Records up to `last` were sent.
    ///
    /// - Parameter isConfirmed: whether the sink has said that it has them.
    mutating func delivered(_ last: AuditHead, bytes: Int, isConfirmed: Bool, now: ContinuousClock.Instant) {
        (sent, failures, downSince, retryAt) = (last, 0, nil, nil)
        guard !isConfirmed else { return position = last }
        if let part = unsure.last, part.bytes + bytes <= Self.partBytes {
            (unsure[unsure.count - 1].last, unsure[unsure.count - 1].bytes) = (last, part.bytes + bytes)
        } else {
            unsure.append(Part(last: last, bytes: bytes, at: now))
        }
    }

    /// The connection has ended; in good order the peer has read all that was sent.
    mutating func ended(isClean: Bool) {
        isFragile = isClean ? false : isFragile || sent != position
        if isClean { position = sent } else { sent = position }
        unsure = []
    }

    /// Nothing could be sent, or not all of it.
    mutating func failed(now: ContinuousClock.Instant) {
        ended(isClean: false)
        failures += 1
        downSince = downSince ?? now
        // 0.25, 0.5, 1, 2 s, and so on: with the time that an attempt takes at most, 4 s, it is tried every 5 s.
        retryAt = now + min(.milliseconds(250) * (1 << min(failures - 1, 4)), .seconds(1))
    }

    /// Takes into account what counts as read by now; whether the position has moved.
    mutating func settle(now: ContinuousClock.Instant) -> Bool {
        if let oldest = unsure.first, oldest.at + Self.patience <= now { isFragile = false }
        var behind = unsure.reduce(0) { $0 + $1.bytes }
        var count = 0
        for part in unsure {
            behind -= part.bytes
            guard behind > Self.buffers else { break }
            position = part.last
            count += 1
        }
        unsure.removeFirst(count)
        return count > 0
    }
}
