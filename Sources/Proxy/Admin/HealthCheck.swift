// Asks a running proxy's admin listener whether it is ready. For container health checks.

import NIOCore
import NIOPosix

/// A one-shot client of `/readyz`.
public enum HealthCheck {
    /// What the proxy said.
    public struct Answer: Sendable {
        /// Whether it answered 200.
        public let isReady: Bool
        /// One line for people.
        public let text: String
    }

    private static let timeout = TimeAmount.seconds(3)

    /// Asks once. Never throws: a proxy that can not be asked is not ready.
    public static func ask(_ address: ListenAddress) async -> Answer {
        let group = MultiThreadedEventLoopGroup.singleton
        let received = group.next().makePromise(of: String.self)
        let bootstrap = ClientBootstrap(group: group).connectTimeout(timeout).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandlers(
                    IdleStateHandler(readTimeout: timeout), ReadToEnd(received))
            }
        }
        let connection: EventLoopFuture<any Channel>
        switch address {
        case .tcp(_, 0):
            received.fail(ChannelError.eof)
            return Answer(isReady: false, text: "admin.address has port 0: the port that was picked is not known here")
        case .tcp(let host, let port): connection = bootstrap.connect(host: reachable(host), port: port)
        case .unix(let path): connection = bootstrap.connect(unixDomainSocketPath: path)
        }
        connection.whenFailure { received.fail($0) }
        guard let answer = try? await received.futureResult.get() else {
            return Answer(isReady: false, text: "nobody answers on \(address)")
        }
        let body = answer.split(separator: "\r\n\r\n", maxSplits: 1).last.map { $0.trimmedSpaces } ?? ""
        return Answer(isReady: answer.hasPrefix("HTTP/1.1 200 "), text: body.filter { $0 != "\n" })
    }

    /// "Every interface" is no address to connect to.
    private static func reachable(_ host: String) -> String {
        switch host {
        case "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        default: host
        }
    }
}

/// Sends the request and collects a small answer until the other side closes.
private final class ReadToEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let received: EventLoopPromise<String>
    private var answer = ""

    init(_ received: EventLoopPromise<String>) { self.received = received }

    func channelActive(context: ChannelHandlerContext) {
        let request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: request)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        answer += String(buffer: unwrapInboundIn(data))
        if answer.utf8.count > 64 << 10 { context.close(promise: nil) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        received.fail(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { received.succeed(answer) }
}
