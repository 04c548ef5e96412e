// THE FLOW: the life of one request after the front desk let it in, top to bottom.
//
// The order is a security property: the class of a request is settled and permitted before a turn or a token is
// taken, and nothing is sent before both are there and, for a delete, its intent is on disk. What a write has made
// untrue is dropped from the cache before its tool hears of it. Each step calls one module. Every path ends in `finish`.

import Audit
import Caching
import ClashAPI
import CurlTransport
import Edge
import Ground
import HTTPTypes
import NIOCore
import RateLimiting
import Tokens

/// What the tool gets.
enum Answer {
    /// With what was taken off of its body already, and with what is to hear what upstream says about a run that it has
    /// started.
    case upstream(UpstreamResponse, beginning: [UInt8], startedRun: StartedRuns.Token?)
    /// Upstream's answer was lost, or a 5xx; a read has proved that the delete was carried out.
    case settledAsDone
    /// One that was given before, or would have been.
    case again(KeptAnswer, CacheVerdict, startedRun: StartedRuns.Token? = nil)
    /// Kept, or about to be.
    case stored(StoredReply)
    /// Upstream's to a read, as it comes.
    case live(LiveAnswer, CacheVerdict)
}

/// The modules that a request passes, wired once. One flow serves all connections.
final class RequestFlow: Sendable {
    let sender: UpstreamSender
    let relay: ResponseRelay
    /// The largest answer that is taken off upstream ahead of its tool, in bytes.
    private let heldBytes: Int
    /// Bytes a second: who takes less of an answer that is too large to hold is left when others wait for its place.
    private let minRate: Int
    /// Nil where there is no cache at all.
    let reads: CachedReads?
    /// Nil only where `audit.required = false` and the log could not be opened.
    let audit: AuditTrail?
    let onlyOnce: OnlyOnce
    let settler: StartSettler
    let events: EventLog
    let environment: Environment
    let accessLog: AccessLog?
    let traffic: Traffic
    let knowsCallers: Bool
    /// Nil where nothing is traced.
    let tracer: Tracer?
    let guards: DeleteGuards

    init(
        sender: UpstreamSender, links: LinkSettings, reads: CachedReads?, audit: AuditTrail?, onlyOnce: OnlyOnce,
        settler: StartSettler, heldBytes: Int, minRate: Int, environment: Environment, accessLog: AccessLog?,
        knowsCallers: Bool = false, tracer: Tracer? = nil, guards: DeleteGuards = DeleteGuards()
    ) {
        (self.tracer, self.guards) = (tracer, guards)
        self.knowsCallers = knowsCallers
        traffic = sender.traffic
        self.heldBytes = heldBytes
        self.minRate = minRate
        self.sender = sender
        relay = ResponseRelay(links: links, environment: environment)
        self.reads = reads
        self.audit = audit
        self.onlyOnce = onlyOnce
        self.settler = settler
        events = sender.events
        self.environment = environment
        self.accessLog = accessLog
    }

    /// Runs on the connection's event loop. Finishes the visit and returns.
    func run(_ visit: Visit) async {
        do throws(FlowExit) {
            // Its body is here, its class settled and permitted.
            let call = try await classify(visit)
            if case .badToken = visit.query?.walk { throw FlowExit.failed(.badWalkToken) }
            if let dryRun = visit.dryRun {
                try await answer(dryRun, call, visit)
            } else if let query = visit.query, query.mayBeFetched, let reads {
                try visit.checkAnew()
                // Joins a fetch, or leads one: turn, credential, send and store are the fetch's, which others share.
                let deadline = environment.now() + reads.wait(visit)
                try await waitingForLongPlace(call, visit, until: deadline) { call throws(FlowExit) in
                    if call.turn.isLong { reads.rememberLarge(visit, query) }
                    switch try await reads.answer(visit, call, query, until: deadline) {
                    case .stored(let reply): try await relay(.stored(reply), call, visit)
                    case .live(let live, let verdict): try await relay(.live(live, verdict), call, visit)
                    }
                }
            } else {
                try refuseIfOnlyCached(visit)
                // Upstream knows no token of ours.
                if case .page(let walk) = visit.query?.walk, walk.query.token != nil {
                    throw FlowExit.failed(.badWalkToken)
                }
                try await passGuards(call, visit)
                let deadline = environment.now() + min(call.turn.wait ?? sender.maxWait, sender.maxWait)
                try await once(call, visit, until: deadline) { call, lead throws(FlowExit) in
                    try await waitingForLongPlace(call, visit, until: deadline) { call throws(FlowExit) in
                        var permit = try await turn(call, visit)
                        let credential = try await sender.credential(call, visit.progress)
                        try visit.checkAnew()
                        let entry = try await recordIntent(call, visit, &permit)
                        let answer = try await send(call, visit, credential, &permit, entry, lead)
                        try await relay(answer, call, visit, in: permit.sent)
                        permit.release()
                    }
                }
            }
            finish(visit, visit.wire.callerLeftFirst ? .callerLeft(sent: true) : .answered)
        } catch {
            await giveUp(visit, error)
        }
    }

    /// Ends a visit that has no whole answer of somebody else's.
    func giveUp(_ visit: Visit, _ exit: FlowExit) async {
        switch visit.earlyEnd(exit) {
        case .failed(let failure):
            await recordDenial(visit, failure)
            refuse(visit, failure)
        case .cutShort: refuse(visit, .shuttingDown())
        case .toolSilent: breakOff(visit, .toolSilent)
        case .toolTooSlow:
            events.limitReached("tool-too-slow", visit.record)
            breakOff(visit, .toolTooSlow)
        case .toolLeft: breakOff(visit, .callerLeft(sent: visit.facts.wasSent))
        }
    }

    /// Until when a request that comes now may wait before it is sent.
    func deadline(of head: RequestHead) -> ContinuousClock.Instant {
        environment.now() + min(Prefer.wait(in: head.fields) ?? sender.maxWait, sender.maxWait)
    }

    // MARK: Steps

    /// A read that no cache stands before, and that wants to hear of nothing else.
    private func refuseIfOnlyCached(_ visit: Visit) throws(FlowExit) {
        let method = visit.head.method
        guard method == .get || method == .head, visit.fields.contains(.cacheControl),
            RequestDirectives(visit.fields).onlyIfCached
        else { return }
        throw .failed(.notCached)
    }

    /// Settles what the request is. Where the body decides the class, it is read to its end first.
    private func classify(_ visit: Visit) async throws(FlowExit) -> UpstreamCall {
        // A call that its caller may not make is not waited for: what has not come yet is not looked at.
        let (caller, route) = (visit.admission.caller, visit.admission.route)
        // What is known by its path alone: its body may never be whole.
        visit.record.operation = route.operation.name
        let denial = visit.admission.denial
        let isUnread =
            (denial != nil || FrontDesk.hasNoRight(caller, route)) && !visit.wire.requestIsComplete
        // Should it be refused while its body is awaited.
        let isRecordedUnread = audit?.policy.records(unread: route) == true
        if isRecordedUnread { visit.auditCall = audit?.call(route.resolve(headers: visit.fields), visit, caller) }
        let (body, match, said) =
            isUnread
            ? (.none, route.resolve(headers: visit.fields), .empty) : try await RequestBodyReader.read(visit, route)
        visit.record.operation = match.operation.name
        if !isUnread { visit.auditCall = audit?.call(match, visit, caller) }
        try permit(match, said, visit)
        if case .bytes(let bytes) = body { visit.settled = (match, bytes) } else { visit.settled = (match, nil) }
        return UpstreamCall(visit, match: match, body: body, settings: sender.settings)
    }

    /// Does this, and does it once more if the answer turns out to be one too many of those that are too large to hold, and
    /// nothing of it went out: what was under way is given up, so that the places of others stay free, and the call waits for
    /// such a place before it is sent again.
    private func waitingForLongPlace(
        _ call: UpstreamCall, _ visit: Visit, until deadline: ContinuousClock.Instant,
        _ step: (UpstreamCall) async throws(FlowExit) -> Void
    ) async throws(FlowExit) {
        do throws(FlowExit) {
            try await step(call)
        } catch {
            let rest = deadline - environment.now()
            guard case .failed(let failure) = error, failure.isForLongPlace, call.traits.isSafe, rest > .zero,
                !visit.wire.hasAnswered
            else { throw error }
            var call = call
            call.turn.isLong = true
            call.turn.wait = rest
            try await step(call)
        }
    }

    private func turn(_ call: UpstreamCall, _ visit: Visit) async throws(FlowExit) -> Gate.Permit {
        do throws(FlowExit) {
            return try await sender.turn(call, visit.progress)
        } catch {
            await recordNotSent(error, call, visit)
            throw error
        }
    }

    /// Makes the intent of an audited call durable, with what is about to go; nil for calls that are not recorded.
    /// However often the call is sent after that, there is one outcome, and a refusal is no denial any more.
    private func recordIntent(
        _ call: UpstreamCall, _ visit: Visit, _ permit: inout Gate.Permit
    ) async throws(FlowExit) -> AuditEntry? {
        guard let audit, let recorded = visit.auditCall else { return nil }
        let progress = visit.progress
        let reading = Reading(
            correlationID: recorded.id, caller: recorded.caller.name, authorization: call.authorization,
            token: call.turn.token,
            trace: call.trace)
        let taken = try await audit.takeBudget(recorded, call.match)
        let snapshot: [UInt8]?
        do throws(FlowExit) {
            snapshot = try await self.snapshot(call, reading, audit.reader, progress, &permit)
            // It may have waited for its turn once more.
            try visit.checkAnew()
        } catch {
            audit.giveBackBudget(recorded, call.match, takenAt: taken)
            await recordNotSent(error, call, visit)
            throw error
        }
        let asked = environment.now()
        defer { progress.spent(.audit, from: asked, to: environment.now()) }
        let entry = try await audit.begin(
            recorded, call.match, reading, snapshot, budgetTakenAt: taken, guarded: visit.guarded)
        visit.auditCall = nil
        if let entry { progress.note(.recorded(seq: entry.receipt.seq)) }
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
        let place = try await sender.countSend(&permit, call, progress)
        let asked = environment.now()
        let snapshot = await reader.snapshot(call.match, reading, permit, place)
        progress.spent(.audit, from: asked, to: environment.now())
        try await sender.renewTurn(&permit, call, progress)
        return snapshot
    }

    /// Brings the answer to the tool.
    ///
    /// - Parameter place: what its call holds upstream, as far as that is known.
    func relay(
        _ answer: Answer, _ call: UpstreamCall, _ visit: Visit, in place: Gate.Place? = nil
    ) async throws(FlowExit) {
        switch answer {
        case .upstream(let response, let beginning, let run):
            let watch = watch(visit, holding: place)
            defer { watch.end() }
            let ahead = try ReadAhead(response.body, limit: heldBytes, place: place, visit, call.traits)
            defer { ahead?.end() }
            var body = ahead?.body ?? RelayedBody(response.body)
            body.beginning = beginning
            watch.follow(&body, limit: heldBytes)
            if let run { body.listener = reads?.cache.runs.listener(run) }
            let verdict = CacheVerdict.passed(isRead: call.traits.isSafe)
            try await relay.run(response, call, visit, verdict, body: body)
        case .live(let live, let verdict):
            defer { live.done() }
            let watch = watch(visit, holding: live.place)
            defer { watch.end() }
            // What the fetch does not keep is taken off all the same.
            let ahead =
                live.growing == nil
                ? try ReadAhead(live.response.body, limit: heldBytes, place: live.place, visit, call.traits) : nil
            defer { ahead?.end() }
            var body = ahead?.body ?? live.body
            watch.follow(&body, limit: heldBytes)
            try await relay.run(live.response, call, visit, verdict, body: body)
        case .again(let kept, let verdict, let run): try await relayAgain(kept, verdict, run, call, visit)
        case .stored(let reply): give(reply, visit)
        case .settledAsDone: relay.settled(visit)
        }
    }

    private func watch(_ visit: Visit, holding place: Gate.Place?) -> SlowToolWatch {
        SlowToolWatch(visit.wire, holding: place, minRate: minRate, environment: environment)
    }

    /// Answers with what is kept.
    func give(_ reply: StoredReply, _ visit: Visit) {
        guard let query = visit.query else { preconditionFailure("only reads that the cache was asked for have one") }
        visit.record.cache = reply.verdict
        visit.record.source = reply.verdict.source
        PageWriter(links: relay.links, corsOrigin: visit.admission.corsOrigin, now: environment.now())
            .write(reply, visit, query)
    }

    // MARK: The one end

    /// Answers with an error of our own, or cuts an answer that has begun.
    func refuse(_ visit: Visit, _ failure: Failure) {
        visit.note(failure)
        events.refused(failure, visit.record)
        if visit.wire.hasAnswered {
            visit.wire.abort()
            finish(visit, .cut(failure.reason))
            return
        }
        visit.record.source = .proxy
        let answer = failure.answer(
            FailureContext(
                version: visit.admission.route.operation.version, correlationID: visit.correlationID,
                corsOrigin: visit.admission.corsOrigin, wallTime: environment.wallTime()))
        var fields = answer.fields
        let facts = visit.facts
        if facts.attempts > 0 || failure.reason == .rateLimited {
            fields[.serverTiming] = facts.times.serverTiming(of: environment.now() - visit.record.started)
        }
        facts.addRateLimit(to: &fields)
        if isDryRun(visit) { fields[.preferenceApplied] = "dry-run" }
        visit.wire.respond(answer.status, fields, body: answer.body)
        finish(visit, .refused(failure.reason))
    }

    private func breakOff(_ visit: Visit, _ outcome: Outcome) {
        visit.wire.abort()
        finish(visit, outcome)
    }
}
