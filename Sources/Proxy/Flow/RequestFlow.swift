// THE FLOW: the life of one request after the front desk let it in, top to bottom.
//
// The order is a security property: the class of a request is settled and permitted before a turn or a token is
// taken, and nothing is sent before both are there and, for a delete, its intent is on disk. What a write has made
// untrue is dropped from the cache before its tool hears of it. Each step calls one module. Every path ends in `finish`.

import Audit
import Caching
import ClashAPI
import CurlTransport
import Ground
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
    /// Upstream's answer was lost, or a 5xx; a read has proved that the delete was carried out.
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
    let events: EventLog
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
        events = sender.events
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
                try refuseIfOnlyCached(exchange)
                var permit = try await sender.turn(call, exchange.progress)
                let credential = try await sender.credential(call, exchange.progress)
                let entry = try await recordIntent(call, exchange, &permit)
                let answer = try await send(call, exchange, credential, &permit, entry)
                try await relay(answer, call, exchange, admission)
                permit.release()
            }
            finish(exchange, exchange.callerLeftFirst ? .callerLeft(sent: true) : .answered)
        } catch {
            switch error {
            case .failed(let failure) where !exchange.callerLeftFirst:
                await recordDenial(exchange, failure)
                refuse(exchange, failure, version: admission.route.operation.version, corsOrigin: admission.corsOrigin)
            case .callerLeft where exchange.isCutShort:
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

    /// A read that no cache stands before, and that wants to hear of nothing else.
    private func refuseIfOnlyCached(_ exchange: Exchange) throws(FlowExit) {
        let method = exchange.head.method
        guard method == .get || method == .head, exchange.head.fields.contains(.cacheControl),
            RequestDirectives(exchange.head.fields).onlyIfCached
        else { return }
        throw .failed(.notCached)
    }

    /// Settles what the request is. Where the body decides the class, it is read to its end first.
    private func classify(_ exchange: Exchange, _ admission: Admission) async throws(FlowExit) -> UpstreamCall {
        // A call that its caller may not make is not waited for: what has not come yet is not looked at.
        let route = admission.route
        let isUnread = FrontDesk.hasNoRight(admission.caller, route) && !exchange.requestIsComplete
        let (body, match) =
            isUnread
            ? (.none, route.resolve(headers: exchange.head.fields)) : try await RequestBodyReader.read(exchange, route)
        exchange.record.operation = match.operation.name
        if !isUnread || audit?.policy.records(unread: route) == true {
            exchange.auditCall = audit?.call(match, exchange, admission.caller)
        }
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
    /// However often the call is sent after that, there is one outcome, and a refusal is no denial any more.
    private func recordIntent(
        _ call: UpstreamCall, _ exchange: Exchange, _ permit: inout Gate.Permit
    ) async throws(FlowExit) -> AuditEntry? {
        guard let audit, let recorded = exchange.auditCall else { return nil }
        let progress = exchange.progress
        let reading = Reading(
            correlationID: recorded.id, authorization: call.authorization, gateKey: call.gateKey)
        let taken = try audit.takeBudget(recorded, call.match)
        let snapshot: [UInt8]?
        do throws(FlowExit) {
            snapshot = try await self.snapshot(call, reading, audit.reader, progress, &permit)
        } catch {
            audit.giveBackBudget(recorded, call.match, takenAt: taken)
            throw error
        }
        let asked = environment.now()
        defer { progress.facts.auditTime += environment.now() - asked }
        let entry = try await audit.begin(recorded, call.match, reading, snapshot, budgetTakenAt: taken)
        exchange.auditCall = nil
        return entry
    }

    /// What a delete is about to destroy, from the cache or by a read of its own. That is a call like others and uses up
    /// the turn, so the delete waits for another one here: its intent is the last thing before it is sent.
    private func snapshot(
        _ call: UpstreamCall, _ reading: Reading, _ reader: ObjectReader, _ progress: CallProgress,
        _ permit: inout Gate.Permit
    ) async throws(FlowExit) -> [UInt8]? {
        guard audit?.takesSnapshot(of: call.match) == true else { return nil }
        if let stored = reader.stored(call.match) { return stored }
        guard reader.hasSnapshot(of: call.match) else { return nil }
        try await sender.countSend(&permit, call, progress)
        let asked = environment.now()
        let snapshot = await reader.snapshot(call.match, reading, permit)
        progress.facts.auditTime += environment.now() - asked
        try await sender.renewTurn(&permit, call, progress)
        return snapshot
    }

    /// Sends the call. Before anything of the answer goes to the tool, the cache has dropped what is not true any more
    /// and the outcome of a recorded call is durable.
    private func send(
        _ call: UpstreamCall, _ exchange: Exchange, _ credential: CallCredential, _ permit: inout Gate.Permit,
        _ entry: AuditEntry?
    ) async throws(FlowExit) -> Answer {
        let progress = exchange.progress
        let response: UpstreamResponse
        do throws(FlowExit) {
            response = try await sender.send(call, progress, credential, &permit, body: exchange)
        } catch {
            if progress.facts.wasSent { pages?.cache.written(call.match, status: progress.facts.lastStatus) }
            guard let audit, let entry else { throw error }
            return try await settle(error, call, entry, audit, progress)
        }
        let run = pages?.cache.written(call.match, status: response.status.code)
        guard let audit, let entry else { return .upstream(response, startedRun: run) }
        let asked = environment.now()
        defer { progress.facts.auditTime += environment.now() - asked }
        let attempts = progress.facts.attempts
        guard await audit.answered(entry, status: response.status.code, attempts: attempts) else {
            return .upstream(response, startedRun: run)
        }
        await response.discard()
        return settledAsDone(call)
    }

    /// What became of a recorded call that brought no answer for its tool.
    private func settle(
        _ error: FlowExit, _ call: UpstreamCall, _ entry: AuditEntry, _ audit: AuditTrail, _ progress: CallProgress
    ) async throws(FlowExit) -> Answer {
        let facts = progress.facts
        let asked = environment.now()
        defer { progress.facts.auditTime += environment.now() - asked }
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
        case .done: return settledAsDone(call)
        case .failed(let failure): throw .failed(failure)
        }
    }

    /// What was cached while nobody knew is not true any more either.
    private func settledAsDone(_ call: UpstreamCall) -> Answer {
        pages?.cache.written(call.match, status: nil)
        return .settledAsDone
    }

    /// Records what was refused with 403 before its caller was asked for, if it is recorded whatever its body says; nil
    /// where there is nothing to record. Its body is nobody's to read.
    func deniedUnasked(_ exchange: Exchange) -> (@Sendable () async -> Void)? {
        guard let audit, ClashAPI.checkTarget(exchange.head.target) == nil else { return nil }
        let route = ClashAPI.match(method: exchange.head.method, target: exchange.head.target)
        guard audit.policy.records(unread: route) else { return nil }
        let match = route.resolve(headers: exchange.head.fields)
        guard let call = audit.call(match, exchange, nil) else { return nil }
        return { await audit.denied(call, status: 403) }
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
        let relay = ResponseRelay(links: links, corsOrigin: admission.corsOrigin, environment: environment)
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
        events.refused(failure, exchange.record)
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
        if facts.attempts > 0 || failure.reason == .rateLimited {
            fields[.serverTiming] = facts.serverTiming(of: environment.now() - exchange.record.started)
        }
        facts.addRateLimit(to: &fields)
        exchange.respond(answer.status, fields, body: answer.body)
        finish(exchange, .refused(failure.reason))
    }

    /// The end of every request that reached the front desk: its line in the access log. What never became a request
    /// has its line from `ProxyService.refuse`.
    func finish(_ exchange: Exchange, _ outcome: Outcome) {
        // Nobody saw a status: the one that logs have for that.
        if case .callerLeft = outcome, exchange.record.status == 0 {
            exchange.record.status = 499
            exchange.record.source = .proxy
        }
        if !exchange.record.cache.isEmpty { pages?.counters.count(exchange.record.cache) }
        accessLog?.write(exchange.record, exchange.progress.facts, outcome: outcome)
    }
}
