// Where a connection of a tool is in its life, and what is to be done next (RFC 9112 section 9). Events and the time in,
// decisions out: no socket, no clock, no request.
//
// What has been read waits in a queue of the shell; after every event the shell asks `next` until it is told to wait.
//
// | phase     | what it waits for       | ends with                                              | too long |
// |-----------|-------------------------|--------------------------------------------------------|----------|
// | fresh     | a first byte            | came, requestBegins, refused, drain, closed            | closed   |
// | idle      | a next request          | came, requestBegins, refused, drain, closed            | closed   |
// | head      | the rest of a head      | requestBegins, refused, drain, closed                  | refused  |
// | busy      | the flow, or the tool   | finished, closed                                       | body fails, or closed |
// | lingering | the tool's own end      | lingered, drain, closed                                | closed   |
// | closed    | nothing                 |                                                        |          |
//
// What stays true:
//  1. One request at a time: the next one begins when the one before it is finished, and no sooner.
//  2. The socket is read for the next head, for body bytes that the flow waits for, and while lingering; never twice at once,
//     and never for a tool that does not take its answers.
//  3. A request is handed over once, with all that was read together with its head.
//  4. After a last answer nothing begins any more; closed is closed.
//  5. In every phase but closed, and but busy with nobody waiting for the tool, there is a deadline.
//  6. An event that does not belong to a phase changes nothing.

import NIOCore

struct ConnectionState: Equatable {
    enum Phase: Equatable {
        /// Nothing has come yet.
        case fresh
        /// Between requests.
        case idle
        /// A head has begun and is not complete.
        case head
        case busy(Request)
        /// The last answer is out; what the tool still sends is read and dropped, so that it can read the answer.
        case lingering(bytes: Int)
        case closed
    }

    /// The request that is under way.
    struct Request: Equatable {
        /// All of it has been received, or given up.
        var isWhole: Bool
        var isHandedOver = false
        var wait: Wait?
        /// Body bytes so far, and how long was waited for them before the present wait.
        var bodyBytes = 0
        var bodyTime = TimeAmount.zero
    }

    /// What the flow waits for, of the tool.
    enum Wait: Equatable {
        case body
        /// To take some of the answer.
        case room
    }

    enum Next: Equatable {
        /// The oldest part of the queue.
        case take
        case handOver
        case read
        case close
        /// For the next event.
        case wait
    }

    enum TimeOut: Equatable {
        case nothing
        case close
        case refuseHead
        case failBody(Slowness)
    }

    /// Why a body is not waited for any longer.
    enum Slowness: Equatable {
        case silent
        case belowMinRate
    }

    let limits: ConnectionLimits
    private(set) var phase = Phase.fresh
    /// When the phase, or the present wait of a busy one, began.
    private(set) var since: NIODeadline
    private(set) var isDraining = false
    /// A read has been asked for and has not ended.
    private var isReading = false
    /// What came behind the present request ends in the middle of a head.
    private var headIsOpen = false

    /// How long and how much is still read after a last answer, before the connection is closed hard.
    static let lingerTime = TimeAmount.seconds(2)
    static let lingerBytes = 4 << 20
    init(_ limits: ConnectionLimits, now: NIODeadline) {
        self.limits = limits
        since = now
    }

    // MARK: What is read

    /// Bytes have come. `openHead`: they end in the middle of a head, `behindParts`: behind something that waits in the queue.
    mutating func came(openHead: Bool, behindParts: Bool, now: @autoclosure () -> NIODeadline) {
        headIsOpen = openHead
        guard openHead, !behindParts, phase == .fresh || phase == .idle else { return }
        (phase, since) = (.head, now())
    }

    /// All of them have.
    mutating func readEnded() { isReading = false }

    /// Bytes after the last answer. Returns whether it is too many.
    mutating func lingered(_ count: Int) -> Bool {
        guard case .lingering(let bytes) = phase else { return false }
        phase = .lingering(bytes: bytes + count)
        guard bytes + count > Self.lingerBytes else { return false }
        phase = .closed
        return true
    }

    // MARK: The request

    /// - Parameter isWhole: it has no body.
    mutating func requestBegins(isWhole: Bool) {
        guard isBetween else { return }
        phase = .busy(Request(isWhole: isWhole))
    }

    /// Bytes of its body came.
    mutating func bodyCame(_ count: Int) { change { $0.bodyBytes += count } }

    /// The body is at its end, or no more of it will be taken.
    mutating func bodyEnded() { change { $0.isWhole = true } }

    /// The flow waits for the tool from now on.
    mutating func waits(for wait: Wait, now: NIODeadline) {
        guard case .busy(var request) = phase, request.isHandedOver, request.wait == nil,
            wait == .room || !request.isWhole
        else { return }
        request.wait = wait
        (phase, since) = (.busy(request), now)
    }

    /// It got what it waited for, or waits no longer.
    mutating func waitEnded(now: NIODeadline) {
        let since = since
        change { request in
            if request.wait == .body { request.bodyTime = request.bodyTime + (now - since) }
            request.wait = nil
        }
    }

    /// The answer is out and written down. `isReusable`: both sides know where it ended.
    mutating func finished(isReusable: Bool, isAnswered: Bool, now: NIODeadline) {
        guard case .busy = phase else { return }
        guard isReusable else {
            (phase, since) = (isAnswered ? .lingering(bytes: 0) : .closed, now)
            return
        }
        (phase, since) = (headIsOpen ? .head : .idle, now)
    }

    /// What came was no request, and has been answered.
    mutating func refused(now: NIODeadline) {
        if isBetween { (phase, since) = (.lingering(bytes: 0), now) }
    }

    // MARK: The end

    /// The process ends: a request that is under way is finished, everything else ends now.
    mutating func drain() {
        isDraining = true
        if case .busy = phase { return }
        phase = .closed
    }

    mutating func closed() { phase = .closed }

    // MARK: Decisions

    /// What is to be done now.
    ///
    /// - Parameters:
    ///   - hasParts: whether something that was read waits in the queue.
    ///   - isWritable: whether the tool takes its answers.
    mutating func next(hasParts: Bool, isWritable: Bool) -> Next {
        switch phase {
        case .closed: return .close
        case .lingering: return read()
        case .fresh, .idle, .head:
            guard isWritable else { return .wait }
            if hasParts { return .take }
            if isDraining {
                phase = .closed
                return .close
            }
            return read()
        case .busy(var request):
            // The rest of what was read belongs to it; a body that is refused is taken off all the same.
            if !request.isWhole, hasParts { return .take }
            if !request.isHandedOver {
                request.isHandedOver = true
                phase = .busy(request)
                return .handOver
            }
            return request.wait == .body ? read() : .wait
        }
    }

    private mutating func read() -> Next {
        if isReading { return .wait }
        isReading = true
        return .read
    }

    /// When the tool has kept us waiting for too long; nil while it is not the one who is waited for.
    var deadline: NIODeadline? {
        switch phase {
        case .closed: nil
        case .fresh: since + min(limits.headerTimeout, limits.idleTimeout)
        case .idle: since + limits.idleTimeout
        case .head: since + limits.headerTimeout
        case .lingering: since + Self.lingerTime
        case .busy(let request):
            switch request.wait {
            case nil: nil
            case .room: since + limits.idleTimeout
            case .body: limits.bodyDeadline(since: since, bytes: request.bodyBytes, earlierWaits: request.bodyTime)
            }
        }
    }

    /// What follows from the time alone.
    mutating func timeOut(now: NIODeadline) -> TimeOut {
        guard let deadline, deadline <= now else { return .nothing }
        switch phase {
        case .closed: return .nothing
        case .head: return .refuseHead
        case .fresh, .idle, .lingering:
            phase = .closed
            return .close
        case .busy(let request):
            guard request.wait == .body else {
                phase = .closed
                return .close
            }
            return .failBody(since + limits.idleTimeout <= now ? .silent : .belowMinRate)
        }
    }

    // MARK: Parts

    private var isBetween: Bool {
        switch phase {
        case .fresh, .idle, .head: true
        case .busy, .lingering, .closed: false
        }
    }

    private mutating func change(_ change: (inout Request) -> Void) {
        guard case .busy(var request) = phase else { return }
        change(&request)
        phase = .busy(request)
    }
}
