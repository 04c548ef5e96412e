// The operators' side: health, readiness, metrics and purge, on an address of its own that is as guarded as the tools'.

import ClashAPI
import Configuration
import Edge
import Ground
import HTTPTypes
import NIOCore

/// What the admin listener tells. Closures, so that it knows nothing of what it reports on.
struct AdminReport: Sendable {
    /// Empty when ready, else one sentence a reason.
    var notReady: @Sendable () -> [String]
    /// What does not work although the proxy is ready.
    var degraded: @Sendable () -> [String]
    /// Drops stored answers; returns how many, or nil where there is no cache.
    var purge: @Sendable (PurgeRequest) -> Int?
    /// For `/metrics`.
    var metrics: @Sendable () -> [MetricSample]
    /// JSON about the latest request with this correlation id; nil when it is not known any more.
    var explain: @Sendable (String) async -> String?
    /// JSON about how everything stands.
    var status: @Sendable () async -> String
    /// Reads the configuration anew, as SIGHUP does.
    var reload: @Sendable () async -> ReloadAnswer
    /// Ends the process, as SIGTERM does; nil where that is not the proxy's to do.
    var quit: (@Sendable () -> Void)?
}

/// Answers `GET` and `HEAD` of the status page, `/healthz`, `/readyz`, `/metrics`, `/status.json` and `/explain`, and `POST` of `/purge`, `/reload` and `/quit`, under one
/// configuration. Usable from every event loop.
final class AdminService: RequestHandling {
    let activity: Activity
    private let report: AdminReport
    /// Names that may stand in `Host`, besides IP addresses and localhost.
    private let hosts: Set<String>
    private let anyHost: Bool
    private let key: AdminKey
    private let events: EventLog
    private let environment: Environment

    private static let maxFormBytes = 4_096

    init(
        _ report: AdminReport, _ config: Config.Admin, activity: Activity, events: EventLog, environment: Environment
    ) {
        self.report = report
        hosts = Set(config.hosts.map { $0.lowercased() })
        // No web page reaches a unix socket.
        if case .unix? = config.address { anyHost = true } else { anyHost = false }
        key = AdminKey(config)
        self.events = events
        self.environment = environment
        self.activity = activity
    }

    /// The limits of the tools' side, but for bodies.
    static func limits(_ config: Config.Listen) -> ConnectionLimits {
        var limits = ConnectionLimits(config)
        limits.maxBodyBytes = maxFormBytes
        return limits
    }

    // MARK: RequestHandling

    /// It answers until the process ends, so that readiness can be asked for.
    var isDraining: Bool { false }
    /// Probes and operators come as they are.
    var preambles: PreambleRules? { nil }

    func handle(_ exchange: Exchange) {
        let head = exchange.head
        guard let refusal = refusal(head) else {
            if head.method == .post, control(head.path, exchange) { return }
            if head.method != .post, head.path == "/explain" { return explain(exchange) }
            if head.method == .get || head.method == .head, head.path == "/status.json" { return status(exchange) }
            guard head.method == .post, head.framing != .none else { return answer(exchange, content(head, form: "")) }
            let bound = NIOLoopBound(exchange, eventLoop: exchange.executor.eventLoop)
            Task(executorPreference: exchange.executor) { [self] in await purge(bound.value) }
            return
        }
        answer(exchange, refusal)
    }

    func answer(_ failure: WireFailure, to request: RefusedRequest) -> LastAnswer {
        lastAnswer(Failure(failure), peer: request.peer)
    }

    func failed(_ trouble: ConnectionTrouble, peer: String) { events.connection(trouble, peer: peer) }

    func overLimitAnswer(peer: String) -> LastAnswer {
        lastAnswer(
            Failure(
                .tooManyConnections, "Too many connections to the admin address (\(activity.openConnections)).",
                retryAfter: .seconds(1), detail: "admin-connections"),
            peer: peer)
    }

    private func lastAnswer(_ failure: Failure, peer: String) -> LastAnswer {
        let record = ExchangeRecord(
            correlationID: CorrelationID.choose(nil, environment), peer: peer, started: environment.now())
        events.refused(failure, record)
        let answer = failure.answer(
            FailureContext(correlationID: record.correlationID, wallTime: environment.wallTime()))
        return LastAnswer(answer.status, answer.fields, body: answer.body)
    }

    // MARK: Who may ask

    /// A web page on an operator's machine is nobody who may do anything, by its own name or by a name of its that DNS
    /// leads here.
    private func refusal(_ head: RequestHead) -> AdminAnswer? {
        if !anyHost, let authority = head.authority, !isOwn(authority) {
            return .error(
                .forbidden, "OriginNotAllowed",
                "Call the admin address by an IP address, as localhost, or by a name in admin.hosts.")
        }
        if head.method == .post, isForeign(head) {
            return .error(.forbidden, "OriginNotAllowed", "Web pages of other origins may not do this.")
        }
        switch key.judge(head) {
        case .admitted: return nil
        case .missing: return .unauthorized("HeaderNotFound", "This needs the admin key (admin.key_sha256)")
        case .wrong: return .unauthorized("InvalidCallerKey", "This is not the admin key (admin.key_sha256)")
        }
    }

    private func isOwn(_ authority: Authority) -> Bool {
        authority.isLoopback || hosts.contains(authority.host)
            || (try? SocketAddress(ipAddress: authority.host, port: 0)) != nil
    }

    private func isForeign(_ head: RequestHead) -> Bool {
        let own = ["http://" + head.authorityText.lowercased(), "https://" + head.authorityText.lowercased()]
        if head.fields[values: .origin].contains(where: { !own.contains($0.lowercased()) }) { return true }
        return !["none", "same-origin"].contains(head.fields[.secFetchSite]?.lowercased() ?? "none")
    }

    // MARK: Controls

    /// Does what the path asks of the process itself; false where it asks for something else. A body says nothing here.
    private func control(_ path: String, _ exchange: Exchange) -> Bool {
        switch path {
        case "/reload":
            let bound = NIOLoopBound(exchange, eventLoop: exchange.executor.eventLoop)
            Task(executorPreference: exchange.executor) { [self] in
                let reloaded = await report.reload()
                answer(bound.value, AdminAnswer(status: reloaded.status, type: "application/json", body: reloaded.json))
            }
        case "/quit":
            guard let quit = report.quit else { return false }
            answer(exchange, .json(.accepted, "{\"status\":\"ending\"}\n"))
            quit()
        default: return false
        }
        return true
    }

    // MARK: Answers

    private func answer(_ exchange: Exchange, _ answer: AdminAnswer) {
        var fields: HTTPFields = [.contentType: answer.type, .cacheControl: "no-store"]
        if let allow = answer.allow { fields[.allow] = allow }
        if let policy = answer.policy {
            for (name, value) in [
                ("Content-Security-Policy", policy), ("X-Content-Type-Options", "nosniff"),
                ("Referrer-Policy", "no-referrer"),
            ] {
                if let name = HTTPField.Name(name) { fields[name] = value }
            }
        }
        if answer.status == .unauthorized {
            for challenge in AdminKey.challenges {
                fields.append(HTTPField(name: .wwwAuthenticate, value: challenge))
            }
        }
        exchange.respond(answer.status, fields, body: Array(answer.body.utf8))
        exchange.leave()
    }

    private func content(_ head: RequestHead, form: String) -> AdminAnswer {
        if head.path == "/purge" { return purged(head, form: form) }
        if head.path == "/reload" || head.path == "/quit" && report.quit != nil { return .onlyPost }
        guard head.method == .get || head.method == .head else {
            return .onlyGet
        }
        switch head.path {
        case "/healthz": return .json(.ok, "{\"status\":\"alive\"}\n")
        case "/readyz":
            let reasons = report.notReady()
            if !reasons.isEmpty { return .state(.serviceUnavailable, "not ready", reasons) }
            let troubles = report.degraded()
            return troubles.isEmpty ? .json(.ok, "{\"status\":\"ready\"}\n") : .state(.ok, "degraded", troubles)
        case "/metrics":
            let format = MetricsFormat(accept: head.fields[.accept])
            return AdminAnswer(status: .ok, type: format.contentType, body: format.text(report.metrics()))
        case "/": return page()
        default:
            return .error(
                .notFound, "NotFound",
                "Here are /, /healthz, /readyz, /metrics, /status.json and /explain?id=, and POST /purge, /reload and /quit."
            )
        }
    }

    private func page() -> AdminAnswer {
        let (high, low) = environment.randomBits()
        let nonce = String(high, radix: 36) + String(low, radix: 36)
        var answer = AdminAnswer(status: .ok, type: "text/html; charset=utf-8", body: StatusPage.html(nonce: nonce))
        answer.policy = StatusPage.policy(nonce: nonce)
        return answer
    }

    private func explain(_ exchange: Exchange) {
        guard exchange.head.method == .get || exchange.head.method == .head else { return answer(exchange, .onlyGet) }
        let bound = NIOLoopBound(exchange, eventLoop: exchange.executor.eventLoop)
        Task(executorPreference: exchange.executor) { [self] in
            answer(bound.value, await explained(bound.value.head))
        }
    }

    private func status(_ exchange: Exchange) {
        let bound = NIOLoopBound(exchange, eventLoop: exchange.executor.eventLoop)
        Task(executorPreference: exchange.executor) { [self] in
            answer(bound.value, .json(.ok, await report.status() + "\n"))
        }
    }

    private func explained(_ head: RequestHead) async -> AdminAnswer {
        let query = head.target.split(separator: "?", maxSplits: 1).dropFirst().first.map(String.init) ?? ""
        guard let id = FormText.pairs(query).first(where: { $0.name == "id" })?.value, !id.isEmpty else {
            return .error(.badRequest, "InvalidRequest", "Say whose request: /explain?id=CORRELATION-ID.")
        }
        guard let json = await report.explain(id) else {
            return .error(
                .notFound, "RequestNotFound",
                "None of the last \(RecentRequests.capacity) requests has this correlation id (x-correlation-id).")
        }
        return .json(.ok, json + "\n")
    }

    private func purge(_ exchange: Exchange) async {
        var form = ByteBuffer()
        do throws(RequestBodyError) {
            while let part = try await exchange.nextBodyPart() { form.writeImmutableBuffer(part) }
            answer(exchange, content(exchange.head, form: String(buffer: form)))
        } catch {
            guard case .failed(let cause) = error else { return exchange.leave() }
            let failure = Failure(cause)
            let row = failure.reason.row(.other)
            answer(exchange, .error(row.status, row.code, failure.message))
        }
    }

    private func purged(_ head: RequestHead, form: String) -> AdminAnswer {
        guard head.method == .post else { return .onlyPost }
        let query = head.target.split(separator: "?", maxSplits: 1).dropFirst().first.map(String.init) ?? ""
        guard let request = PurgeRequest(form: query.isEmpty ? form : query) else {
            return .error(.badRequest, "InvalidRequest", "Say one of ?all, ?itwin=ID and ?tag=TAG.")
        }
        guard let count = report.purge(request) else {
            return .error(.conflict, "CacheDisabled", "The cache is turned off (cache.enabled).")
        }
        return .json(.ok, "{\"purged\":\(count)}\n")
    }
}

/// What the admin listener answers.
private struct AdminAnswer {
    var status: HTTPResponse.Status
    var type: String
    var body: String
    var allow: String?
    /// What a browser may do with it; nil for what is no document.
    var policy: String?

    static func json(_ status: HTTPResponse.Status, _ body: String) -> AdminAnswer {
        AdminAnswer(status: status, type: "application/json", body: body)
    }

    static func unauthorized(_ code: String, _ problem: String) -> AdminAnswer {
        error(
            .unauthorized, code,
            problem
                + ": send it as 'Authorization: Bearer KEY' or 'X-Api-Key: KEY'; commands take it from CLASH_ADMIN_KEY."
        )
    }

    static func state(_ status: HTTPResponse.Status, _ word: String, _ reasons: [String]) -> AdminAnswer {
        let list = reasons.map { "\"\(JSONText.escaped($0))\"" }.joined(separator: ",")
        return json(status, "{\"status\":\"\(word)\",\"reasons\":[\(list)]}\n")
    }

    static let onlyGet = error(
        .methodNotAllowed, "MethodNotAllowed", "Only GET and HEAD here.", allow: "GET, HEAD")
    static let onlyPost = error(.methodNotAllowed, "MethodNotAllowed", "Only POST here.", allow: "POST")

    static func error(
        _ status: HTTPResponse.Status, _ code: String, _ message: String, allow: String? = nil
    ) -> AdminAnswer {
        AdminAnswer(
            status: status, type: "application/json",
            body: "{\"error\":{\"code\":\"\(code)\",\"message\":\"\(JSONText.escaped(message))\"}}\n", allow: allow)
    }
}
