// The writer's rules as a value: what waits, what is being written, what a failure means for each, when to try again.
// No I/O, no clock, no await. Records reach the disk in the order in which they were taken; a batch is one write, one sync.

/// One record on its way to the disk.
struct WriterEntry: Sendable, Equatable {
    var id: UInt64
    var draft: RecordDraft
    /// Its caller no longer waits: an intent like this gets an outcome of its own.
    var isAbandoned = false
}

struct WriterState: Sendable {
    struct Limits: Sendable, Equatable {
        var maxOpenIntents = 10_000
        var maxKeptDenials = 1000
        var batchBytes = 1 << 20
        var firstRetry = Duration.milliseconds(100)
        var lastRetry = Duration.seconds(2)
    }

    /// What to tell the one who waits for an entry.
    enum Verdict: Sendable, Equatable {
        case written(seq: UInt64)
        /// Not in the log and never will be.
        case refused(AuditUnavailable)
        /// Still to be written.
        case kept(AuditUnavailable)
    }

    struct Settlement: Sendable, Equatable {
        var id: UInt64
        var verdict: Verdict
    }

    /// What the thread does next.
    enum Work: Sendable, Equatable {
        case write([WriterEntry])
        case repair
        /// See whether the disk has space again.
        case probe
        case wait(until: ContinuousClock.Instant?)
        case finish
    }

    struct Breakage: Sendable, Equatable {
        var trouble: AuditUnavailable
        var failures: Int
        var retryAt: ContinuousClock.Instant
    }

    enum Phase: Sendable, Equatable {
        case ready
        /// Nothing can be written until a repair succeeds.
        case broken(Breakage)
        case closed
    }

    let limits: Limits
    private(set) var phase = Phase.ready
    /// Set while outcomes still fit in the reserve but new intents do not.
    private(set) var shortage: Breakage?
    /// Acknowledged intents whose outcome is not on disk.
    private(set) var openIntents = 0
    /// Denials not kept while the log was broken.
    private(set) var lostDenials = 0
    private(set) var isClosing = false
    private var queue: [WriterEntry] = []
    private var inFlight: [WriterEntry] = []
    /// Intents, and what is refused like them, in `queue` and `inFlight`.
    private var waitingIntents = 0

    init(limits: Limits = Limits()) {
        self.limits = limits
    }

    /// Records that still have to reach the disk.
    var waiting: Int { queue.count + inFlight.count }

    // MARK: From any caller

    /// Takes an entry, or says at once what becomes of it. A kept entry is taken as well.
    mutating func add(_ entry: WriterEntry, now: ContinuousClock.Instant) -> Verdict? {
        if phase == .closed || isClosing { return .refused(AuditUnavailable(.closed, "the audit log is closed")) }
        if entry.draft.event.permits {
            if let refusal = refusal(now: now) { return .refused(refusal) }
            waitingIntents += 1
            queue.append(entry)
            return nil
        }
        guard case .broken(let breakage) = phase else {
            queue.append(entry)
            return nil
        }
        if entry.draft.event == .denied, keptDenials >= limits.maxKeptDenials {
            lostDenials += 1
            return .refused(breakage.trouble)
        }
        queue.append(entry)
        return .kept(breakage.trouble)
    }

    /// The caller of an entry no longer waits.
    mutating func abandon(_ id: UInt64) {
        if let index = queue.firstIndex(where: { $0.id == id }), queue[index].draft.event.permits {
            queue.remove(at: index)
            waitingIntents -= 1
        } else if let index = inFlight.firstIndex(where: { $0.id == id }) {
            inFlight[index].isAbandoned = true
        }
    }

    /// Takes `last` and nothing after it; `finish` comes once what waits has been written, or one more try has failed.
    mutating func close(_ last: WriterEntry?) {
        guard !isClosing else { return }
        isClosing = true
        if let last { queue.append(last) }
    }

    // MARK: From the thread

    mutating func next(now: ContinuousClock.Instant) -> Work {
        switch phase {
        case .closed: return .finish
        case .broken(let breakage):
            return isClosing || now >= breakage.retryAt ? .repair : .wait(until: breakage.retryAt)
        case .ready:
            if !queue.isEmpty {
                inFlight = takeBatch()
                return .write(inFlight)
            }
            if isClosing {
                phase = .closed
                return .finish
            }
            guard let shortage else { return .wait(until: nil) }
            return now >= shortage.retryAt ? .probe : .wait(until: shortage.retryAt)
        }
    }

    /// The batch is durable; its records are numbered from `first` on.
    mutating func wrote(first: UInt64) -> [Settlement] {
        var settlements: [Settlement] = []
        var notSent: [WriterEntry] = []
        for (index, entry) in inFlight.enumerated() {
            let seq = first + UInt64(index)
            switch entry.draft.event {
            case .intent:
                openIntents += 1
                waitingIntents -= 1
                if entry.isAbandoned {
                    notSent.append(WriterEntry(id: 0, draft: .notSent(entry.draft.call, intent: seq)))
                }
            case .outcome: openIntents -= 1
            case .approvalAsked, .approved, .approvalDenied, .archiveRemoved: waitingIntents -= 1
            case .opened, .denied, .recovered, .witness, .retired, .closed: break
            }
            settlements.append(Settlement(id: entry.id, verdict: .written(seq: seq)))
        }
        inFlight = []
        queue.insert(contentsOf: notSent, at: 0)
        return settlements
    }

    /// The disk has space for the outcomes of the batch only: refuses its intents and returns the rest of it.
    mutating func lacksSpace(
        _ trouble: AuditUnavailable, now: ContinuousClock.Instant
    ) -> (batch: [WriterEntry], settlements: [Settlement]) {
        shortage = breakage(trouble, after: shortage, now: now)
        let refused = inFlight.filter(\.draft.event.permits)
        inFlight.removeAll(where: \.draft.event.permits)
        waitingIntents -= refused.count
        return (inFlight, refused.map { Settlement(id: $0.id, verdict: .refused(told(shortage, now: now))) })
    }

    /// The disk has space for intents.
    mutating func hasSpace() {
        shortage = nil
    }

    /// The batch, or a repair, failed: intents are refused, everything else is kept and comes first after the repair.
    mutating func failed(_ trouble: AuditUnavailable, now: ContinuousClock.Instant) -> [Settlement] {
        var previous: Breakage?
        if case .broken(let breakage) = phase { previous = breakage }
        let breakage = breakage(trouble, after: previous, now: now)
        phase = isClosing ? .closed : .broken(breakage)
        let entries = inFlight + queue
        inFlight = []
        waitingIntents = 0
        queue = entries.filter { !$0.draft.event.permits }
        let told = told(breakage, now: now)
        return entries.map {
            Settlement(id: $0.id, verdict: $0.draft.event.permits ? .refused(told) : .kept(told))
        }
    }

    /// The log is writable again; `noted` of the lost denials are in the record that proved it.
    mutating func repaired(noted: Int) {
        phase = .ready
        lostDenials -= noted
    }

    // MARK: Inside

    private var keptDenials: Int {
        queue.reduce(0) { $0 + ($1.draft.event == .denied ? 1 : 0) }
    }

    private func refusal(now: ContinuousClock.Instant) -> AuditUnavailable? {
        if case .broken(let breakage) = phase, now < breakage.retryAt { return told(breakage, now: now) }
        if let shortage, now < shortage.retryAt { return told(shortage, now: now) }
        guard openIntents + waitingIntents < limits.maxOpenIntents else {
            return AuditUnavailable(
                .tooManyOpen, "\(openIntents + waitingIntents) recorded calls have no outcome yet",
                retryAfter: .seconds(1))
        }
        return nil
    }

    private func told(_ breakage: Breakage?, now: ContinuousClock.Instant) -> AuditUnavailable {
        guard let breakage else { return AuditUnavailable(.io, "the audit log cannot be written") }
        var trouble = breakage.trouble
        trouble.retryAfter = max(.zero, now.duration(to: breakage.retryAt))
        return trouble
    }

    private func breakage(_ trouble: AuditUnavailable, after previous: Breakage?, now: ContinuousClock.Instant)
        -> Breakage
    {
        let failures = (previous?.failures ?? 0) + 1
        let delay = min(limits.firstRetry * (1 << min(failures - 1, 20)), limits.lastRetry)
        return Breakage(trouble: trouble, failures: failures, retryAt: now + delay)
    }

    private mutating func takeBatch() -> [WriterEntry] {
        var bytes = 0
        var count = 0
        while count < queue.count, count == 0 || bytes + queue[count].draft.maxBytes <= limits.batchBytes {
            bytes += queue[count].draft.maxBytes
            count += 1
        }
        defer { queue.removeFirst(count) }
        return Array(queue.prefix(count))
    }
}
