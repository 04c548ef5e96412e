// What is carried out once only: starts of runs that are the same, and calls with the same Idempotency-Key. Whoever comes
// first leads; the others wait for what comes of it, or get the first answer again.

import Audit
import ClashAPI
import Ground
import Synchronization

/// A call that is to be carried out once.
struct OnceCall: Sendable {
    /// The key that it brings; nil: none.
    let key: CallKey?
    /// What it may be joined by, where it is a start.
    let join: StartBook.Join?
    /// Of a start of one run: what it asks for.
    let start: RunStart?
    /// Its correlation id.
    let id: String

    var isStart: Bool { join != nil }
}

/// The one request whose call is sent. Used by one task.
final class OnceLead: Sendable {
    let call: OnceCall
    let end: CallEnd
    fileprivate let number: UInt64?
    /// What there was before the call was sent.
    private let facts: Mutex<Facts>

    private struct Facts {
        var known: KnownRuns?
        var readAt: ContinuousClock.Instant?
        var isBound: Bool
        var isOver = false
    }

    fileprivate init(_ call: OnceCall, _ end: CallEnd, number: UInt64?, known: KnownRuns? = nil, isBound: Bool = false)
    {
        (self.call, self.end, self.number) = (call, end, number)
        facts = Mutex(Facts(known: known, isBound: isBound))
    }

    /// The runs that there were before, and when that was; nil: nobody knows.
    var known: KnownRuns? { facts.withLock { $0.known } }
    var readAt: ContinuousClock.Instant? { facts.withLock { $0.readAt } }

    func know(_ runs: KnownRuns?, at instant: ContinuousClock.Instant) {
        facts.withLock { ($0.known, $0.readAt) = (runs, instant) }
    }

    /// Whether its key is bound on disk: it may have been sent.
    fileprivate var isBound: Bool { facts.withLock { $0.isBound } }
    fileprivate func bound() { facts.withLock { $0.isBound = true } }

    /// True once.
    fileprivate func isFirstEnd() -> Bool {
        facts.withLock { facts in
            defer { facts.isOver = true }
            return !facts.isOver
        }
    }
}

/// Usable from every thread. Lives as long as the process.
final class OnlyOnce: Sendable {
    /// What becomes of a request.
    enum Entrance {
        /// It is the one that is sent.
        case lead(OnceLead)
        /// It waits for another one's answer.
        ///
        /// - Parameter lead: of its own key, which is bound to the other call.
        case join(CallEnd, OnceLead?)
        /// It waits for the first request with its key.
        case wait(CallEnd)
        case replay(KeptAnswer, firstID: String)
        /// It finds out what came of the first request with its key, and is not sent.
        case settle(OnceLead)
        case refused(Failure)
    }

    private struct State {
        var keys: KeyBook
        var starts = StartBook()
        /// Of the keys and starts that are under way.
        var ofKeys: [String: CallEnd] = [:]
        var ofStarts: [UInt64: CallEnd] = [:]
    }

    /// Shared with the thread that writes.
    private final class Shelf: Sendable {
        let state = Mutex(State(keys: KeyBook()))
    }

    private let shelf = Shelf()
    private let writer: KeyWriter
    private let environment: Environment

    /// - Parameters:
    ///   - folder: where the keys' file is; nil: there is none, and no call may bring a key.
    ///   - tell: hears that the file cannot be written, or can again (nil).
    ///   - notes: of what was found in the file.
    init(
        folder: String?, environment: Environment, notes: ([String]) -> Void = { _ in },
        tell: @escaping @Sendable (String?) -> Void = { _ in }
    ) {
        self.environment = environment
        writer = KeyWriter(
            snapshot: { [shelf] in
                let now = environment.wallTime().seconds
                return shelf.state.withLock { $0.keys.records(now: now) }.flatMap(\.line)
            }, tell: tell)
        var found: [String] = []
        do throws(KeyFile.Trouble) {
            guard let folder else { throw KeyFile.Trouble("there is no audit.path to keep them in", code: 0) }
            let file = try KeyFile.open(in: folder, notes: &found) { [shelf] record in
                shelf.state.withLock { $0.keys.read(record) }
            }
            try writer.start(file)
        } catch {
            writer.fail("\(error)")
        }
        if !found.isEmpty { notes(found) }
    }

    /// Writes what waits and lets go of the file.
    func close() async { await writer.close() }

    /// Keys that are remembered, and how many of them have no answer.
    var counts: (keys: Int, open: Int) { shelf.state.withLock { ($0.keys.count, $0.keys.openCount) } }

    /// Why no key can be kept now; nil: it can.
    var trouble: String? { writer.trouble }

    private var seconds: Int64 { environment.wallTime().seconds }

    // MARK: A request

    /// A request has come whose call is to be carried out once.
    func enter(_ call: OnceCall) -> Entrance {
        let (now, seconds) = (environment.now(), seconds)
        return shelf.state.withLock { state in
            if let key = call.key {
                switch state.keys.begin(key, id: call.id, now: seconds) {
                case .lead: break
                case .wait:
                    // Both are noted together.
                    guard let end = state.ofKeys[key.id] else { preconditionFailure("what is held has an end") }
                    return .wait(end)
                case .settle(let claim):
                    let end = CallEnd(id: claim.id)
                    state.ofKeys[key.id] = end
                    let first = OnceCall(key: key, join: call.join, start: claim.start, id: claim.id)
                    return .settle(OnceLead(first, end, number: nil, known: claim.known, isBound: true))
                case .replay(let answer, let id): return .replay(answer, firstID: id)
                case .reused: return .refused(.keyReused)
                case .full: return .refused(.noRoomForKeys)
                }
            }
            let end = CallEnd(id: call.id)
            if let key = call.key { state.ofKeys[key.id] = end }
            guard let join = call.join else { return .lead(OnceLead(call, end, number: nil)) }
            switch state.starts.begin(join, key: call.key?.id, test: call.start?.test, now: now) {
            case .lead(let number):
                state.ofStarts[number] = end
                return .lead(OnceLead(remembered(call, in: &state, now: seconds), end, number: number))
            case .join(let number):
                guard let other = state.ofStarts[number] else { preconditionFailure("what is under way has an end") }
                return .join(other, call.key == nil ? nil : OnceLead(call, end, number: nil))
            }
        }
    }

    /// A start that brings no key has one of its own while it is under way: should the process end first, the next one finds out
    /// what came of it.
    private func remembered(_ call: OnceCall, in state: inout State, now: Int64) -> OnceCall {
        guard call.key == nil, call.start != nil else { return call }
        let key = CallKey.ofStart(environment.randomBits())
        guard case .lead = state.keys.begin(key, id: call.id, now: now) else { return call }
        return OnceCall(key: key, join: call.join, start: call.start, id: call.id)
    }

    /// To be called right before the call is sent: its key is bound to it on disk when this returns, and no other start's run
    /// is taken for its own. Throws 503 where the key cannot be bound; a start without one waits for no disk that fails.
    func bind(_ lead: OnceLead) async throws(Failure) {
        let key = lead.call.key?.id
        let records = shelf.state.withLock { state in
            let crowded = lead.number == nil ? [] : state.keys.crowd(lead.call.start?.test, by: key)
            let isCrowded = lead.number.map { state.starts.isCrowded($0) } ?? false
            let own = key.flatMap {
                state.keys.bind($0, start: lead.call.start, known: lead.known, isCrowded: isCrowded)
            }
            return crowded + (own.map { [$0] } ?? [])
        }
        if key != nil { lead.bound() }
        guard !records.isEmpty, await !writer.append(records.flatMap(\.line)),
            lead.call.key?.isOwn == false
        else { return }
        throw .keysUnwritable(writer.trouble ?? "closed")
    }

    /// Whether the run that a start seems to have made may be another start's.
    func isCrowded(_ lead: OnceLead) -> Bool {
        shelf.state.withLock { state in
            (lead.number.map { state.starts.isCrowded($0) } ?? false)
                || (lead.call.key.map { state.keys.isCrowded($0.id) } ?? false)
        }
    }

    // MARK: Its end

    /// The call was answered, by upstream or in its place. When this returns, that is on disk, where it can be.
    func answered(_ lead: OnceLead, _ answer: KeptAnswer) async {
        guard lead.isFirstEnd() else { return }
        // It was not carried out for a token or a limit of the moment: the same call may well be later.
        let isFinal = answer.status != 401 && answer.status != 429 && lead.call.key?.isOwn != true
        if lead.call.key?.isOwn == true {
            forget(lead)
        } else if let key = lead.call.key?.id, lead.isBound {
            let record = shelf.state.withLock { state in
                isFinal ? state.keys.record(of: answer, key) : state.keys.recordOfRelease(key)
            }
            // The answer is true, whether or not it can be kept: a later process then finds out for itself.
            if let record { _ = await writer.append(record.line) }
        }
        finish(lead, isKnown: true, .answered(answer)) { keys, key in
            if isFinal { keys.answered(key, answer) } else { keys.released(key) }
        }
    }

    /// It was sent, and nobody knows what came of it.
    func unknown(_ lead: OnceLead, _ failure: Failure) {
        guard lead.isFirstEnd() else { return }
        let isOwn = lead.call.key?.isOwn == true
        if isOwn { forget(lead) }
        finish(lead, isKnown: false, .failed(failure)) { keys, key in
            if isOwn { keys.released(key) } else { keys.unknown(key) }
        }
    }

    /// It surely was not carried out, if nothing else was said before.
    func notDone(_ lead: OnceLead) async {
        guard lead.isFirstEnd() else { return }
        if let key = lead.call.key?.id, lead.isBound {
            let record = shelf.state.withLock { $0.keys.recordOfRelease(key) }
            if let record { _ = await writer.append(record.line) }
        }
        finish(lead, isKnown: true, .notDone) { keys, key in keys.released(key) }
    }

    /// A start without a key of its tool's has ended. Nobody waits for that to be on disk: the audit log says what came of it, and a
    /// process that finds the start under way there and here looks once more.
    private func forget(_ lead: OnceLead) {
        guard let key = lead.call.key?.id, lead.isBound,
            let record = shelf.state.withLock({ $0.keys.recordOfRelease(key) })
        else { return }
        Task { [writer] in _ = await writer.append(record.line) }
    }

    /// A key that is bound to another's start has what came of that.
    func follow(_ lead: OnceLead, _ outcome: CallOutcome) async {
        switch outcome {
        case .answered(let answer): await answered(lead, answer)
        case .failed(let failure): unknown(lead, failure)
        case .notDone: await notDone(lead)
        }
    }

    /// The same, when that has come; nobody waits for it.
    func follow(_ lead: OnceLead, _ end: CallEnd) {
        let time = environment.time
        Task { if let outcome = await end.wait(until: nil, time) { await follow(lead, outcome) } }
    }

    private func finish(
        _ lead: OnceLead, isKnown: Bool, _ outcome: CallOutcome, _ note: (inout KeyBook, String) -> Void
    ) {
        let now = environment.now()
        shelf.state.withLock { state in
            if let number = lead.number {
                state.starts.end(number, isKnown: isKnown, now: now)
                state.ofStarts[number] = nil
            }
            if let key = lead.call.key?.id {
                state.ofKeys[key] = nil
                note(&state.keys, key)
            }
        }
        lead.end.end(outcome)
    }

    // MARK: Start-up

    /// What came of a start that an earlier process left behind; nil: nothing is known of what there was before it.
    func settleLeftBehind(_ call: AuditCall, _ settler: StartSettler) async -> AuditResult? {
        guard let lead = leftBehind(id: call.id) else { return nil }
        let reading = Reading(correlationID: call.id, caller: call.caller.name, authorization: nil)
        switch await settler.settle(lead, reading, isCrowded: { self.isCrowded(lead) }) {
        case .started(let row):
            guard let kept = KeptAnswer(lead, row, settler) else { break }
            await answered(lead, kept)
            return .started
        case .unknown(let words): unknown(lead, .startUnknown(detail: "left behind").seeing(words))
        }
        return .unknown
    }

    private func leftBehind(id: String) -> OnceLead? {
        let seconds = seconds
        return shelf.state.withLock { state in
            guard let claim = state.keys.openStarts.first(where: { $0.id == id }),
                case .settle = state.keys.begin(claim.key, id: id, now: seconds)
            else { return nil }
            let end = CallEnd(id: id)
            state.ofKeys[claim.key.id] = end
            let call = OnceCall(key: claim.key, join: nil, start: claim.start, id: id)
            return OnceLead(call, end, number: nil, known: claim.known, isBound: true)
        }
    }
}

extension Failure {
    static let keyReused = Failure(
        .idempotencyKeyReused,
        "The Idempotency-Key was used for another request in the last 24 hours: a new call needs a new key.",
        target: "Idempotency-Key")

    static let requestInProgress = Failure(
        .requestInProgress,
        "The first request with this Idempotency-Key is still under way; its answer is given to whoever repeats it later.",
        target: "Idempotency-Key", retryAfter: .seconds(1))

    static let startInProgress = Failure(
        .requestInProgress,
        "The same start is under way already, and its run will be this one's: it is not sent twice. Look at the runs of the "
            + "test before you start another one.", retryAfter: .seconds(1))

    fileprivate static let noRoomForKeys = Failure(
        .overloaded, "Too many Idempotency-Keys are remembered here already; send the call without one, or later.",
        target: "Idempotency-Key", retryAfter: .seconds(60))

    fileprivate static func keysUnwritable(_ trouble: String) -> Failure {
        Failure(
            .auditUnavailable,
            "The Idempotency-Key cannot be kept on disk, so the call was not sent; without a key it would be.",
            target: "Idempotency-Key", retryAfter: .seconds(5), detail: trouble)
    }
}
