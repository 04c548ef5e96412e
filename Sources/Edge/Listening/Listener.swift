// Opens a listening socket (TCP, IPv6 or unix), for tools or for operators, and gives every connection its lean pipeline.

import Glibc
import NIOCore
import NIOPosix

/// A listening socket.
package struct Listener: Sendable {
    /// The socket. Closing it ends nothing that was accepted.
    package let channel: any Channel
    /// Where it listens: `http://127.0.0.1:8080`, `https://[::1]:8443`, or `unix:/path.sock`.
    package let url: String
    /// Of a unix socket that was bound here.
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
        var file: SocketFile?
        if case .unix(let path, _) = address { file = SocketFile(path) }
        return Listener(channel: channel, url: url(of: channel, address, isTLS: pipeline.tls != nil), file: file)
    }

    private static func bind(
        _ bootstrap: ServerBootstrap, to address: ListenPlace, key: String
    ) async throws -> any Channel {
        do {
            switch address {
            case .tcp(let host, let port): return try await bootstrap.bind(host: host, port: port).get()
            case .unix(let path, let mode):
                return try await adopt(try StaleSocket.bind(path, mode: mode), bootstrap)
            case .inherited(let socket): return try await adopt(socket.descriptor, bootstrap)
            }
        } catch {
            throw ListenError(address: address, key: key, underlying: error)
        }
    }

    private static func url(of channel: any Channel, _ place: ListenPlace, isTLS: Bool) -> String {
        let scheme = isTLS ? "https" : "http"
        switch place {
        case .unix: return place.description
        case .inherited(let socket): return url(of: channel, socket.place, isTLS: isTLS)
        // The port may be one that was picked.
        case .tcp(let host, let port):
            return "\(scheme)://\(ListenPlace.tcp(host: host, port: channel.localAddress?.port ?? port))"
        }
    }

    private static func adopt(_ descriptor: CInt, _ bootstrap: ServerBootstrap) async throws -> any Channel {
        let channel = try await bootstrap.withBoundSocket(descriptor).get()
        // NIO gives a socket that it has not bound a backlog of its own.
        listen(descriptor, backlog)
        return channel
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
        if case .unix(let path, _) = address, let io = underlying as? IOError, [ENOENT, ENOTDIR].contains(io.errnoCode)
        {
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
