// A connection to one server, for async code. Commands are pipelined: none waits for the reply of another.

import Ground
import NIOCore
import NIOPosix

/// One connection. Safe to use from any thread.
final class RedisConnection: Sendable {
    typealias Answer = RedisHandler.Answer

    let server: RedisServer
    private let channel: any Channel
    private let handler: NIOLoopBound<RedisHandler>

    private init(_ server: RedisServer, _ channel: any Channel, _ handler: NIOLoopBound<RedisHandler>) {
        self.server = server
        self.channel = channel
        self.handler = handler
    }

    /// Connects; with TLS the handshake goes on under the first commands.
    ///
    /// - Parameters:
    ///   - time: for the connection.
    ///   - ended: told once why the connection has ended, on its event loop.
    static func open(
        _ server: RedisServer, tls: RedisTLS?, on group: any EventLoopGroup, within time: Duration,
        ended: @escaping @Sendable (RedisTrouble) -> Void
    ) async throws(RedisTrouble) -> RedisConnection {
        do {
            let bootstrap = ClientBootstrap(group: group)
                .connectTimeout(.nanoseconds(time.clampedNanoseconds))
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            return try await bootstrap.connect(host: server.host, port: server.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(tls.handler(for: server)) }
                    let handler = RedisHandler(ended: ended)
                    try channel.pipeline.syncOperations.addHandler(handler)
                    return RedisConnection(server, channel, NIOLoopBound(handler, eventLoop: channel.eventLoop))
                }
            }
        } catch let trouble as RedisTrouble {
            throw trouble
        } catch {
            throw .unreachable(RedisTrouble.printable(Self.reason(error)))
        }
    }

    /// The reply to a command; an error reply is thrown. `silent` when it does not come in time.
    func call(_ command: RedisCommand, within time: Duration) async throws(RedisTrouble) -> RESPValue {
        let answer = await withCheckedContinuation { (continuation: CheckedContinuation<Answer, Never>) in
            perform {
                $0.send(command, within: .nanoseconds(time.clampedNanoseconds)) { continuation.resume(returning: $0) }
            }
        }
        return try answer.get()
    }

    /// The replies to several commands, sent at once and in this order.
    func call(_ commands: [RedisCommand], within time: Duration) async -> [Answer] {
        await withCheckedContinuation { (continuation: CheckedContinuation<[Answer], Never>) in
            perform { handler in
                var answers: [Answer] = []
                for command in commands {
                    handler.send(command, within: .nanoseconds(time.clampedNanoseconds)) { answer in
                        answers.append(answer)
                        if answers.count == commands.count { continuation.resume(returning: answers) }
                    }
                }
            }
        }
    }

    /// Ends it, a little later: whoever waits for a reply is told `trouble`, and that it has ended is never told from within.
    func close(_ trouble: RedisTrouble = .closed) { channel.eventLoop.execute { self.handler.value.close(trouble) } }

    private func perform(_ body: @escaping @Sendable (RedisHandler) -> Void) {
        if channel.eventLoop.inEventLoop { return body(handler.value) }
        channel.eventLoop.execute { body(self.handler.value) }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            if let first = error.connectionErrors.first { return reason(first.error) }
            return "its name is not known"
        case let error as ChannelError:
            if case .connectTimeout = error { return "no answer to the connection" }
            return "\(error)"
        case let error as IOError: return error.description
        default: return "\(error)"
        }
    }
}
