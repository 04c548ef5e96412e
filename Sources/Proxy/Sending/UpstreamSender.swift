// Brings one call upstream and its answer's head back: a turn at the gate, a token, the tries that are surely harmless.
// The flow of a single request and the fetch of a shared page both walk this way.

import ClashAPI
import CurlTransport
import Ground
import HTTPTypes
import NIOCore
import RateLimiting
import Tokens

/// What it takes to send calls upstream, wired once. Usable from every thread.
struct UpstreamSender: Sendable {
    let settings: UpstreamSettings
    let transport: any Upstream
    let credentials: Credentials
    let pacing: Pacing
    let retries: RetryPolicy
    /// The longest that any call waits.
    let maxWait: Duration
    let events: EventLog
    let environment: Environment
    private let authorization = AuthorizationField()

    init(
        settings: UpstreamSettings, transport: any Upstream, credentials: Credentials, pacing: Pacing,
        retries: RetryPolicy, maxWait: Duration, events: EventLog, environment: Environment
    ) {
        self.settings = settings
        self.transport = transport
        self.credentials = credentials
        self.pacing = pacing
        self.retries = retries
        self.maxWait = maxWait
        self.events = events
        self.environment = environment
    }

    /// A turn among the calls that may be under way, within the limits of the rate.
    func turn(_ call: UpstreamCall, _ progress: CallProgress) async throws(FlowExit) -> Gate.Permit {
        let gate = pacing.gate(call.gateKey)
        if let permit = gate.tryAdmit(call.turn) { return permit }
        progress.waitsFor = .turn
        let asked = environment.now()
        defer { progress.facts.queueTime += environment.now() - asked }
        do throws(Gate.Refusal) {
            return try await gate.admit(call.turn)
        } catch {
            throw exit(error, call, progress)
        }
    }

    /// Counts a send that is about to be made; waits first if upstream has asked for a pause since the turn was given.
    func countSend(
        _ permit: inout Gate.Permit, _ call: UpstreamCall, _ progress: CallProgress
    ) async throws(FlowExit) {
        if permit.trySend() { return }
        progress.waitsFor = .turn
        let asked = environment.now()
        defer { progress.facts.queueTime += environment.now() - asked }
        do throws(Gate.Refusal) {
            try await permit.send()
        } catch {
            throw exit(error, call, progress)
        }
    }

    /// Waits for another turn, after the one that was given has been used for a read of the call's own.
    func renewTurn(
        _ permit: inout Gate.Permit, _ call: UpstreamCall, _ progress: CallProgress
    ) async throws(FlowExit) {
        progress.waitsFor = .turn
        let asked = environment.now()
        defer { progress.facts.queueTime += environment.now() - asked }
        do throws(Gate.Refusal) {
            try await permit.renew()
        } catch {
            throw exit(error, call, progress)
        }
    }

    private func exit(_ refusal: Gate.Refusal, _ call: UpstreamCall, _ progress: CallProgress) -> FlowExit {
        progress.facts.rateLimit = rateLimit(call)
        return Failure(refusal).map { .failed($0) } ?? .callerLeft
    }

    /// What the limits leave to such calls.
    func rateLimit(_ call: UpstreamCall) -> RateLimitFields? {
        pacing.gate(call.gateKey).rateLimitFields(for: call.turn)
    }

    /// What calls are sent with, unless that has to be waited for.
    func credentialAtOnce() -> CallCredential? {
        guard case .own(let tokens) = credentials else { return .tool }
        return tokens.currentIfUsable().map { .own($0) }
    }

    /// What the call is sent with. A token that has to be waited for is part of the call's wait.
    func credential(_ call: UpstreamCall, _ progress: CallProgress) async throws(FlowExit) -> CallCredential {
        if let credential = credentialAtOnce() { return credential }
        guard case .own(let tokens) = credentials else { return .tool }
        progress.waitsFor = .token
        // Part of the call's wait: no longer than what the waits so far have left of its patience.
        let asked = environment.now()
        defer { progress.facts.tokenTime += environment.now() - asked }
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

    /// Sends the call, again where that is surely harmless, and returns the answer that the tool gets.
    ///
    /// - Parameters:
    ///   - permit: its turn; each send counts, and what upstream refuses for now waits in its place.
    ///   - body: where a body that still arrives comes from.
    ///   - held: told when the call is held back after it was refused for now, and when it goes on; false: nobody wants
    ///     to wait for it.
    func send(
        _ call: UpstreamCall, _ progress: CallProgress, _ first: CallCredential, _ permit: inout Gate.Permit,
        body: Exchange? = nil, held: (_ isHeld: Bool) -> Bool = { _ in true }
    ) async throws(FlowExit) -> UpstreamResponse {
        var credential = first
        var mayReplaceToken = true
        var tries = 0
        retries.budget.recordCall()
        while true {
            try await countSend(&permit, call, progress)
            _ = held(false)
            let response: UpstreamResponse
            switch await attempt(call, progress, credential, body) {
            case .success(let answered): response = answered
            case .failure(let failure):
                guard let failure = Failure(failure, call.traits) else { throw .callerLeft }
                if failure.repetition == .unwise { throw .failed(body?.bodyFailure ?? failure) }
                guard await mayRepeat(&tries, progress, isFree: failure.repetition == .free) else {
                    throw .failed(failure)
                }
                continue
            }
            if response.isRateLimited {
                let wait = response.retryAfter(wallSeconds: environment.wallTime().seconds)
                let closing = permit.refused(cause: response.limitCause, retryAfter: wait)
                events.paused(closing, gate: call.gateKey, id: call.request.fields[.correlationID])
                progress.facts.rateLimit = rateLimit(call)
                // It was not done, whatever its method.
                guard call.traits.bodyIsReplayable, !pacing.observes else { return response }
                await response.discard()
                guard held(true) else {
                    throw exit(pacing.gate(call.gateKey).refusalOfLate(call.turn), call, progress)
                }
                continue
            }
            if response.status == .unauthorized, mayReplaceToken, case .own(let token) = credential {
                mayReplaceToken = false
                // Also where this call can not be repeated: the next one needs a token that works.
                if let newer = try await replacement(for: token, progress), call.traits.bodyIsReplayable {
                    credential = .own(newer)
                    await response.discard()
                    continue
                }
            } else if call.traits.isSafe, retries.isWorthRepeating(response), await mayRepeat(&tries, progress) {
                await response.discard()
                continue
            }
            return response
        }
    }

    /// Takes a repeat out of the budget, and the pause before it.
    private func mayRepeat(_ tries: inout Int, _ progress: CallProgress, isFree: Bool = false) async -> Bool {
        progress.waitsFor = .turn
        let asked = environment.now()
        defer { progress.facts.queueTime += environment.now() - asked }
        return await retries.allows(&tries, isFree: isFree)
    }

    /// One attempt. A body that still arrives is pumped alongside.
    private func attempt(
        _ call: UpstreamCall, _ progress: CallProgress, _ credential: CallCredential, _ body: Exchange?
    ) async -> Result<UpstreamResponse, TransferFailure> {
        var request = call.request
        if case .own(let token) = credential {
            request.fields[.authorization] = nil
            request.fields.append(authorization.field(for: token))
        }
        progress.facts.attempts += 1
        progress.waitsFor = .upstream
        let asked = environment.now()
        defer { progress.facts.upstreamTime += environment.now() - asked }
        do throws(TransferFailure) {
            let response = try await transport.execute(request)
            events.answered(response.fields, id: call.request.fields[.correlationID])
            progress.facts.wasSent = true
            progress.facts.lastStatus = response.status.code
            progress.facts.rateLimit = rateLimit(call)
            progress.facts.upstreamID = Self.foreignID(response.fields, request.fields)
            return .success(response)
        } catch {
            events.failed(error, id: call.request.fields[.correlationID])
            progress.facts.wasSent = progress.facts.wasSent || error.sent
            if error.sent { progress.facts.lastStatus = nil }
            return .failure(error)
        }
    }

    /// Upstream's id where it is not the one that was sent: support asks for it, so it is logged.
    private static func foreignID(_ fields: HTTPFields, _ sent: HTTPFields) -> String? {
        guard let id = fields[.correlationID], id != sent[.correlationID] else { return nil }
        return CorrelationID.isAcceptable(id) ? id : nil
    }

    /// After a 401, whose repeat is part of the call and no wait for a turn: a token that is not the refused one, or nil when the 401 is the tool's to see.
    private func replacement(
        for token: UpstreamToken, _ progress: CallProgress
    ) async throws(FlowExit) -> UpstreamToken? {
        guard case .own(let tokens) = credentials else { return nil }
        progress.waitsFor = .token
        let asked = environment.now()
        defer { progress.facts.tokenTime += environment.now() - asked }
        do throws(TokenFailure) {
            return try await tokens.refused(token)
        } catch {
            if Task.isCancelled { throw .callerLeft }
            throw .failed(Failure(error))
        }
    }
}
