// A client that shows bytes: it sends what it is given and tells what came, including how the connection ended.
// Waits end by bytes, by the peer's close, or by the suite's time limit, never by a sleep.

import NIOCore
import NIOPosix
import Synchronization

/// One TCP connection to a simulator.
final class RawConnection: Sendable {
    enum Ending: Sendable { case eof, reset }

    private struct State {
        var bytes: [UInt8] = []
        var ending: Ending?
        var waiter: CheckedContinuation<Void, Never>?
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let owner: RawConnection
        init(_ owner: RawConnection) { self.owner = owner }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let buffer = unwrapInboundIn(data)
            owner.change { $0.bytes += buffer.readableBytesView }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            owner.change { $0.ending = $0.ending ?? .reset }
            context.close(promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            owner.change { $0.ending = $0.ending ?? .eof }
        }
    }

    private let state = Mutex(State())
    private let channel = Mutex<(any Channel)?>(nil)

    static func open(port: Int) async throws -> RawConnection {
        let connection = RawConnection()
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(connection))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        connection.channel.withLock { $0 = channel }
        return connection
    }

    func send(_ text: String) async throws {
        let channel = channel.withLock { $0 }
        try await channel?.writeAndFlush(ByteBuffer(string: text))
    }

    func close() async {
        let channel = channel.withLock { $0 }
        try? await channel?.close()
    }

    /// Stops and starts taking bytes from the socket.
    func setReading(_ reads: Bool) async throws {
        let channel = channel.withLock { $0 }
        try await channel?.setOption(.autoRead, value: reads).get()
    }

    /// Takes one response off the stream; nil when the connection ends before it is complete.
    func response(head: Bool = false) async -> RawResponse? {
        while true {
            let (bytes, ending) = state.withLock { ($0.bytes, $0.ending) }
            if let (response, used) = RawResponse.parse(bytes, isHead: head, ended: ending != nil) {
                state.withLock { $0.bytes.removeFirst(used) }
                return response
            }
            if ending != nil { return nil }
            await change(after: bytes.count)
        }
    }

    /// Everything until the end, and how it ended.
    func end() async -> (bytes: [UInt8], ending: Ending) {
        while true {
            let (bytes, ending) = state.withLock { ($0.bytes, $0.ending) }
            if let ending { return (bytes, ending) }
            await change(after: bytes.count)
        }
    }

    /// Waits for at least so many bytes that nobody has taken.
    func bytes(atLeast count: Int) async -> [UInt8] {
        while true {
            let (bytes, ending) = state.withLock { ($0.bytes, $0.ending) }
            if bytes.count >= count || ending != nil { return bytes }
            await change(after: bytes.count)
        }
    }

    private func change(after count: Int) async {
        await withCheckedContinuation { continuation in
            state.withLock { state in
                if state.bytes.count != count || state.ending != nil {
                    continuation.resume()
                } else {
                    state.waiter = continuation
                }
            }
        }
    }

    private func change(_ body: (inout State) -> Void) {
        state.withLock { state in
            body(&state)
            state.waiter?.resume()
            state.waiter = nil
        }
    }
}
