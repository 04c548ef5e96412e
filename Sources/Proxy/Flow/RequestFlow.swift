// THE FLOW: the life of one request after the front desk let it in, top to bottom.
//
// The order is a security property: the class of a request is settled and permitted before a turn or a token is
// taken, and nothing is sent before both are there and, for a delete, its intent is on disk. What a write has made
// untrue is dropped from the cache before its tool hears of it. Each step calls one module. Every path ends in `finish`.

import Audit
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
    /// With what is to hear what upstream says about a run that it has started.
    case upstream(UpstreamResponse, startedRun: StartedRuns.Token?)
    /// Upstream's answer was lost; a read has shown that the delete was carried out.
    case settledAsDone
}

/// The modules that a request passes, wired once. One flow serves all connections.
final class RequestFlow: Sendable {
    let sender: UpstreamSender
    let links: LinkSettings
    /// Nil when the cache is turned off.
    let pages: PageService?
    /// Nil only where `audit.required = false` and the log could not be opened.
    let audit: AuditTrail?
    let environment: Environment
    let accessLog: AccessLog?

    init(
        sender: UpstreamSender, links: LinkSettings, pages: PageService?, audit: AuditTrail?,
        environment: Environment, accessLog: AccessLog?
    ) {
        self.sender = sender
        self.links = links
        self.pages = pages
        self.audit = audit
        self.environment = environment
        self.accessLog = accessLog
    }

    /// Runs on the connection's event loop. Ends the exchange and returns.
    ///
    /// - Parameter query: what the cache was asked, for reads that it may answer.
    func run(_ exchange: Exchange, _ admission: Admission, _ query: PageQuery?) async {
        exchange.record.caller = admission.caller.name
        do throws(FlowExit) {
            let call = try await classify(exchange, admission)
            if let query, query.mayBeFetched, let pages {
                try await pages.answer(exchange, call, query, admission)
            } else {
                var permit = try await sender.turn(call, exchange.progress)
                let credential = try await sender.credential(exchange.progress)
                let entry = try await recordIntent(call, exchange, &permit)
                let answer = try await send(call, exchange, credential, &permit, entry)
                try await relay(answer, call, exchange, admission)
                permit.release()
            }
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
                finish(exchange, .callerLeft(sent: exchange.progress.facts.wasSent))
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
            try OwnTag.checkMatch(exchange.head.fields)
        } catch {
            throw .failed(error)
        }
        return UpstreamCall(exchange, match: match, admission: admission, body: body, settings: sender.settings)
    }

    /// Makes the intent of an audited call durable, with what is about to go; nil for calls that are not recorded.
    private func recordIntent(
        _ call: UpstreamCall, _ exchange: Exchange, _ permit: inout Gate.Permit
    ) async throws(FlowExit) -> AuditEntry? {
        guard let audit, let recorded = exchange.auditCall else { return nil }
        let reading = Reading(
            correlationID: recorded.id, authorization: call.authorization, gateKey: call.gateKey)
        let taken = try audit.takeBudget(recorded, call.match)
        var snapshot: [UInt8]?
        if audit.takesSnapshot(of: call.match) {
            snapshot = audit.reader.stored(call.match)
            if snapshot == nil {
                // The read is a call like others, in the turn of its delete.
                try await sender.countSend(&permit, call, exchange.progress)
                snapshot = await audit.reader.snapshot(call.match, reading, permit)
            }
        }
        return try await audit.begin(recorded, call.match, reading, snapshot, budgetTakenAt: taken)
    }

    /// Sends the call. Before anything of the answer goes to the tool, the cache has dropped what is not true any more
    /// and the outcome of a recorded call is durable.
    private func send(
        _ call: UpstreamCall, _ exchange: Exchange, _ credential: CallCredential, _ permit: inout Gate.Permit,
        _ entry: AuditEntry?
    ) async throws(FlowExit) -> Answer {
        let progress = exchange.progress
        do throws(FlowExit) {
            let response = try await sender.send(call, progress, credential, &permit, body: exchange)
            let run = pages?.cache.written(call.match, status: response.status.code)
            if let entry {
                await audit?.answered(entry, status: response.status.code, attempts: progress.facts.attempts)
            }
            return .upstream(response, startedRun: run)
        } catch {
            if progress.facts.wasSent { pages?.cache.written(call.match, status: progress.facts.lastStatus) }
            guard let audit, let entry else { throw error }
            return try await settle(error, entry, audit, progress.facts)
        }
    }

    /// What became of a recorded call that brought no answer for its tool.
    private func settle(
        _ error: FlowExit, _ entry: AuditEntry, _ audit: AuditTrail, _ facts: CallFacts
    ) async throws(FlowExit) -> Answer {
        guard facts.wasSent else {
            await audit.notSent(entry, attempts: facts.attempts)
            throw error
        }
        // Upstream did answer: it refused the token and no other was to be had, or it refused the call for too long.
        if let status = facts.lastStatus {
            await audit.answered(entry, status: status, attempts: facts.attempts)
            throw error
        }
        guard case .failed(let failure) = error else {
            await audit.answered(entry, status: 0, attempts: facts.attempts)
            throw error
        }
        switch await audit.unanswered(entry, attempts: facts.attempts, otherwise: failure) {
        case .done: return .settledAsDone
        case .failed(let failure): throw .failed(failure)
        }
    }

    /// A refusal of an audited call that never got as far as an intent: 403, 428 or 429 by us.
    private func recordDenial(_ exchange: Exchange, _ failure: Failure) async {
        guard let audit, let call = exchange.auditCall, exchange.progress.facts.attempts == 0 else { return }
        let status = failure.reason.answer(.v2).status.code
        if [403, 428, 429].contains(status) { await audit.denied(call, status: status) }
    }

    private func relay(
        _ answer: Answer, _ call: UpstreamCall, _ exchange: Exchange, _ admission: Admission
    ) async throws(FlowExit) {
        let relay = ResponseRelay(links: links, corsOrigin: admission.corsOrigin, now: environment.wallTime())
        switch answer {
        case .upstream(let response, let run):
            var body = RelayedBody(response.body)
            if let run { body.listener = pages?.cache.runs.listener(run) }
            try await relay.run(response, call, exchange, body: body)
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
        let facts = exchange.progress.facts
        if facts.attempts > 0 || failure.reason == .rateLimited { fields[.serverTiming] = facts.serverTiming }
        facts.addRateLimit(to: &fields)
        exchange.respond(answer.status, fields, body: answer.body)
        finish(exchange, .refused(failure.reason))
    }

    /// The single exit of every request: its line in the access log.
    func finish(_ exchange: Exchange, _ outcome: Outcome) {
        if !exchange.record.cache.isEmpty { pages?.counters.count(exchange.record.cache) }
        accessLog?.write(exchange.record, exchange.progress.facts, outcome: outcome)
    }
}
