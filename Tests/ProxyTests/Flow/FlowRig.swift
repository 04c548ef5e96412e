// The whole proxy behind its listeners, in process: front desk, flow, cache, audit log and gate as they are; the edge,
// upstream, the token endpoint and the clock are the test's.

import Audit
import ClashAPI
import Configuration
import CurlTransport
import Glibc
import Ground
import HTTPTypes
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import RateLimiting
import TestSupport
import Testing
import Tokens

@testable import Edge
@testable import Proxy

/// One proxy. Usable from every thread.
final class FlowRig: Sendable {
    let clock = TestClock()
    let upstream: FakeUpstream
    let service: ProxyService
    let audit: AuditTrail?
    private let loop: any EventLoop
    private let accessLog: Int32
    private let accessWriter: LineWriter
    private let folder: TemporaryFolder

    /// Gives a token at once.
    private struct Endpoint: TokenEndpoint {
        func post(_ request: TokenRequest) async throws(TokenEndpointFailure) -> TokenEndpointAnswer {
            let body = #"{"access_token":"token-1","token_type":"Bearer","expires_in":3600}"#
            return TokenEndpointAnswer(status: 200, contentType: "application/json", body: Array(body.utf8))
        }
    }

    init(_ upstream: FakeUpstream = FakeUpstream(), _ change: (inout Config) -> Void = { _ in }) async throws {
        self.upstream = upstream
        let folder = try TemporaryFolder()
        self.folder = folder
        var config = Config()
        config.audit.path = folder.path + "/audit"
        change(&config)
        loop = MultiThreadedEventLoopGroup.singleton.next()
        let environment = Environment.test(clock)
        let events = EventLog(
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, environment: environment, windows: [])
        let tokens = TokenSource(
            configuration: .init(clientID: "client", clientSecret: ClientSecret("secret")), endpoint: Endpoint(),
            time: environment.time, log: { _ in })
        _ = try await tokens.current()
        let origin = try #require(Origin(url: "https://api.bentley.com"))
        let settings = UpstreamSettings(
            origin: origin, firstByteTimeout: .seconds(30), stallTimeout: .seconds(30), pseudonym: "clash-proxy-me")
        let pacing = Pacing(
            GateLimits(
                windows: config.rate.windows, runWindows: config.rate.runWindows, maxInFlight: config.rate.maxInFlight,
                maxWait: config.rate.maxWait), passesTokens: false, time: environment.time)
        let health = UpstreamHealth(
            transport: upstream, origin: origin, gate: pacing.gate, events: events, environment: environment)
        let cache = config.cache.enabled ? PageCache(config.cache, environment: environment) : nil
        let traffic = Traffic()
        let sender = UpstreamSender(
            settings: settings, transport: upstream, credentials: .own(tokens), pacing: pacing,
            health: health,
            retries: RetryPolicy(budget: RetryBudget(), backoff: Backoff(first: .zero), environment: environment),
            maxWait: config.rate.maxWait, events: events, traffic: traffic,
            environment: environment)
        let reader = ObjectReader(
            sender: sender, cached: { cache?.snapshot($0, $1) }, settling: SettlingTasks(), environment: environment)
        audit = try await AuditStartup.open(
            config, software: "test", reader: reader, environment: environment, events: events,
            traffic: traffic)
        let links = LinkSettings(
            rules: [try LinkRule(prefix: "https://api.bentley.com")], allowPrefixes: config.upstream.allowPrefixes,
            publicURL: nil)
        accessLog = open(folder.path + "/access.log", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        accessWriter = LineWriter(descriptor: accessLog)
        let flow = RequestFlow(
            sender: sender, links: links,
            reads: cache.map {
                CachedReads(
                    cache: $0, sender: sender, links: links, maxWait: config.rate.maxWait, environment: environment)
            }, audit: audit, onlyOnce: OnlyOnce(folder: config.audit.path, environment: environment),
            settler: StartSettler(reader: reader, environment: environment), heldBytes: 1 << 20,
            minRate: config.listen.minRate, environment: environment,
            accessLog: AccessLog(format: .text, writer: accessWriter))
        service = ProxyService(
            desk: FrontDesk(config, pseudonym: settings.pseudonym), flow: flow, activity: Activity(maxConnections: 1),
            held: HeldBytes(limit: 64 << 20, largestBody: 10 << 20),
            environment: environment)
    }

    // MARK: Tools

    /// A request that goes on; its tool can leave.
    struct Call: Sendable {
        fileprivate let exchange: NIOLoopBound<(Exchange, FakeEdge)>
        fileprivate let reply: EventLoopFuture<Reply>

        /// What came of it.
        func value() async throws -> Reply { try await reply.get() }

        /// The tool closes its connection.
        func leave() {
            reply.eventLoop.execute {
                exchange.value.0.connectionLost()
                exchange.value.1.close(isReusable: false)
            }
        }

        /// The rest of its body will not come.
        func breakBody() { reply.eventLoop.execute { exchange.value.0.failBody(.invalid("It breaks off.")) } }

        /// The time to drain is over.
        func cutShort() { reply.eventLoop.execute { exchange.value.0.cut(.shuttingDown) } }
    }

    /// Begins a request.
    func begin(
        _ method: HTTPMethod, _ target: String, _ headers: [(String, String)] = [], body: String? = nil,
        isWhole: Bool = true
    ) async throws -> Call {
        let length = body.map { [("Content-Length", String($0.utf8.count + (isWhole ? 0 : 1)))] } ?? []
        let head = try head(method, target, [("Host", "localhost")] + headers + length)
        let offered = headers.first { $0.0 == "x-correlation-id" }?.1
        let over = loop.makePromise(of: Reply.self)
        let exchange = try await loop.submit { [self] in
            let edge = FakeEdge(over)
            let exchange = Exchange(
                head: head, known: nil, client: Peer(address: "127.0.0.1"), offeredID: offered,
                maxBodyBytes: 1 << 20, connection: edge, executor: EventLoopExecutor(loop))
            if let body { exchange.receivedBody(ByteBuffer(string: body)) }
            if isWhole { exchange.receivedEnd() }
            let bound = NIOLoopBound((exchange, edge), eventLoop: loop)
            service.handle(exchange)
            return bound
        }.get()
        return Call(exchange: exchange, reply: over.futureResult)
    }

    /// A request and its answer.
    func call(
        _ method: HTTPMethod, _ target: String, _ headers: [(String, String)] = [], body: String? = nil
    ) async throws -> Reply {
        try await begin(method, target, headers, body: body).value()
    }

    /// A read and its answer.
    func get(_ target: String, _ headers: [(String, String)] = []) async throws -> Reply {
        try await call(.GET, target, headers)
    }

    // MARK: What is written down

    /// The audit log as it stands on disk.
    var auditText: String {
        var text = ""
        guard let directory = opendir(folder.path + "/audit") else { return text }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix("audit-"), name.hasSuffix(".jsonl") {
                text += (try? TextFile.read("\(folder.path)/audit/\(name)")) ?? ""
            }
        }
        return text
    }

    /// Waits until every visit has ended. Says whether no place upstream is taken then, and nobody fetches.
    func quiet() async -> Bool {
        await service.activity.waitUntilQuiet()
        await service.reads?.counts.fetches.waitUntilQuiet()
        return MetricsFormat.prometheus.text(service.samples).contains("\nclash_proxy_in_flight 0\n")
    }

    /// The access log, once the proxy is done: call it last.
    func accessLines() -> [String] {
        accessWriter.close()
        lseek(accessLog, 0, SEEK_SET)
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = read(accessLog, &buffer, buffer.count), count > 0 { text += buffer[..<count] }
        close(accessLog)
        return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
