// Where a stream is in its life, and when its tool has kept us waiting for too long (RFC 9113 section 5.1). Events and the
// time in, decisions out: no socket, no clock, no request.
//
// | answer  | what it waits for                        | too long                          |
// |---------|------------------------------------------|-----------------------------------|
// | open    | the flow; of the tool: its body, or room | the body fails, or the stream is reset |
// | queued  | the tool to take what is left of it      | reset                             |
// | out     | the end of a request that is not whole   | reset without blame               |
//
// What stays true: there is a deadline unless the flow is at work and does not wait for the tool.

import NIOCore

struct StreamState: Equatable {
    enum Answer: Equatable {
        case open
        /// All of it has been handed over.
        case queued
        /// Its last byte has left; what still comes of the request is dropped, so that the tool can read the answer.
        case out(dropped: Int)
    }

    enum TimeOut: Equatable {
        case nothing
        case failBody(ConnectionState.Slowness)
        /// The tool does not take its answer.
        case cancel
        /// The answer is out, and the request does not end.
        case endCalmly
    }

    let limits: ConnectionLimits
    private(set) var answer = Answer.open
    /// All of the request has been received, or given up.
    private(set) var isWhole: Bool
    /// The tool has ended its side.
    private(set) var hasEnded: Bool
    private(set) var wait: ConnectionState.Wait?
    /// When the present wait, or the answer's end, began.
    private(set) var since: NIODeadline
    private var bodyBytes = 0
    private var bodyTime = TimeAmount.zero

    init(_ limits: ConnectionLimits, isWhole: Bool, now: NIODeadline) {
        (self.limits, self.isWhole, hasEnded, since) = (limits, isWhole, isWhole, now)
    }

    /// Bytes of the request's body came. Returns whether too many have been dropped.
    mutating func bodyCame(_ count: Int) -> Bool {
        bodyBytes += count
        guard case .out(let dropped) = answer else { return false }
        answer = .out(dropped: dropped + count)
        return dropped + count > ConnectionState.lingerBytes
    }

    /// The tool has ended its side: the body is at its end.
    mutating func toolEnded() { (isWhole, hasEnded) = (true, true) }

    /// No more of the body will be taken.
    mutating func bodyGivenUp() { isWhole = true }

    /// The flow waits for the tool from now on.
    mutating func waits(for wait: ConnectionState.Wait, now: NIODeadline) {
        guard answer == .open, self.wait == nil, wait == .room || !isWhole else { return }
        (self.wait, since) = (wait, now)
    }

    /// It got what it waited for, or waits no longer.
    mutating func waitEnded(now: NIODeadline) {
        guard answer == .open else { return }
        if wait == .body { bodyTime = bodyTime + (now - since) }
        wait = nil
    }

    /// The tool has taken some of the answer.
    mutating func someWasTaken(now: NIODeadline) {
        if answer == .queued || wait == .room { since = now }
    }

    /// All of the answer has been handed over.
    mutating func answerEnded(now: NIODeadline) {
        guard answer == .open else { return }
        (answer, wait, since) = (.queued, nil, now)
    }

    /// The last byte of the answer has left.
    mutating func answerIsOut(now: NIODeadline) { (answer, wait, since) = (.out(dropped: 0), nil, now) }

    /// When the tool has kept us waiting for too long; nil while it is not the one who is waited for.
    var deadline: NIODeadline? {
        switch answer {
        case .out: hasEnded ? nil : since + ConnectionState.lingerTime
        case .queued: since + limits.idleTimeout
        case .open:
            switch wait {
            case nil: nil
            case .room: since + limits.idleTimeout
            case .body: limits.bodyDeadline(since: since, bytes: bodyBytes, earlierWaits: bodyTime)
            }
        }
    }

    /// What follows from the time alone.
    mutating func timeOut(now: NIODeadline) -> TimeOut {
        guard let deadline, deadline <= now else { return .nothing }
        switch answer {
        case .out: return .endCalmly
        case .queued: return .cancel
        case .open:
            guard wait == .body else { return .cancel }
            (isWhole, wait) = (true, nil)
            return .failBody(since + limits.idleTimeout <= now ? .silent : .belowMinRate)
        }
    }
}
