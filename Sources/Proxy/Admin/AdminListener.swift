// The operators' side: health, readiness, metrics and purges, on an address of its own.

import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOPosix

/// What the admin listener tells. Closures, so that it knows nothing of what it reports on.
struct AdminReport: Sendable {
    /// Empty when ready, else one sentence a reason.
    var notReady: @Sendable () -> [String]
    /// What does not work although the proxy is ready.
    var degraded: @Sendable () -> [String]
    /// Drops stored answers; returns how many, or nil where there is no cache.
    var purge: @Sendable (PurgeRequest) -> Int?
    /// Prometheus text.
    var metrics: @Sendable () -> String
}

/// The admin listening socket.
struct AdminListener {
    let channel: any Channel

    static func start(
        _ address: ListenAddress, report: AdminReport, group: MultiThreadedEventLoopGroup
    ) async throws -> AdminListener {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
                    try channel.pipeline.syncOperations.addHandlers(
                        IdleStateHandler(readTimeout: .seconds(75)), AdminHandler(report))
                }
            }
        do {
            switch address {
            case .tcp(let host, let port):
                return AdminListener(channel: try await bootstrap.bind(host: host, port: port).get())
            case .unix(let path):
                let isStale = try StaleSocket.mayBeRemoved(path)
                return AdminListener(
                    channel: try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: isStale)
                        .get())
            }
        } catch {
            throw ListenError(address: address, key: "admin.address", underlying: error)
        }
    }
}

/// Answers `GET` and `HEAD` of `/healthz`, `/readyz` and `/metrics`, and `POST /purge`.
private final class AdminHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let report: AdminReport
    private var head: HTTPRequestHead?
    private var form = ""

    private static let maxFormBytes = 4096

    init(_ report: AdminReport) { self.report = report }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            form = ""
        case .body(let bytes):
            if form.utf8.count + bytes.readableBytes <= Self.maxFormBytes { form += String(buffer: bytes) }
        case .end:
            if let head { answer(head, context) }
            head = nil
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let (status, body) = content(head)
        let isText = status == .ok && body.hasPrefix("#")
        var headers = HTTPHeaders([
            ("Content-Type", isText ? "text/plain; version=0.0.4; charset=utf-8" : "application/json"),
            ("Content-Length", "\(body.utf8.count)"),
            ("Cache-Control", "no-store"),
        ])
        if !head.isKeepAlive { headers.add(name: "Connection", value: "close") }
        if status == .methodNotAllowed {
            headers.add(name: "Allow", value: Self.path(head) == "/purge" ? "POST" : "GET, HEAD")
        }
        let answer = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
        context.write(wrapOutboundOut(.head(answer)), promise: nil)
        if head.method != .HEAD {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
        }
        let channel = context.channel
        let written = context.writeAndFlush(wrapOutboundOut(.end(nil)))
        if !head.isKeepAlive { written.whenComplete { _ in channel.close(promise: nil) } }
    }

    private static func path(_ head: HTTPRequestHead) -> Substring { head.uri.prefix { $0 != "?" } }

    /// A web page on this machine is nobody who may purge.
    private static func isForeign(_ head: HTTPRequestHead) -> Bool {
        if head.headers.contains(name: "Origin") { return true }
        let site = head.headers.first(name: "Sec-Fetch-Site") ?? "none"
        return site != "none" && site != "same-origin"
    }

    private func purge(_ head: HTTPRequestHead) -> (HTTPResponseStatus, String) {
        guard head.method == .POST else {
            return (.methodNotAllowed, Self.error("MethodNotAllowed", "Only POST here."))
        }
        guard !Self.isForeign(head) else {
            return (.forbidden, Self.error("OriginNotAllowed", "Web pages may not purge."))
        }
        let query = head.uri.split(separator: "?", maxSplits: 1).dropFirst().first.map(String.init) ?? ""
        guard let request = PurgeRequest(form: query.isEmpty ? form : query) else {
            return (.badRequest, Self.error("InvalidRequest", "Say one of ?all, ?itwin=ID and ?tag=TAG."))
        }
        guard let count = report.purge(request) else {
            return (.conflict, Self.error("CacheDisabled", "The cache is turned off (cache.enabled)."))
        }
        return (.ok, "{\"purged\":\(count)}\n")
    }

    private func content(_ head: HTTPRequestHead) -> (HTTPResponseStatus, String) {
        if Self.path(head) == "/purge" { return purge(head) }
        guard head.method == .GET || head.method == .HEAD else {
            return (.methodNotAllowed, Self.error("MethodNotAllowed", "Only GET and HEAD here."))
        }
        switch Self.path(head) {
        case "/healthz": return (.ok, "{\"status\":\"alive\"}\n")
        case "/readyz":
            let reasons = report.notReady()
            if !reasons.isEmpty { return (.serviceUnavailable, Self.status("not ready", reasons)) }
            let troubles = report.degraded()
            return (.ok, troubles.isEmpty ? "{\"status\":\"ready\"}\n" : Self.status("degraded", troubles))
        case "/metrics": return (.ok, report.metrics())
        default: return (.notFound, Self.error("NotFound", "Here are /healthz, /readyz, /metrics and POST /purge."))
        }
    }

    private static func status(_ word: String, _ reasons: [String]) -> String {
        let list = reasons.map { "\"\(JSONText.escaped($0))\"" }.joined(separator: ",")
        return "{\"status\":\"\(word)\",\"reasons\":[\(list)]}\n"
    }

    private static func error(_ code: String, _ message: String) -> String {
        "{\"error\":{\"code\":\"\(code)\",\"message\":\"\(message)\"}}\n"
    }
}
