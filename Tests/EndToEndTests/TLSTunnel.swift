// A way to a TLS listener for clients that know bytes only: what they send to it goes on through a TLS connection of its own.

import NIOCore
import NIOPosix
import NIOSSL
import TestSupport

/// Each connection to `port` is one to the listener.
struct TLSTunnel {
    private let server: any Channel
    let port: Int

    /// - Parameters:
    ///   - port: of the TLS listener.
    ///   - client: whose certificate is shown, where it is one of `TLSFolder.write`.
    ///   - protocols: what is asked for by ALPN.
    init(to port: Int, _ files: TLSFolder, client: String? = nil, protocols: [String] = ["h2"]) async throws {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .file(files.ca)
        tls.certificateVerification = .noHostnameVerification
        tls.applicationProtocols = protocols
        if let client {
            tls.certificateChain = try NIOSSLCertificate.fromPEMFile(files.path("\(client).pem"))
                .map { .certificate($0) }
            tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: files.path("\(client).key"), format: .pem))
        }
        let context = try NIOSSLContext(configuration: tls)
        server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { near in
                ClientBootstrap(group: near.eventLoop)
                    .channelInitializer { far in
                        far.eventLoop.makeCompletedFuture {
                            try far.pipeline.syncOperations.addHandlers(
                                NIOSSLClientHandler(context: context, serverHostname: nil), Relay(to: near))
                        }
                    }
                    .connect(host: "127.0.0.1", port: port)
                    .flatMap { far in
                        near.eventLoop.makeCompletedFuture {
                            try near.pipeline.syncOperations.addHandler(Relay(to: far))
                        }
                    }
                    .flatMap { near.setOption(.autoRead, value: true) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        self.port = server.localAddress?.port ?? 0
    }

    func connect() throws -> RawClient { try RawClient(port: port) }

    /// A connection that speaks HTTP/2.
    func connect2() async throws -> HTTP2Client { try await HTTP2Client(connect()) }

    func stop() async throws { try await server.close() }
}

/// Hands bytes on to the other side, and its end.
private final class Relay: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let other: any Channel

    init(to other: any Channel) { self.other = other }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        other.writeAndFlush(unwrapInboundIn(data), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        other.writeAndFlush(ByteBuffer()).whenComplete { [other] _ in other.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
