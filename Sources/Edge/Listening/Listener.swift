// Opens a listening socket (TCP, IPv6 or unix), for tools or for operators, and gives every connection its lean pipeline.

import Glibc
import NIOCore
import NIOPosix

/// A listening socket.
package struct Listener: Sendable {
    /// The socket. Closing it ends nothing that was accepted.
    package let channel: any Channel
    /// Of a unix socket.
    let file: SocketFile?

    private static let backlog: CInt = 1_024

    /// Binds and listens. Throws `ListenError` with what to do about it.
    ///
    /// - Parameters:
    ///   - key: the configuration key that the address stands in.
    ///   - tls: nil: plain. Unix sockets always are.
    ///   - h2c: whether tools that know may speak HTTP/2 where there is no TLS.
    package static func start(
        _ address: ListenPlace, key: String, limits: ConnectionLimits, service: any RequestHandling,
        tls: ListenerTLS? = nil, h2c: Bool = false, group: MultiThreadedEventLoopGroup, trouble: @escaping AcceptTrouble
    ) async throws -> Listener {
        let pipeline = ConnectionPipeline(
            service: service, limits: limits, executors: ExecutorTable(group), tls: address.isUnix ? nil : tls,
            h2c: h2c)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptPause(trouble))
                }
            }
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(
                .writeBufferWaterMark, value: ChannelOptions.Types.WriteBufferWaterMark(low: 32_768, high: 131_072)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try pipeline.begin(on: channel)
                }
            }
        let channel = try await bind(bootstrap, to: address, key: key)
        guard case .unix(let path) = address else { return Listener(channel: channel, file: nil) }
        return Listener(channel: channel, file: SocketFile(path))
    }

    private static func bind(
        _ bootstrap: ServerBootstrap, to address: ListenPlace, key: String
    ) async throws -> any Channel {
        do {
            switch address {
            case .tcp(let host, let port): return try await bootstrap.bind(host: host, port: port).get()
            case .unix(let path):
                let descriptor = try StaleSocket.bind(path)
                let channel = try await bootstrap.withBoundSocket(descriptor).get()
                // NIO gives a socket that it has not bound a backlog of its own.
                listen(descriptor, backlog)
                return channel
            }
        } catch {
            throw ListenError(address: address, key: key, underlying: error)
        }
    }
}

/// The address cannot be listened on.
package struct ListenError: Error, CustomStringConvertible {
    let address: ListenPlace
    /// The configuration key that the address stands in.
    let key: String
    let underlying: any Error

    /// What happened and what to do.
    package var description: String {
        if let io = underlying as? IOError, io.errnoCode == EADDRINUSE {
            return "\(address) is already in use: another clash-proxy or another program listens there. "
                + "Stop it, or choose another \(key)."
        }
        if let io = underlying as? IOError, io.errnoCode == EACCES {
            return "\(address) may not be listened on by this user: choose a port above 1023 or another path."
        }
        if case .unix(let path) = address, let io = underlying as? IOError, [ENOENT, ENOTDIR].contains(io.errnoCode) {
            let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? ""
            return "\(address) cannot be listened on: there is no folder \(folder.isEmpty ? "." : folder). "
                + "Make it, or choose another \(key)."
        }
        return "\(address) cannot be listened on: \(underlying)"
    }
}

/// One executor and one memory of heads for each event loop, alive as long as the listener.
final class ExecutorTable: Sendable {
    private let executors: [ObjectIdentifier: EventLoopExecutor]
    private let heads: [ObjectIdentifier: NIOLoopBoundBox<KnownHeads<KnownRequest>>]

    init(_ group: MultiThreadedEventLoopGroup) {
        var executors: [ObjectIdentifier: EventLoopExecutor] = [:]
        var heads: [ObjectIdentifier: NIOLoopBoundBox<KnownHeads<KnownRequest>>] = [:]
        for loop in group.makeIterator() {
            executors[ObjectIdentifier(loop)] = EventLoopExecutor(loop)
            heads[ObjectIdentifier(loop)] = .makeBoxSendingValue(KnownHeads(), eventLoop: loop)
        }
        self.executors = executors
        self.heads = heads
    }

    /// To be asked for on that loop.
    func knownHeads(_ loop: any EventLoop) -> KnownHeads<KnownRequest> {
        heads[ObjectIdentifier(loop)]?.value ?? KnownHeads()
    }

    subscript(loop: any EventLoop) -> EventLoopExecutor {
        executors[ObjectIdentifier(loop)] ?? EventLoopExecutor(loop)
    }
}
