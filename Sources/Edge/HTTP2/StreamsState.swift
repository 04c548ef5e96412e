// Where an HTTP/2 connection is in its life (RFC 9113 sections 3.4, 6.8, 9.1). Events and the time in, decisions out: no
// socket, no clock, no frame.
//
// | phase     | new streams       | ends with                                        |
// |-----------|-------------------|--------------------------------------------------|
// | opening   | taken             | the first SETTINGS, header_timeout, drain        |
// | open      | taken             | idle_timeout without streams, drain, a flood     |
// | warned    | taken             | the tool's answer to our PING, or a second       |
// | last      | refused           | no streams                                       |
// | ending    | ignored           | the tool's own end, or two seconds               |
// | closed    |                   |                                                  |
//
// What stays true:
//  1. At most `maxStreams` are under way; one more is refused alone.
//  2. A stream that was taken is finished, unless the tool, its slowness or a flood ends it.
//  3. In a drain the tool hears of it first, and only what it sends after it could know is refused.

import NIOCore

struct StreamsState: Equatable {
    enum Phase: Equatable {
        case opening, open, warned, last, ending, closed
    }

    enum Admission: Equatable {
        case take
        /// REFUSED_STREAM: not looked at.
        case refuse
    }

    enum Action: Equatable {
        case nothing
        /// GOAWAY with 2^31-1, and a PING behind it.
        case warn
        /// GOAWAY with the last stream taken.
        case sayLast
        /// GOAWAY, then the end.
        case end(Reason)
        case close
    }

    enum Reason: Equatable {
        /// Nobody has anything to say.
        case idle
        /// What was begun is finished, and no more is taken.
        case drained
        case slowHead
    }

    static let maxStreams = 128
    /// How long the answer to our PING is waited for.
    static let patience = TimeAmount.seconds(1)

    let limits: ConnectionLimits
    private(set) var phase = Phase.opening
    /// When the phase, or the time without streams, began.
    private(set) var since: NIODeadline
    /// When a header block began that is not complete.
    private(set) var headSince: NIODeadline?
    private(set) var streams = 0
    /// The last that was taken; what NIOHTTP2 lets through ascends.
    private(set) var lastTaken: UInt32 = 0

    init(_ limits: ConnectionLimits, now: NIODeadline) { (self.limits, since) = (limits, now) }

    mutating func settingsCame(now: NIODeadline) {
        if phase == .opening { (phase, since) = (.open, now) }
    }

    mutating func headerBlock(isOpen: Bool, now: @autoclosure () -> NIODeadline) {
        guard isOpen else { return headSince = nil }
        if headSince == nil { headSince = now() }
    }

    mutating func begins(_ stream: UInt32) -> Admission {
        switch phase {
        case .opening, .open, .warned:
            guard streams < Self.maxStreams else { return .refuse }
            streams += 1
            lastTaken = max(lastTaken, stream)
            return .take
        case .last, .ending, .closed: return .refuse
        }
    }

    /// A stream that was taken is over.
    mutating func ended(now: NIODeadline) -> Action {
        streams -= 1
        guard streams == 0 else { return .nothing }
        switch phase {
        case .opening, .open:
            since = now
            return .nothing
        case .last:
            (phase, since) = (.ending, now)
            return .end(.drained)
        case .warned, .ending, .closed: return .nothing
        }
    }

    /// The process ends.
    mutating func drain(now: NIODeadline) -> Action {
        switch phase {
        case .opening:
            phase = .closed
            return .close
        case .open:
            (phase, since) = (.warned, now)
            return .warn
        case .warned, .last, .ending, .closed: return .nothing
        }
    }

    /// Its tool is not known any more: what it has begun is finished, and nothing else is taken.
    mutating func withdraw(now: NIODeadline) -> Action {
        switch phase {
        case .opening:
            phase = .closed
            return .close
        case .open, .warned:
            phase = .warned
            return heard(now: now)
        case .last, .ending, .closed: return .nothing
        }
    }

    /// The tool has answered our PING: it has seen the warning.
    mutating func heard(now: NIODeadline) -> Action {
        guard phase == .warned else { return .nothing }
        guard streams == 0 else {
            phase = .last
            return .sayLast
        }
        (phase, since) = (.ending, now)
        return .end(.drained)
    }

    /// It has been told why, and hears no more.
    mutating func ends(now: NIODeadline) { if phase != .closed { (phase, since) = (.ending, now) } }

    mutating func closed() { phase = .closed }

    var deadline: NIODeadline? {
        let own: NIODeadline? =
            switch phase {
            case .opening: since + min(limits.headerTimeout, limits.idleTimeout)
            case .open: streams == 0 ? since + limits.idleTimeout : nil
            case .warned: since + Self.patience
            case .ending: since + ConnectionState.lingerTime
            case .last, .closed: nil
            }
        guard let headSince, phase != .ending, phase != .closed else { return own }
        return min(own ?? .distantFuture, headSince + limits.headerTimeout)
    }

    /// What follows from the time alone.
    mutating func timeOut(now: NIODeadline) -> Action {
        guard let deadline, deadline <= now else { return .nothing }
        if let headSince, headSince + limits.headerTimeout <= now, phase != .ending {
            (phase, since) = (.ending, now)
            return .end(.slowHead)
        }
        switch phase {
        case .opening, .ending:
            phase = .closed
            return .close
        case .open:
            (phase, since) = (.ending, now)
            return .end(.idle)
        case .warned: return heard(now: now)
        case .last, .closed: return .nothing
        }
    }
}
