// Between the connections and the flow: asks the front desk about each request and starts its flow.

import ClashAPI
import Configuration
import Edge
import Ground
import HTTPTypes
import NIOCore
import RateLimiting
import Synchronization

/// What one service, that is one configuration, has found out about a head by its bytes and its connection, once its front
/// desk has let it through. It names the service by its number: a configuration that was replaced is to be let go.
private final class KnownVisit {
    let service: UInt64
    let admission: Admission
    let query: PageQuery?
    /// What the connection, or the proxies before it, had a say in.
    private let scheme: String
    private let identity: PeerIdentity?

    init(service: UInt64, _ visit: Visit) {
        (self.service, admission, query) = (service, visit.admission, visit.query)
        (scheme, identity) = (visit.client.scheme, visit.wire.client.identity)
    }

    /// Whether it holds for a request that `peer` brings to `service` from `client`. `wallTime` is asked only where a token
    /// was judged.
    func holds(
        for service: UInt64, _ peer: Peer, _ client: Client, _ wallTime: @Sendable () -> WallTime
    ) -> Bool {
        self.service == service && scheme == client.scheme && identity === peer.identity
            && (admission.standing.map { $0.holds(at: wallTime().seconds) } ?? true)
    }
}

/// Serves the requests of tools under one configuration. Immutable but for the counters in `activity`; usable from every
/// event loop.
final class ProxyService: RequestHandling {
    let activity: Activity
    private let desk: FrontDesk
    let flow: RequestFlow
    private let held: HeldBytes
    let waiting: WaitingCalls
    /// How each caller shows who it is, by its name.
    private let credentials: [String: Config.Credential]
    let environment: Environment
    let preambles: PreambleRules?
    /// No other service of this process has it.
    private let number = ProxyService.last.wrappingAdd(1, ordering: .relaxed).newValue
    private static let last = Atomic<UInt64>(0)

    init(
        desk: FrontDesk, flow: RequestFlow, activity: Activity, held: HeldBytes, preambles: PreambleRules? = nil,
        callers: [Config.Caller] = [], waiting: WaitingCalls = WaitingCalls(), environment: Environment
    ) {
        self.preambles = preambles
        self.held = held
        self.desk = desk
        self.flow = flow
        self.activity = activity
        self.waiting = waiting
        credentials = Dictionary(callers.map { ($0.name, $0.credential) }) { first, _ in first }
        self.environment = environment
    }

    /// Nil where there is no cache at all.
    var reads: CachedReads? { flow.reads }

    /// For `/metrics`: what tools asked for, and how cache and gate stand.
    var samples: [MetricSample] {
        let pacing = flow.sender.pacing
        return flow.traffic.registry.samples + (reads?.samples ?? [])
            + pacing.gate.statistics.samples(observes: pacing.observes)
    }

    var isDraining: Bool { activity.isDraining }

    func handle(_ exchange: Exchange) {
        activity.exchangeBegan()
        let client = desk.proxies.client(of: exchange)
        if isDraining, !exchange.isPromised {
            let route = ClashAPI.match(method: exchange.head.method, target: exchange.head.target)
            return end(visit(exchange, client, Admission(refused: nil, route: route)), .shuttingDown())
        }
        if let known = exchange.known?.memo as? KnownVisit,
            known.holds(for: number, exchange.client, client, environment.wallTime)
        {
            return forward(
                Visit(
                    exchange, from: client, known.admission, known.query, held: held, tracer: flow.tracer,
                    environment: environment))
        }
        decide(exchange, client, after: nil)
    }

    /// What a request has waited for its admission, and may at most: as long as any call for its turn.
    private struct Wait {
        let began: ContinuousClock.Instant
        let deadline: ContinuousClock.Instant
    }

    /// - Parameter wait: nil: it has not waited.
    private func decide(_ exchange: Exchange, _ client: Client, after wait: Wait?) {
        func visit(_ admission: Admission) -> Visit { self.visit(exchange, client, admission, since: wait?.began) }
        switch desk.decide(exchange.head, exchange.client.identity) {
        case .refuse(let failure, let admission):
            if let pending = failure.pending, wait.map({ environment.now() < $0.deadline }) ?? true {
                let wait = wait ?? Wait(began: environment.now(), deadline: flow.deadline(of: exchange.head))
                return decideLater(exchange, client, admission, after: wait, pending)
            }
            refuse(visit(admission), failure)
        case .preflight(let origin, let admission):
            answerHere(visit(admission), OriginPolicy.preflightFields(exchange.head, origin: origin))
        case .options(let admission):
            answerHere(
                visit(admission),
                [
                    .allow: RequestHead.allowedMethods,
                    .date: HTTPDate.text(environment.wallTime().seconds),
                ])
        case .own(let page, let admission): answer(page, visit(admission))
        case .forward(let admission):
            let query = flow.reads?.query(exchange.head, admission, scheme: client.scheme)
            let visit = Visit(
                exchange, from: client, admission, query, held: held, since: wait?.began, tracer: flow.tracer,
                environment: environment)
            exchange.known?.memo = KnownVisit(service: number, visit)
            forward(visit)
        }
    }

    /// Asks the front desk again when what it lacks may have come.
    private func decideLater(
        _ exchange: Exchange, _ client: Client, _ admission: Admission, after wait: Wait,
        _ pending: @escaping @Sendable () async -> Void
    ) {
        let bound = NIOLoopBound(exchange, eventLoop: exchange.executor.eventLoop)
        let task = Task(executorPreference: exchange.executor) { [self] in
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await pending() }
                group.addTask { [environment] in try? await environment.sleep(wait.deadline) }
                await group.next()
                group.cancelAll()
            }
            let exchange = bound.value
            exchange.onLeaving = nil
            guard Task.isCancelled else { return decide(exchange, client, after: wait) }
            await flow.giveUp(visit(exchange, client, admission, since: wait.began), .callerLeft)
            activity.exchangeEnded()
        }
        exchange.onLeaving = { task.cancel() }
    }

    /// Of what the cache is not asked.
    private func visit(
        _ exchange: Exchange, _ client: Client, _ admission: Admission, since began: ContinuousClock.Instant? = nil
    ) -> Visit {
        Visit(
            exchange, from: client, admission, nil, held: held, since: began, tracer: flow.tracer,
            environment: environment)
    }

    /// 204: what was asked stands in the fields.
    private func answerHere(_ visit: Visit, _ fields: HTTPFields) {
        var fields = fields
        OwnFields.add(correlationID: visit.correlationID, to: &fields)
        visit.wire.respond(.noContent, fields, body: [])
        flow.finish(visit, .answered)
        activity.exchangeEnded()
    }

    /// Answers with a page of this proxy's own, which costs no call.
    private func answer(_ page: OwnPage, _ visit: Visit) {
        visit.record.operation = page.name
        visit.record.source = .proxy
        if case .approval(let id) = page { return decide(id, visit) }
        if page == .approvals { return listApprovals(visit) }
        let (caller, wallTime) = (visit.admission.caller, environment.wallTime())
        var turn = GateRequest(visit.admission.route.resolve(), caller, wait: nil)
        turn.token = visit.admission.token
        let body = OwnAnswer.body(page, for: caller, flow.sender.pacing.gate.budget(for: turn), wallTime: wallTime)
        answerOwn(body, visit)
    }

    /// 200 with a document of our own.
    func answerOwn(_ body: [UInt8], _ visit: Visit) {
        var fields: HTTPFields = [
            .contentType: "application/json", .cacheControl: "no-store",
            .date: HTTPDate.text(environment.wallTime().seconds),
        ]
        OwnFields.add(
            correlationID: visit.correlationID, corsOrigin: visit.admission.corsOrigin, to: &fields)
        visit.wire.respond(.ok, fields, body: body)
        flow.finish(visit, visit.wire.callerLeftFirst ? .callerLeft(sent: false) : .answered)
        activity.exchangeEnded()
    }

    /// Answers out of the cache at once, or starts the flow.
    private func forward(_ visit: Visit) {
        guard let query = visit.query, let reads else { return start(visit) }
        if let wait = query.waitsFor, !isDraining { return forward(visit, query, waiting: wait, reads) }
        guard let reply = reads.atOnce(visit, query) else { return start(visit) }
        give(reply, visit)
    }

    /// The one end of a read that needs no flow.
    func give(_ reply: StoredReply, _ visit: Visit) {
        flow.give(reply, visit)
        visit.record.operation = visit.admission.route.operation.name
        flow.finish(visit, .answered)
        activity.exchangeEnded()
    }

    /// What a reload can withdraw; nil for who had to show nothing.
    private func proof(of caller: Caller) -> WaitingCalls.Proof? {
        if let person = caller.person { return .token(issuer: person.issuer) }
        return credentials[caller.name].map { .credential($0) }
    }

    func start(_ visit: Visit) {
        let bound = NIOLoopBound(visit, eventLoop: visit.wire.executor.eventLoop)
        let entry = enter(visit, bound)
        let task = Task(executorPreference: visit.wire.executor) { [self] in
            await flow.run(bound.value)
            if let entry { waiting.leave(entry) }
            activity.exchangeEnded()
        }
        visit.wire.onLeaving = { task.cancel() }
    }

    /// From now on it can be withdrawn while it waits.
    func enter(_ visit: Visit, _ bound: NIOLoopBound<Visit>) -> WaitingCalls.ID? {
        let loop = visit.wire.executor.eventLoop
        visit.refusalAnew = { [self] in
            // A token can end, or its key go, while its call waits.
            let holds = $0.admission.standing?.holds(at: environment.wallTime().seconds) ?? true
            return (waiting.rules(insteadOf: desk) ?? (holds ? nil : desk))?.refusal(ofWaiting: $0)
        }
        return waiting.enter(
            proof(of: visit.admission.caller), judge: { loop.execute { bound.value.judgeAnew() } },
            withdraw: { loop.execute { bound.value.withdraw() } })
    }

    /// A refused delete is recorded before its sender hears of it, whoever that is.
    private func refuse(_ visit: Visit, _ failure: Failure) {
        guard failure.reason == .originNotAllowed, let denied = flow.deniedUnasked(visit) else {
            return end(visit, failure)
        }
        let bound = NIOLoopBound(visit, eventLoop: visit.wire.executor.eventLoop)
        Task(executorPreference: visit.wire.executor) { [self] in
            if let seq = await flow.auditing(bound.value, { await denied() }) {
                bound.value.record.steps.append(.denied(seq: seq))
            }
            end(bound.value, failure)
        }
    }

    private func end(_ visit: Visit, _ failure: Failure) {
        let operation = visit.admission.route.operation
        if operation.version != .other, ClashAPI.checkTarget(visit.head.target) == nil {
            visit.record.operation = operation.name
        }
        flow.refuse(visit, failure)
        activity.exchangeEnded()
    }

    func answer(_ failure: WireFailure, to request: RefusedRequest) -> LastAnswer {
        var record = ExchangeRecord(
            correlationID: CorrelationID.choose(request.offeredID, environment),
            peer: desk.proxies.client(of: request).address, started: environment.now())
        if let method = request.method { record.method = method }
        record.detail = failure.message
        record.message = failure.message
        return lastAnswer(Failure(failure), &record, toHead: request.isHead)
    }

    func failed(_ trouble: ConnectionTrouble, peer: String) { flow.events.connection(trouble, peer: peer) }

    func overLimitAnswer(peer: String) -> LastAnswer {
        var record = ExchangeRecord(
            correlationID: CorrelationID.choose(nil, environment), peer: peer, started: environment.now())
        let failure = Failure(
            .tooManyConnections, "Too many connections (listen.max_connections).", retryAfter: .seconds(1))
        return lastAnswer(failure, &record)
    }

    private func lastAnswer(_ failure: Failure, _ record: inout ExchangeRecord, toHead: Bool = false) -> LastAnswer {
        flow.events.refused(failure, record)
        let answer = failure.answer(
            FailureContext(correlationID: record.correlationID, wallTime: environment.wallTime()))
        record.status = answer.status.code
        if !toHead { record.bytesOut = answer.body.count }
        _ = flow.keep(record, .refused(failure.reason), of: nil)
        return LastAnswer(answer.status, answer.fields, body: answer.body)
    }
}
