// Asks a running proxy's admin listener one thing. For the commands that look at or act on a running proxy.

import Configuration
import Edge
import HTTPTypes
import NIOCore
import NIOPosix

/// A one-shot HTTP client of the admin listener.
package enum AdminClient {
    /// What the proxy answered.
    package struct Answer: Sendable {
        /// The HTTP status.
        package let status: Int
        /// The body as text.
        package let body: String
    }

    /// Nobody answered.
    package struct Unreachable: Error, CustomStringConvertible {
        /// For people.
        package let description: String
    }

    private static let timeout = TimeAmount.seconds(3)

    /// Sends one request and waits for its answer, for three seconds at most.
    ///
    /// - Parameters:
    ///   - certificate: what the listener shows where it speaks TLS, beyond loopback: the path of its PEM chain. Nil: there is none.
    ///   - key: the operators' key; nil or empty: none.
    package static func ask(
        _ method: String, _ target: String, at address: ListenAddress, certificate: String?, key: String?
    ) async throws(Unreachable) -> Answer {
        if case .tcp(_, 0) = address {
            throw Unreachable(
                description: "admin.address has port 0: the port that was picked is not known here")
        }
        var lines = ["\(method) \(target) HTTP/1.1", "Host: localhost", "Content-Length: 0", "Connection: close"]
        if let key, !key.isEmpty {
            guard HTTPField.isValidValue(key) else {
                throw Unreachable(description: "CLASH_ADMIN_KEY has a character that no key has: a line end, say")
            }
            lines.append("Authorization: Bearer \(key)")
        }
        let request = lines.joined(separator: "\r\n") + "\r\n\r\n"
        let certificate = address.isLoopback ? nil : certificate
        guard let text = try? await exchange(request, address, certificate), let status = status(text) else {
            let how = certificate.map { ", or not with the certificate in \($0)" } ?? ""
            throw Unreachable(description: "nobody answers on \(address)\(how)")
        }
        let body = text.split(separator: "\r\n\r\n", maxSplits: 1).dropFirst().first.map(String.init) ?? ""
        return Answer(status: status, body: body)
    }

    private static func exchange(
        _ request: String, _ address: ListenAddress, _ certificate: String?
    ) async throws -> String {
        let group = MultiThreadedEventLoopGroup.singleton
        let received = group.next().makePromise(of: String.self)
        let bootstrap = ClientBootstrap(group: group).connectTimeout(timeout).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                if let certificate {
                    try channel.pipeline.syncOperations.addHandler(PinnedClient.handler(certificate: certificate))
                }
                try channel.pipeline.syncOperations.addHandlers(
                    IdleStateHandler(readTimeout: timeout), ReadToEnd(request, received))
            }
        }
        let connection: EventLoopFuture<any Channel> =
            switch address {
            case .tcp(let host, let port): bootstrap.connect(host: reachable(host), port: port)
            case .unix(let path): bootstrap.connect(unixDomainSocketPath: path)
            }
        connection.whenFailure { received.fail($0) }
        return try await received.futureResult.get()
    }

    private static func status(_ text: String) -> Int? {
        guard text.hasPrefix("HTTP/1.1 ") else { return nil }
        return Int(text.dropFirst(9).prefix(3))
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

    private let request: String
    private let received: EventLoopPromise<String>
    private var answer = ""

    private static let maxBytes = 1 << 20

    init(_ request: String, _ received: EventLoopPromise<String>) {
        self.request = request
        self.received = received
    }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: request)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        answer += String(buffer: unwrapInboundIn(data))
        if answer.utf8.count > Self.maxBytes { context.close(promise: nil) }
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
