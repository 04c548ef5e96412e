// The rules of one exchange: what may be sent, what a cancellation does, which deadline runs.
// A value without clock or I/O: whoever drives it tells it what happened and when. Two directions run at once,
// because a response may begin (and be slow, or be held up by its reader) while the request body is still going out.

import Ground

/// The life of one exchange as a state machine.
struct TransferState {
    /// What the request allows.
    struct Limits {
        var connect: Nanoseconds
        var firstByte: Nanoseconds
        var stall: Nanoseconds
        var isRepeatable: Bool
        var cancellation: UpstreamRequest.Cancellation
    }

    private enum Stage {
        case created
        /// Not yet given to libcurl: all connections are in use.
        case queued(since: Nanoseconds)
        case connecting(since: Nanoseconds)
        case exchanging
        case over
    }

    private enum Upload {
        case moving(last: Nanoseconds)
        case done(at: Nanoseconds)
    }

    private enum Download {
        case awaitingHead
        case moving(last: Nanoseconds)
        /// Our own reader is the slow one.
        case readerFull
    }

    /// A point in time at which the exchange fails, and why.
    struct Deadline: Equatable {
        var at: Nanoseconds
        var reason: TransferFailure.Reason
    }

    let limits: Limits
    /// How often libcurl announced a send: the only source of the fact "was sent".
    private(set) var sends = 0
    private(set) var isCancelled = false
    private var stage = Stage.created
    private var upload: Upload
    private var download = Download.awaitingHead

    init(limits: Limits, hasUpload: Bool) {
        self.limits = limits
        self.upload = hasUpload ? .moving(last: 0) : .done(at: 0)
    }

    var isSent: Bool { self.sends > 0 }

    var isOver: Bool {
        if case .over = self.stage { true } else { false }
    }

    var isStarted: Bool {
        if case .created = self.stage { false } else { true }
    }

    var headReceived: Bool {
        if case .awaitingHead = self.download { false } else { true }
    }

    var uploadIsDone: Bool {
        if case .done = self.upload { true } else { false }
    }

    // MARK: What happened

    mutating func queued(now: Nanoseconds) {
        self.stage = .queued(since: now)
    }

    mutating func connecting(now: Nanoseconds) {
        self.stage = .connecting(since: now)
    }

    /// libcurl is about to send the request, for the first time or again. False: it must not.
    mutating func willSend(now: Nanoseconds) -> Bool {
        self.sends += 1
        if self.sends > 1 && !self.limits.isRepeatable { return false }
        self.stage = .exchanging
        self.upload = self.uploadIsDone ? .done(at: now) : .moving(last: now)
        return true
    }

    mutating func uploadAdvanced(now: Nanoseconds) {
        if !self.uploadIsDone { self.upload = .moving(last: now) }
    }

    mutating func uploadEnded(now: Nanoseconds) {
        if !self.uploadIsDone { self.upload = .done(at: now) }
    }

    /// The final response head is here.
    mutating func headCompleted(now: Nanoseconds) {
        self.download = .moving(last: now)
    }

    mutating func bodyAdvanced(now: Nanoseconds) {
        if self.headReceived { self.download = .moving(last: now) }
    }

    mutating func readerFilled() {
        if self.headReceived { self.download = .readerFull }
    }

    /// The caller's task was cancelled. True: end the exchange now.
    mutating func cancel() -> Bool {
        if self.isOver { return false }
        if self.limits.cancellation == .untilSent && self.isSent { return false }
        self.isCancelled = true
        return true
    }

    mutating func ended() {
        self.stage = .over
    }

    // MARK: Time

    /// When the exchange has taken too long if nothing else happens before; nil when nobody else is to be waited for.
    var deadline: Deadline? {
        switch self.stage {
        case .created, .over:
            return nil
        case .queued(let since):
            return Deadline(at: since + self.limits.firstByte, reason: .unreachable)
        case .connecting(let since):
            return Deadline(at: since + self.limits.connect, reason: .timeoutConnect)
        case .exchanging:
            guard let upload = self.uploadDeadline else { return self.downloadDeadline }
            guard let download = self.downloadDeadline else { return upload }
            return upload.at <= download.at ? upload : download
        }
    }

    /// The reason to end the exchange at `now`, if a deadline has passed.
    func expired(now: Nanoseconds) -> TransferFailure.Reason? {
        guard let deadline = self.deadline, deadline.at <= now else { return nil }
        return deadline.reason
    }

    private var uploadDeadline: Deadline? {
        guard case .moving(let last) = self.upload else { return nil }
        return Deadline(at: last + self.limits.stall, reason: .timeoutStall)
    }

    private var downloadDeadline: Deadline? {
        switch self.download {
        case .awaitingHead:
            // While the request is on its way its own stall deadline holds.
            guard case .done(let at) = self.upload else { return nil }
            return Deadline(at: at + self.limits.firstByte, reason: .timeoutFirstByte)
        case .moving(let last):
            return Deadline(at: last + self.limits.stall, reason: .timeoutStall)
        case .readerFull:
            return nil
        }
    }
}
