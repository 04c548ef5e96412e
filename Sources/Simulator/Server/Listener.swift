// Binding a listener: the decoder in front, one handler behind it, nothing else.

import NIOCore
import NIOHTTP1
import NIOPosix

/// Why a simulator could not start.
public enum SimulatorError: Error, Sendable, CustomStringConvertible {
    /// ``Simulator/start()`` was called before.
    case alreadyStarted
    /// The system refused the address.
    case cannotBind(host: String, port: Int, reason: String)

    /// A sentence for people.
    public var description: String {
        switch self {
        case .alreadyStarted: "The simulator has been started before."
        case .cannotBind(let host, let port, let reason): "Cannot listen on \(host):\(port): \(reason)"
        }
    }
}

/// A bound listener.
enum Listener {
    static func bind(
        host: String, port: Int, group: MultiThreadedEventLoopGroup,
        handler: @escaping @Sendable (any Channel) -> ConnectionHandler
    ) async throws(SimulatorError) -> any Channel {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let decoder = ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes))
                    try channel.pipeline.syncOperations.addHandler(decoder)
                    try channel.pipeline.syncOperations.addHandler(handler(channel))
                }
            }
        do {
            return try await bootstrap.bind(host: host, port: port).get()
        } catch {
            throw .cannotBind(host: host, port: port, reason: "\(error)")
        }
    }
}
