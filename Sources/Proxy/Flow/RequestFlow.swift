// THE FLOW: the life of one request after the front desk let it in, top to bottom.
//
// The order is a security property: the class of a request is settled and permitted before a turn or a token is
// taken, and nothing is sent before both are there and, for a delete, its intent is on disk. Each step calls one
// module. Every path ends in `finish`.

import ClashAPI
import CurlTransport
import HTTPTypes
import NIOCore
import RateLimiting
import Tokens

/// Why a flow ends early.
enum FlowExit: Error {
    case failed(Failure)
    case callerLeft
}

/// What the tool gets.
enum Answer {
    case upstream(UpstreamResponse)
    /// Upstream's answer was lost; a read has shown that the delete was carried out.
    case settledAsDone
}

/// The modules that a request passes, wired once. One flow serves all connections.
struct RequestFlow: Sendable {
    let settings: UpstreamSettings
    let links: LinkSettings
    let transport: CurlTransport
    let tokens: TokenSource
    let gate: InFlightGate
    let retries: RetryPolicy
    /// Nil only where `audit.required = false` and the log could not be opened.
    let audit: AuditTrail?
    let environment: Environment
    let accessLog: AccessLog?
    private let authorization = AuthorizationField()

    /// Runs on the connection's event loop. Ends the exchange and returns.
    func run(_ exchange: Exchange, _ admission: Admission) async {
        exchange.record.caller = admission.caller.name
        do throws(FlowExit) {
            let call = try await classify(exchange, admission)
            let permit = try await waitForTurn(exchange)
            let token = try await currentToken(exchange)
            if let entry = try await recordIntent(call, exchange) {
                let answer = try await sendRecorded(call, exchange, token, entry)
                try await relay(answer, call, exchange, admission)
            } else {
                try await relay(.upstream(try await send(call, exchange, token)), call, exchange, admission)
            }
            permit.release()
            finish(exchange, exchange.callerHasLeft ? .callerLeft(sent: true) : .answered)
        } catch {
            switch error {
            case .failed(let failure) where !exchange.callerHasLeft:
                await recordDenial(exchange, failure)
                refuse(exchange, failure, version: admission.route.operation.version, corsOrigin: admission.corsOrigin)
            case .callerLeft where exchange.isCutShort && !exchange.callerHasLeft:
                refuse(
                    exchange, .shuttingDown(), version: admission.route.operation.version,
                    corsOrigin: admission.corsOrigin)
            case .failed, .callerLeft:
                exchange.abort()
                finish(exchange, .callerLeft(sent: exchange.record.wasSent))
            }
        }
    }

    // MARK: Steps

    /// Settles what the request is. Where the body decides the class, it is read to its end first.
    private func classify(_ exchange: Exchange, _ admission: Admission) async throws(FlowExit) -> UpstreamCall {
        let (body, match) = try await RequestBodyReader.read(exchange, admission.route)
        exchange.record.operation = match.operation.name
        exchange.auditCall = audit?.call(match, exchange, admission.caller)
        do throws(Failure) {
            try FrontDesk.authorize(admission.caller, match.operationClass)
            try audit?.policy.checkReason(match, exchange.head.fields)
            try audit?.policy.checkObjects(match)
        } catch {
            throw .failed(error)
        }
        return UpstreamCall(exchange, match: match, caller: admission.caller, body: body, settings: settings)
    }

    private func waitForTurn(_ exchange: Exchange) async throws(FlowExit) -> Permit {
        if let permit = gate.tryEnter() { return permit }
        let asked = environment.now()
        defer { exchange.record.queueTime = environment.now() - asked }
        do throws(GateRefusal) {
            return try await gate.enter(wait: Prefer.wait(in: exchange.head.fields))
        } catch {
            switch error {
            case .cancelled: throw .callerLeft
            case .queueFull(let wait): throw .failed(.busy(.queueFull, wait))
            case .deadline(let wait): throw .failed(.busy(.rateLimited, wait))
            }
        }
    }

    private func currentToken(_ exchange: Exchange) async throws(FlowExit) -> UpstreamToken {
        if let token = tokens.currentIfUsable() { return token }
        let asked = environment.now()
        defer { exchange.record.tokenTime += environment.now() - asked }
        do throws(TokenFailure) {
            return try await tokens.current()
        } catch {
            if exchange.callerHasLeft { throw .callerLeft }
            throw .failed(Failure(error))
        }
    }

    /// Makes the intent of an audited call durable; nil for calls that are not recorded.
    private func recordIntent(_ call: UpstreamCall, _ exchange: Exchange) async throws(FlowExit) -> AuditEntry? {
        guard let audit, let recorded = exchange.auditCall else { return nil }
        return try await audit.begin(recorded, call.match)
    }

    /// Sends a recorded call; its outcome is durable before anything of the answer goes to the tool.
    private func sendRecorded(
        _ call: UpstreamCall, _ exchange: Exchange, _ token: UpstreamToken, _ entry: AuditEntry
    ) async throws(FlowExit) -> Answer {
        guard let audit else { return .upstream(try await send(call, exchange, token)) }
        do throws(FlowExit) {
            let response = try await send(call, exchange, token)
            await audit.answered(entry, status: response.status.code, attempts: exchange.record.attempts)
            return .upstream(response)
        } catch {
            let attempts = exchange.record.attempts
            guard exchange.record.wasSent else {
                await audit.notSent(entry, attempts: attempts)
                throw error
            }
            guard case .failed(let failure) = error, failure.reason != .tokenUnavailable else {
                // It was answered: upstream refused the token, and no other was to be had.
                await audit.answered(entry, status: 401, attempts: attempts)
                throw error
            }
            switch await audit.unanswered(entry, attempts: attempts, otherwise: failure) {
            case .done: return .settledAsDone
            case .failed(let failure): throw .failed(failure)
            }
        }
    }

    /// A refusal of an audited call that never got as far as an intent: 403, 428 or 429 by us.
    private func recordDenial(_ exchange: Exchange, _ failure: Failure) async {
        guard let audit, let call = exchange.auditCall, exchange.record.attempts == 0 else { return }
        let status = failure.reason.answer(.v2).status.code
        if [403, 428, 429].contains(status) { await audit.denied(call, status: status) }
    }

    /// Sends the call, again where that is surely harmless, and returns the answer that the tool gets.
    private func send(
        _ call: UpstreamCall, _ exchange: Exchange, _ first: UpstreamToken
    ) async throws(FlowExit) -> UpstreamResponse {
        var token = first
        var mayReplaceToken = true
        var tries = 0
        retries.budget.recordCall()
        while true {
            let response: UpstreamResponse
            switch await attempt(call, exchange, token) {
            case .success(let answered): response = answered
            case .failure(let failure):
                switch failure.verdict(call.traits) {
                case .callerLeft: throw .callerLeft
                case .fail(let final): throw .failed(exchange.bodyFailure ?? final)
                case .retry(let otherwise):
                    guard await retries.allows(&tries) else { throw .failed(otherwise) }
                    continue
                }
            }
            if response.status == .unauthorized, mayReplaceToken {
                mayReplaceToken = false
                // Also where this call can not be repeated: the next one needs a token that works.
                if let newer = try await replacement(for: token, exchange), call.traits.bodyIsReplayable {
                    token = newer
                    await response.discard()
                    continue
                }
            } else if call.traits.isSafe, retries.isWorthRepeating(response), await retries.allows(&tries) {
                await response.discard()
                continue
            }
            return response
        }
    }

    /// One attempt. A body that still arrives is pumped alongside.
    private func attempt(
        _ call: UpstreamCall, _ exchange: Exchange, _ token: UpstreamToken
    ) async -> Result<UpstreamResponse, TransferFailure> {
        var request = call.request
        request.fields[.authorization] = nil
        request.fields.append(authorization.field(for: token))
        let pump = RequestBodyReader.startPump(exchange, call.body, into: &request)
        defer { pump?.cancel() }
        exchange.record.attempts += 1
        let asked = environment.now()
        defer { exchange.record.upstreamTime += environment.now() - asked }
        do throws(TransferFailure) {
            let response = try await transport.execute(request)
            exchange.record.wasSent = true
            return .success(response)
        } catch {
            exchange.record.wasSent = exchange.record.wasSent || error.sent
            return .failure(error)
        }
    }

    /// After a 401: a token that is not the refused one, or nil when the 401 is the tool's to see.
    private func replacement(
        for token: UpstreamToken, _ exchange: Exchange
    ) async throws(FlowExit) -> UpstreamToken? {
        let asked = environment.now()
        defer { exchange.record.tokenTime += environment.now() - asked }
        do throws(TokenFailure) {
            return try await tokens.refused(token)
        } catch {
            if exchange.callerHasLeft { throw .callerLeft }
            throw .failed(Failure(error))
        }
    }

    private func relay(
        _ answer: Answer, _ call: UpstreamCall, _ exchange: Exchange, _ admission: Admission
    ) async throws(FlowExit) {
        let relay = ResponseRelay(links: links, corsOrigin: admission.corsOrigin, now: environment.wallTime())
        switch answer {
        case .upstream(let response): try await relay.run(response, call, exchange)
        case .settledAsDone: relay.settled(exchange)
        }
    }

    // MARK: The one end

    /// Answers with an error of our own, or cuts an answer that has begun.
    func refuse(_ exchange: Exchange, _ failure: Failure, version: APIVersion, corsOrigin: String?) {
        exchange.record.detail = failure.detail
        if exchange.hasAnswered {
            exchange.abort()
            finish(exchange, .cut(failure.reason))
            return
        }
        exchange.record.source = .proxy
        let answer = failure.answer(
            FailureContext(
                version: version, correlationID: exchange.record.correlationID, corsOrigin: corsOrigin,
                wallTime: environment.wallTime()))
        var fields = answer.fields
        if exchange.record.attempts > 0 { fields[.serverTiming] = exchange.record.serverTiming }
        exchange.respond(answer.status, fields, body: answer.body)
        finish(exchange, .refused(failure.reason))
    }

    /// The single exit of every request: its line in the access log.
    func finish(_ exchange: Exchange, _ outcome: Outcome) {
        accessLog?.write(exchange.record, outcome: outcome)
    }
}
