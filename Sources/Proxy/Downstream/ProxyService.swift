// Between the connections and the flow: asks the front desk about each request and starts its flow.

import ClashAPI
import Ground
import HTTPTypes
import NIOCore
import NIOHTTP1
import RateLimiting

/// Serves the requests of one listener. Immutable but for the counters in `activity`; usable from every event loop.
final class ProxyService: RequestHandling {
    let activity: Activity
    private let desk: FrontDesk
    private let flow: RequestFlow
    private let environment: Environment

    init(desk: FrontDesk, flow: RequestFlow, activity: Activity, environment: Environment) {
        self.desk = desk
        self.flow = flow
        self.activity = activity
        self.environment = environment
    }

    /// Nil when the cache is turned off.
    var pages: PageService? { flow.pages }

    /// Prometheus text.
    func metrics() -> String {
        let pacing = flow.sender.pacing
        let gates = GateExposition.text(pacing.gates.map(\.statistics), observes: pacing.observes)
        return (pages?.metrics() ?? "") + gates
    }

    var isDraining: Bool { activity.isDraining }

    func newRecord(
        _ head: RequestHead, path: String, offeredID: String?, on connection: ConnectionHandler
    ) -> ExchangeRecord {
        var record = ExchangeRecord(
            correlationID: CorrelationID.choose(offeredID, environment), peer: connection.peer,
            started: environment.now())
        record.method = head.method.rawValue
        record.path = path
        return record
    }

    func handle(_ exchange: Exchange, on connection: ConnectionHandler) {
        activity.exchangeBegan()
        if isDraining {
            return end(exchange, .shuttingDown())
        }
        if let known = exchange.known, let admission = known.admission {
            return forward(exchange, admission, known.query, connection)
        }
        switch desk.decide(exchange.head) {
        case .refuse(let failure, let corsOrigin, let caller):
            if let caller { exchange.record.caller = caller }
            refuse(exchange, failure, corsOrigin: corsOrigin)
        case .preflight(let origin):
            var fields = OriginPolicy.preflightFields(exchange.head, origin: origin)
            OwnFields.add(correlationID: exchange.record.correlationID, to: &fields)
            answerHere(exchange, fields)
        case .options:
            var fields: HTTPFields = [.allow: RequestHead.allowedMethods]
            fields[.date] = HTTPDate.text(environment.wallTime().seconds)
            OwnFields.add(correlationID: exchange.record.correlationID, to: &fields)
            answerHere(exchange, fields)
        case .forward(let admission):
            let query = flow.pages?.query(exchange.head, admission)
            exchange.known?.query = query
            exchange.known?.admission = admission
            forward(exchange, admission, query, connection)
        }
    }

    /// 204: what was asked stands in the fields.
    private func answerHere(_ exchange: Exchange, _ fields: HTTPFields) {
        exchange.respond(.noContent, fields, body: [])
        flow.finish(exchange, .answered)
        activity.exchangeEnded()
    }

    /// Answers out of the cache at once, or starts the flow.
    private func forward(
        _ exchange: Exchange, _ admission: Admission, _ query: PageQuery?, _ connection: ConnectionHandler
    ) {
        guard let query, let pages = flow.pages, pages.answerAtOnce(exchange, query, admission) else {
            return start(exchange, admission, query, connection)
        }
        exchange.record.caller = admission.caller.name
        exchange.record.operation = admission.route.operation.name
        flow.finish(exchange, .answered)
        activity.exchangeEnded()
    }

    private func start(
        _ exchange: Exchange, _ admission: Admission, _ query: PageQuery?, _ connection: ConnectionHandler
    ) {
        let bound = NIOLoopBound(exchange, eventLoop: exchange.executor.eventLoop)
        let task = Task(executorPreference: exchange.executor) { [self] in
            await flow.run(bound.value, admission, query)
            activity.exchangeEnded()
        }
        connection.onCallerLeft = { task.cancel() }
    }

    /// A refused delete is recorded before its sender hears of it, whoever that is.
    private func refuse(_ exchange: Exchange, _ failure: Failure, corsOrigin: String?) {
        guard failure.reason == .originNotAllowed, let denied = flow.deniedUnasked(exchange) else {
            return end(exchange, failure, corsOrigin: corsOrigin)
        }
        let bound = NIOLoopBound(exchange, eventLoop: exchange.executor.eventLoop)
        Task(executorPreference: exchange.executor) { [self] in
            await denied()
            end(bound.value, failure, corsOrigin: corsOrigin)
        }
    }

    private func end(_ exchange: Exchange, _ failure: Failure, corsOrigin: String? = nil) {
        let operation = ClashAPI.match(method: exchange.head.method, target: exchange.head.target).operation
        if operation.version != .other, ClashAPI.checkTarget(exchange.head.target) == nil {
            exchange.record.operation = operation.name
        }
        flow.refuse(exchange, failure, version: operation.version, corsOrigin: corsOrigin)
        activity.exchangeEnded()
    }

    func refuse(_ failure: Failure, _ head: HTTPRequestHead?, on connection: ConnectionHandler) {
        var record = ExchangeRecord(
            correlationID: CorrelationID.choose(head?.headers.first(name: "x-correlation-id"), environment),
            peer: connection.peer, started: environment.now())
        if let head { record.method = head.method.rawValue }
        record.detail = failure.message
        flow.events.refused(failure, record)
        connection.sendLast(lastAnswer(failure, &record, toHead: head?.method == .HEAD))
        flow.accessLog?.write(record, CallFacts(), outcome: .refused(failure.reason))
    }

    /// What connection `max_connections` + 1 gets.
    func overLimitAnswer(peer: String) -> ByteBuffer {
        var record = ExchangeRecord(
            correlationID: CorrelationID.choose(nil, environment), peer: peer, started: environment.now())
        let failure = Failure(
            .tooManyConnections, "Too many connections (listen.max_connections).", retryAfter: .seconds(1))
        flow.events.refused(failure, record)
        let answer = lastAnswer(failure, &record)
        flow.accessLog?.write(record, CallFacts(), outcome: .refused(failure.reason))
        return answer
    }

    private func lastAnswer(
        _ failure: Failure, _ record: inout ExchangeRecord, toHead: Bool = false
    ) -> ByteBuffer {
        let answer = failure.answer(
            FailureContext(correlationID: record.correlationID, wallTime: environment.wallTime()))
        record.status = answer.status.code
        var bytes = ByteBuffer()
        ResponseHead.write(
            answer.status, answer.fields, .length(answer.body.count), connection: "close", into: &bytes)
        if !toHead { record.bytesOut = bytes.writeBytes(answer.body) }
        return bytes
    }
}
