// Where the browser comes back to: a listener on loopback that answers one request on each connection (RFC 8252
// section 7.3). It knows nothing of codes; what a request means is for whoever is handed the visit to say.

import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import Tokens

/// One GET of a browser, waiting for its answer.
struct BrowserVisit: Sendable {
    /// The request target: path and query. May hold a code.
    let target: String
    fileprivate let channel: any Channel

    /// Answers with a page and closes. Returns when it was sent, or could not be.
    func answer(_ status: Int, _ page: String) async {
        let head = RedirectListener.head(HTTPResponseStatus(statusCode: status), page)
        channel.write(HTTPServerResponsePart.head(head), promise: nil)
        channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: page))), promise: nil)
        try? await channel.writeAndFlush(HTTPServerResponsePart.end(nil)).get()
        try? await channel.close()
    }
}

/// The listening sockets of one sign-in.
struct RedirectListener: Sendable {
    private static let path = "/signin-callback"
    /// Nobody's browser needs longer to send a request.
    private static let idle = TimeAmount.seconds(30)

    private let channels: [any Channel]
    /// What the issuer has to send the browser back to.
    let redirectURI: String

    /// Listens on both loopback addresses, since a browser may take either for `localhost`; `port` 0 picks one.
    static func start(
        port: Int, onVisit: @escaping @Sendable (BrowserVisit) -> Void
    ) async throws(LoginFailure) -> RedirectListener {
        // Of the ports that are free on one address, one that somebody has on the other is left alone.
        for _ in 0..<8 {
            let first: any Channel
            do { first = try await bind("127.0.0.1", port, onVisit) } catch { throw failure(port, error) }
            let chosen = first.localAddress?.port ?? port
            var channels = [first]
            do {
                channels.append(try await bind("::1", chosen, onVisit))
            } catch let error as IOError where error.errnoCode == EADDRINUSE {
                try? await first.close()
                guard port == 0 else { throw failure(port, error) }
                continue
            } catch {
                // This machine has no IPv6.
            }
            return RedirectListener(channels: channels, redirectURI: "http://localhost:\(chosen)\(path)")
        }
        throw LoginFailure("no port is free on both 127.0.0.1 and [::1]: set token.redirect_port")
    }

    func close() async {
        for channel in channels { try? await channel.close() }
    }

    private static func bind(
        _ host: String, _ port: Int, _ onVisit: @escaping @Sendable (BrowserVisit) -> Void
    ) async throws -> any Channel {
        try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
                    try channel.pipeline.syncOperations.addHandlers(
                        IdleStateHandler(readTimeout: idle), VisitHandler(onVisit))
                }
            }
            .bind(host: host, port: port).get()
    }

    private static func failure(_ port: Int, _ error: any Error) -> LoginFailure {
        let place = "port \(port) of this machine cannot be listened on"
        guard let code = (error as? IOError)?.errnoCode else { return LoginFailure(place) }
        return LoginFailure("\(place) for the browser (token.redirect_port): \(String(cString: strerror(code)))")
    }

    fileprivate static func head(_ status: HTTPResponseStatus, _ page: String) -> HTTPResponseHead {
        var fields = HTTPHeaders(SignInPage.headers.map { ($0.name, $0.value) })
        fields.add(name: "Content-Length", value: "\(page.utf8.count)")
        fields.add(name: "Connection", value: "close")
        return HTTPResponseHead(version: .http1_1, status: status, headers: fields)
    }
}

/// Makes a visit of the first request of a connection.
private final class VisitHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let onVisit: @Sendable (BrowserVisit) -> Void
    private var head: HTTPRequestHead?
    private var isDone = false

    init(_ onVisit: @escaping @Sendable (BrowserVisit) -> Void) { self.onVisit = onVisit }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end:
            guard let head, !isDone else { return }
            isDone = true
            guard head.method == .GET else { return refuse(context) }
            onVisit(BrowserVisit(target: head.uri, channel: context.channel))
        }
    }

    private func refuse(_ context: ChannelHandlerContext) {
        var head = RedirectListener.head(.methodNotAllowed, "")
        head.headers.add(name: "Allow", value: "GET")
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A visit waits for its answer as long as the exchange of its code takes.
        if event is IdleStateHandler.IdleStateEvent, !isDone { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
