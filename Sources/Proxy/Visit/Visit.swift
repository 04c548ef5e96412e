// What a request carries on its way through the flow: its wire, who asks for what, and what is known of it so far.

import Audit
import Caching
import ClashAPI
import Edge
import Ground
import HTTPTypes

/// One request, from the front desk to its one end. Confined to its connection's event loop.
final class Visit {
    /// The request as it comes and the answer as it goes.
    let wire: Exchange
    /// Where it comes from.
    let client: Client
    /// What the front desk has found out; of who was refused there, as far as it got.
    let admission: Admission
    /// What the cache is asked; nil where it has no say.
    let query: PageQuery?
    /// The trace that it belongs to; nil where nothing is traced.
    let trace: RequestTrace?
    /// What the cache was found to hold when it was asked and had no answer to give; nil while it was not asked.
    var lookup: CacheStore.Lookup?
    /// How a page of a paged list is served; nil: it is none, or the cache has not been asked.
    var walkMode: WalkMode?
    /// What its line in the access log will say.
    var record: ExchangeRecord
    /// What the audit log says about this call, when its kind is recorded and no intent stands there yet.
    var auditCall: AuditCall?
    /// Whether the fetch that this visit waits for has been sent; nil while it waits for none.
    var fetchIsSent: (() -> Bool)?
    /// What its body has made of it; nil until it was let through.
    var settled: (match: OperationMatch, body: [UInt8]?)?
    /// What was done for a delete before it may be sent.
    var guarded = GuardedDelete()
    /// What is known of a delete that its tool only asks about; nil for all else.
    var dryRun: DryRunVerdict?
    /// What the rules in force have against it, where they are no longer those that it was let in by.
    var refusalAnew: ((Visit) -> Failure?)?
    /// Why it ends although it was let in: what has come in force while it waited.
    private(set) var withdrawal: Failure?
    /// Whether it waits for a change.
    var isWaiting = false
    private var madeProgress: CallProgress?
    private let held: HeldBytes
    private var room: HeldRoom?
    private var isFinished = false

    /// - Parameters:
    ///   - began: when the request came, if it had to wait for its admission; nil: now.
    ///   - tracer: nil: nothing is traced.
    init(
        _ wire: Exchange, from client: Client, _ admission: Admission, _ query: PageQuery?, held: HeldBytes,
        since began: ContinuousClock.Instant? = nil, tracer: Tracer? = nil, environment: Environment
    ) {
        self.client = client
        self.held = held
        self.wire = wire
        self.admission = admission
        self.query = query
        trace = tracer?.begin(wire.head.fields)
        record = ExchangeRecord(
            correlationID: CorrelationID.choose(wire.offeredID, environment, not: wire.head.fields),
            peer: client.address, started: began ?? environment.now())
        record.trace = trace?.id
        if wire.needsRoom { wire.room = UnsentRoom(in: held, for: admission.caller.id) }
        record.method = wire.head.method.rawValue
        record.path = KeyForm.hidden(wire.head.path)
        record.caller = admission.caller.name
        record.via = admission.caller.via.word
        record.person = admission.caller.person.map { ($0.issuer, $0.subject) }
    }

    var head: RequestHead { wire.head }
    var fields: HTTPFields { wire.head.fields }
    var correlationID: String { record.correlationID }

    /// What its call upstream takes. Made when it is first asked for: an answer out of the cache needs none.
    var progress: CallProgress {
        if let madeProgress { return madeProgress }
        let progress = CallProgress(trace: trace)
        madeProgress = progress
        return progress
    }

    /// What is known of its call upstream.
    var facts: CallFacts { madeProgress?.facts ?? CallFacts() }

    /// Its caller's key is withdrawn. A call that only waits, be it for its body, its turn or a token, ends; one that was sent,
    /// or is being answered, goes on.
    func withdraw() { if onlyWaits { end(admission.caller.person == nil ? .keyWithdrawn : .issuerWithdrawn) } }

    /// Other rules are in force. A call that only waits ends if they would not let it in.
    func judgeAnew() { if onlyWaits, let failure = refusalAnew?(self) { end(failure) } }

    /// Throws what the rules in force have against it: the last word before it is sent.
    func checkAnew() throws(FlowExit) {
        if let failure = refusalAnew?(self) { throw .failed(failure) }
    }

    private var onlyWaits: Bool {
        let isUnderWay = fetchIsSent?() ?? (madeProgress?.waitsFor == .upstream)
        return !isFinished && !wire.hasAnswered && !isUnderWay && withdrawal == nil
    }

    private func end(_ failure: Failure) {
        withdrawal = failure
        wire.onLeaving?()
    }

    /// Room for an answer that is taken off upstream ahead of its tool; none is taken yet.
    var answerRoom: HeldRoom { HeldRoom(in: held, for: admission.caller.id) }

    /// Takes room for so many bytes of one of its bodies; it has them until its end. False where there is no room.
    func hold(_ bytes: Int, of kind: HeldBytesLedger.Kind) -> Bool {
        var room = self.room ?? HeldRoom(in: held, for: admission.caller.id)
        defer { self.room = room }
        return room.grow(by: bytes, kind)
    }

    /// Writes down why it gets an error of our own, or what is stored in its place.
    func note(_ failure: Failure) {
        record.detail = failure.detail
        record.message = failure.messageWithWait
        if let refusal = failure.refusal { record.steps.append(.refused(refusal)) }
    }

    /// The record with all that is known at the end; nil when it was given out before.
    func close(_ outcome: Outcome) -> ExchangeRecord? {
        guard !isFinished else {
            assertionFailure("a visit ends once")
            return nil
        }
        isFinished = true
        room?.giveBack()
        let facts = facts
        record.times = facts.times
        if !facts.steps.isEmpty { record.steps = facts.steps + record.steps }
        record.key = query?.key
        record.attempts = facts.attempts
        record.upstreamID = facts.upstreamID
        record.status = wire.status
        record.bytesIn = wire.bytesIn
        record.bytesOut = wire.bytesOut
        // Nobody saw a status: the one that logs have for that.
        if case .callerLeft = outcome, record.status == 0 {
            record.status = 499
            record.source = .proxy
        }
        return record
    }
}
