// Brings one call upstream and its answer's head back: a turn at the gate, a token, the tries that are surely harmless.
// The flow of a single request and the fetch of a shared page both walk this way.

import ClashAPI
import CurlTransport
import Edge
import Fleet
import Ground
import HTTPTypes
import NIOCore
import RateLimiting
import Tokens

/// Where a call stands between its attempts.
struct CallTries {
    var credential: CallCredential
    var mayReplaceToken = true
    /// Repeats so far, but for those after a pause or a 401.
    var repeats = 0
}

/// What came of one attempt.
enum AttemptResult {
    /// The tool gets it.
    case answer(UpstreamResponse)
    /// It surely is harmless to send the call again, and the pause before that is over.
    case again
    /// Upstream did not do it, for now: the gate is closed, and the next send waits in the call's place.
    case refusedForNow
}

/// What it takes to send calls upstream, wired once. Usable from every thread.
struct UpstreamSender: Sendable {
    let settings: UpstreamSettings
    let transport: any Upstream
    let credentials: Credentials
    let pacing: Pacing
    let health: UpstreamHealth
    let retries: RetryPolicy
    /// The longest that any call waits.
    let maxWait: Duration
    let events: EventLog
    let traffic: Traffic
    let environment: Environment
    /// Hears of each call; nil: nobody looks after the windows.
    private let budget: BudgetWatch?
    private let authorization = AuthorizationField()
    /// Others who spend the same windows; nil: nobody does.
    let fleet: FleetWindows?

    init(
        settings: UpstreamSettings, transport: any Upstream, credentials: Credentials, pacing: Pacing,
        health: UpstreamHealth, retries: RetryPolicy, maxWait: Duration, events: EventLog, traffic: Traffic,
        environment: Environment, budget: BudgetWatch? = nil, fleet: FleetWindows? = nil
    ) {
        self.budget = budget
        self.fleet = fleet
        self.settings = settings
        self.transport = transport
        self.credentials = credentials
        self.pacing = pacing
        self.health = health
        self.retries = retries
        self.maxWait = maxWait
        self.events = events
        self.traffic = traffic
        self.environment = environment
    }

    /// A turn among the calls that may be under way, within the limits of the rate.
    func turn(_ call: UpstreamCall, _ progress: CallProgress) async throws(FlowExit) -> Gate.Permit {
        let gate = pacing.gate
        if let permit = gate.tryAdmit(call.turn) {
            progress.passed(.queue, environment)
            return permit
        }
        return try await waiting(call, progress) { waits throws(Gate.Refusal) in
            try await gate.admit(call.turn, waits: waits)
        }
    }

    /// Counts a send that is about to be made; waits first if upstream has asked for a pause since the turn was given.
    /// What is sent ends the place.
    func countSend(
        _ permit: inout Gate.Permit, _ call: UpstreamCall, _ progress: CallProgress
    ) async throws(FlowExit) -> Gate.Place {
        guard let fleet, !pacing.observes else {
            if let place = permit.trySend() { return place }
            return try await waiting(call, progress) { waits throws(Gate.Refusal) in
                try await permit.send(waits: waits)
            }
        }
        while true {
            // First whatever this process itself has to wait for: what the fleet grants does not keep.
            if !permit.maySend { try await renewTurn(&permit, call, progress) }
            let pass = try await pass(call, fleet, progress)
            if fleet.holds(pass), let place = permit.trySend() { return place }
        }
    }

    /// Waits until the fleet lets one more call go.
    private func pass(
        _ call: UpstreamCall, _ fleet: FleetWindows, _ progress: CallProgress
    ) async throws(FlowExit) -> FleetSeat.Pass {
        progress.waitsFor = .turn
        let asked = environment.now()
        let waited = progress.facts.queueTime + progress.facts.tokenTime
        let deadline = asked + max(min(call.turn.wait ?? maxWait, maxWait) - waited, .zero)
        let pass = await fleet.pass(call.turn, deadline: deadline)
        progress.spent(.queue, from: asked, to: environment.now())
        if let pass { return pass }
        if Task.isCancelled { throw .callerLeft }
        throw refusedTooLong(call, progress)
    }

    /// Waits for another turn, after the one that was given has been used for a read of the call's own.
    func renewTurn(
        _ permit: inout Gate.Permit, _ call: UpstreamCall, _ progress: CallProgress
    ) async throws(FlowExit) {
        try await waiting(call, progress) { waits throws(Gate.Refusal) in try await permit.renew(waits: waits) }
    }

    /// Measures a wait at the gate, and writes down what it is for.
    private func waiting<Turn: ~Copyable>(
        _ call: UpstreamCall, _ progress: CallProgress,
        _ turn: (@escaping @Sendable (Gate.Wait) -> Void) async throws(Gate.Refusal) -> Turn
    ) async throws(FlowExit) -> Turn {
        progress.waitsFor = .turn
        let asked = environment.now()
        do throws(Gate.Refusal) {
            let turn = try await turn { progress.note(.waited($0, took: nil)) }
            progress.waitedForTurn(from: asked, to: environment.now())
            return turn
        } catch {
            progress.waitedForTurn(from: asked, to: environment.now(), isOver: false)
            throw exit(error, call, progress)
        }
    }

    private func exit(_ refusal: Gate.Refusal, _ call: UpstreamCall, _ progress: CallProgress) -> FlowExit {
        progress.facts.rateLimit = rateLimit(call)
        return Failure(refusal, call.turn).map { .failed($0) } ?? .callerLeft
    }

    /// What the limits leave to such calls.
    func rateLimit(_ call: UpstreamCall) -> RateLimitFields? {
        pacing.gate.rateLimitFields(for: call.turn)
    }

    /// What calls are sent with, unless that has to be waited for.
    func credentialAtOnce() -> CallCredential? {
        guard case .own(let tokens) = credentials else { return .tool }
        return tokens.currentIfUsable().map { .own($0) }
    }

    /// What the call is sent with. A token that has to be waited for is part of the call's wait.
    func credential(_ call: UpstreamCall, _ progress: CallProgress) async throws(FlowExit) -> CallCredential {
        if let credential = credentialAtOnce() {
            progress.passed(.token, environment)
            return credential
        }
        guard case .own(let tokens) = credentials else { return .tool }
        progress.waitsFor = .token
        // Part of the call's wait: no longer than what the waits so far have left of its patience.
        let asked = environment.now()
        defer { progress.spent(.token, from: asked, to: environment.now()) }
        let waited = progress.facts.queueTime + progress.facts.tokenTime
        let deadline = asked + max(min(call.turn.wait ?? maxWait, maxWait) - waited, .zero)
        let answer = await withTaskGroup(of: Result<UpstreamToken, TokenFailure>?.self) { group in
            group.addTask {
                do throws(TokenFailure) {
                    return .success(try await tokens.current())
                } catch {
                    return .failure(error)
                }
            }
            group.addTask { [environment] in
                try? await environment.sleep(deadline)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
        switch answer {
        case .success(let token): return .own(token)
        case _ where Task.isCancelled: throw .callerLeft
        case .failure(let failure): throw .failed(Failure(failure))
        case nil:
            progress.facts.rateLimit = rateLimit(call)
            throw .failed(.tokenTooLate)
        }
    }

    /// Sends the call, again where that is surely harmless, and returns the answer that its tool gets. What upstream refuses
    /// for now waits in its place, within its deadline. Each send counts.
    ///
    /// - Parameter check: throws what speaks against it now; asked before each send, since rules may change during the one before.
    func deliver(
        _ call: UpstreamCall, _ credential: CallCredential, _ permit: inout Gate.Permit, _ progress: CallProgress,
        check: () throws(FlowExit) -> Void
    ) async throws(FlowExit) -> UpstreamResponse {
        var tries = tries(with: credential)
        while true {
            try check()
            let place = try await countSend(&permit, call, progress)
            switch try await attempt(call, &tries, permit, place, progress) {
            case .answer(let response): return response
            case .again, .refusedForNow: continue
            }
        }
    }

    /// What a call begins its attempts with.
    func tries(with credential: CallCredential) -> CallTries {
        retries.budget.recordCall()
        return CallTries(credential: credential)
    }

    /// One attempt, in the place that it ends, and whether there is to be another one.
    func attempt(
        _ call: UpstreamCall, _ tries: inout CallTries, _ permit: borrowing Gate.Permit, _ place: Gate.Place,
        _ progress: CallProgress
    ) async throws(FlowExit) -> AttemptResult {
        var request = call.request
        if case .own(let token) = tries.credential {
            request.fields[.authorization] = nil
            request.fields.append(authorization.field(for: token))
        }
        let response: UpstreamResponse
        switch await measured(request, call, permit, place, progress) {
        case .success(let answered): response = answered
        case .failure(let failure):
            guard let failure = Failure(failure, call.traits) else { throw .callerLeft }
            guard failure.repetition != .unwise,
                await mayRepeat(
                    &tries.repeats, because: failure.reason.rawValue, progress, isFree: failure.repetition == .free)
            else { throw .failed(failure) }
            return .again
        }
        if response.isRateLimited {
            // A 429 was not done, whatever its method. A 503 says nothing of the kind: a gateway may have passed the call on
            // before it gave up, so what changes something is never sent again for it.
            let mayRepeat = call.traits.isSafe || response.status == .tooManyRequests
            if pacing.observes || !mayRepeat { return .answer(response) }
            await response.discard()
            return .refusedForNow
        }
        if response.status == .unauthorized, tries.mayReplaceToken, case .own(let token) = tries.credential {
            tries.mayReplaceToken = false
            // Also the next call needs a token that works.
            guard let newer = try await replacement(for: token, progress) else { return .answer(response) }
            tries.credential = .own(newer)
        } else if !call.traits.isSafe || !retries.isWorthRepeating(response) {
            return .answer(response)
        } else if await !mayRepeat(&tries.repeats, because: "\(response.status.code)", progress) {
            return .answer(response)
        }
        await response.discard()
        return .again
    }

    /// Sends once and writes down what it took.
    private func measured(
        _ request: UpstreamRequest, _ call: UpstreamCall, _ permit: borrowing Gate.Permit, _ place: Gate.Place,
        _ progress: CallProgress
    ) async -> Result<UpstreamResponse, TransferFailure> {
        progress.facts.attempts += 1
        progress.waitsFor = .upstream
        let asked = environment.now()
        let span = call.trace?.beginCall(at: asked)
        if let span { progress.facts.span = span.link }
        defer { progress.facts.upstreamTime += environment.now() - asked }
        do throws(TransferFailure) {
            let response = try await sendOnce(
                request, call.match.operation, permit, place, for: call.tag, as: span, progress)
            progress.facts.wasSent = true
            progress.facts.lastStatus = response.status.code
            progress.facts.upstreamID = Self.foreignID(response.fields, request.fields)
            progress.facts.rateLimit = rateLimit(call)
            return .success(response)
        } catch {
            progress.facts.wasSent = progress.facts.wasSent || error.sent
            if error.sent { progress.facts.lastStatus = nil }
            return .failure(error)
        }
    }

    /// Sends one request, in the place that it ends, and lets the gate and all who watch upstream hear how it went. Every
    /// request to the API goes this way.
    ///
    /// - Parameters:
    ///   - tag: whose request it is, for the log.
    ///   - span: of this try; nil where nothing is traced.
    ///   - progress: of the call that it is a try of; nil: of none.
    func sendOnce(
        _ request: UpstreamRequest, _ operation: Operation, _ permit: borrowing Gate.Permit, _ place: Gate.Place,
        for tag: RequestTag, as span: RequestTrace.OpenCall?, _ progress: CallProgress? = nil
    ) async throws(TransferFailure) -> UpstreamResponse {
        let resend = max((progress?.facts.attempts ?? 1) - 1, 0)
        var request = request
        request.ended = { place.end() }
        span?.sign(&request.fields)
        let response: UpstreamResponse
        defer { budget?.called() }
        do throws(TransferFailure) {
            response = try await transport.execute(request)
        } catch {
            span?.ended(
                request, operation: operation.name, resend: resend, status: nil, failure: error.reason.rawValue,
                at: environment.now())
            if error.sent { traffic.called(operation.name, status: nil) }
            health.failed(error, tag: tag)
            throw error
        }
        span?.ended(
            request, operation: operation.name, resend: resend, status: response.status.code, failure: nil,
            at: environment.now())
        traffic.called(operation.name, status: response.status.code)
        health.reached()
        events.answered(response.fields)
        if response.acceptsCredentials { permit.accepted() }
        if response.isRateLimited {
            let wait = response.retryAfter(wallSeconds: environment.wallTime().seconds)
            let closing = permit.refused(cause: response.limitCause, retryAfter: wait)
            progress?.note(.refusedUpstream(status: response.status.code, closing))
            if closing.whose == nil { fleet?.paused(closing) }
            if events.paused(closing, gate: closing.whose, tag: tag) { traffic.paused(closing.scope) }
        }
        return response
    }

    /// Why a call that was refused for now is not waited for.
    func refusedTooLong(_ call: UpstreamCall, _ progress: CallProgress) -> FlowExit {
        exit(pacing.gate.refusalOfLate(call.turn), call, progress)
    }

    /// Takes a repeat out of the budget, and the pause before it.
    private func mayRepeat(
        _ tries: inout Int, because cause: String, _ progress: CallProgress, isFree: Bool = false
    ) async -> Bool {
        progress.waitsFor = .turn
        let asked = environment.now()
        let isAllowed = await retries.allows(&tries, isFree: isFree)
        let now = environment.now()
        progress.spent(.queue, from: asked, to: now)
        if isAllowed { progress.note(.repeated(because: cause, after: now - asked)) }
        return isAllowed
    }

    /// Upstream's id where it is not the one that was sent: support asks for it, so it is logged.
    private static func foreignID(_ fields: HTTPFields, _ sent: HTTPFields) -> String? {
        guard let id = fields.value(of: .correlationID), id != sent.value(of: .correlationID) else { return nil }
        return OfferedID.isAcceptable(id) ? id : nil
    }

    /// After a 401, whose repeat is part of the call and no wait for a turn: a token that is not the refused one, or nil when
    /// the 401 is the tool's to see.
    private func replacement(
        for token: UpstreamToken, _ progress: CallProgress
    ) async throws(FlowExit) -> UpstreamToken? {
        guard case .own(let tokens) = credentials else { return nil }
        progress.waitsFor = .token
        let asked = environment.now()
        defer { progress.spent(.token, from: asked, to: environment.now()) }
        do throws(TokenFailure) {
            let newer = try await tokens.refused(token)
            if newer != nil { progress.note(.tokenReplaced(took: environment.now() - asked)) }
            return newer
        } catch {
            if Task.isCancelled { throw .callerLeft }
            throw .failed(Failure(error))
        }
    }
}
