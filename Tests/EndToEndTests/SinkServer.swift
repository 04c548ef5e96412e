// A syslog server on loopback, plain or with TLS, that keeps what it is sent.

import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import TestSupport

/// Takes octet-counted messages (RFC 6587).
final class SinkServer: Sendable {
    private final class Store: Sendable {
        let state = Mutex(
            (streams: [ObjectIdentifier: [UInt8]](), order: [ObjectIdentifier](), channels: [any Channel]()))
    }

    private final class Handler: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let store: Store
        init(_ store: Store) { self.store = store }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let id = ObjectIdentifier(context.channel)
            store.state.withLock { state in
                if state.streams[id] == nil { state.order.append(id) }
                state.streams[id, default: []] += unwrapInboundIn(data).readableBytesView
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    private let store = Store()
    private let server: any Channel
    let port: Int

    /// - Parameter files: whose server certificate it shows; nil: it speaks no TLS.
    init(port: Int = 0, files: TLSFolder? = nil) async throws {
        var context: NIOSSLContext?
        if let files {
            context = try NIOSSLContext(
                configuration: .makeServerConfiguration(
                    certificateChain: try NIOSSLCertificate.fromPEMFile(files.certificate).map { .certificate($0) },
                    privateKey: .privateKey(try NIOSSLPrivateKey(file: files.key, format: .pem))))
        }
        let (store, tls) = (store, context)
        server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                store.state.withLock { $0.channels.append(channel) }
                return channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try channel.pipeline.syncOperations.addHandler(Handler(store))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        self.port = server.localAddress?.port ?? 0
    }

    /// What each message holds behind its header, in the order in which they came.
    var messages: [String] {
        store.state.withLock { state in state.order.flatMap { Self.messages(state.streams[$0] ?? []) } }
    }

    /// The messages of a stream; what is no whole frame at its end is left out.
    static func messages(_ stream: [UInt8]) -> [String] {
        var (rest, found) = (stream[...], [String]())
        while let space = rest.firstIndex(of: 0x20), let count = Int(String(decoding: rest[..<space], as: UTF8.self)),
            rest.count > count + (space - rest.startIndex)
        {
            let text = String(decoding: rest[(space + 1)...].prefix(count), as: UTF8.self)
            found.append(body(text))
            rest = rest.dropFirst(space - rest.startIndex + 1 + count)
        }
        return found
    }

    /// Behind the seven parts of the header.
    static func body(_ message: String) -> String {
        String(message.split(separator: " ", maxSplits: 7, omittingEmptySubsequences: false).last ?? "")
    }

    /// Closes all connections and the port.
    func stop() async throws {
        try await server.close()
        for channel in store.state.withLock({ $0.channels }) { channel.close(promise: nil) }
    }
}

/// A table of the configuration.
func sink(_ name: String, _ url: String, _ rest: String = "") -> String {
    "[[audit_sink]]\nname = \"\(name)\"\nurl = \"\(url)\"\n\(rest)\n"
}
