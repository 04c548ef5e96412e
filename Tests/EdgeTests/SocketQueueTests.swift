// What the other side's kernel has not acknowledged, asked of real sockets.

import NIOCore
import NIOEmbedded
import NIOPosix
import TestSupport
import Testing

@testable import Edge

@Suite(.timeLimit(.minutes(1))) struct SocketQueueTests {
    private final class Accepted: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let promise: EventLoopPromise<any Channel>
        init(_ promise: EventLoopPromise<any Channel>) { self.promise = promise }
        func channelActive(context: ChannelHandlerContext) { promise.succeed(context.channel) }
    }

    @Test("it shrinks as the other side reads, over TCP and over unix sockets", arguments: [true, false])
    func shrinks(overTCP: Bool) async throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/s"
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let promise = loop.makePromise(of: (any Channel).self)
        let bootstrap = ServerBootstrap(group: loop).childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Accepted(promise)) }
        }
        let server =
            try await
            (overTCP
            ? bootstrap.bind(host: "127.0.0.1", port: 0) : bootstrap.bind(unixDomainSocketPath: path)).get()
        let tool =
            try overTCP ? RawClient(port: server.localAddress?.port ?? 0) : RawClient(unixPath: path)
        let channel = try await promise.futureResult.get()
        let unacknowledged: @Sendable () async throws -> Int = {
            try await channel.eventLoop.submit { SocketQueue.unacknowledged(channel) }.get()
        }
        #expect(try await unacknowledged() == 0)
        channel.writeAndFlush(ByteBuffer(repeating: 1, count: 16 << 20), promise: nil)
        var full = 0
        // All that fits is there when it does not change any more.
        while case let now = try await unacknowledged(), now == 0 || now != full {
            full = now
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(full > 0)
        #expect(try await tool.readSome(atLeast: 16 << 20) == 16 << 20)
        // The last acknowledgements are on their way.
        while try await unacknowledged() > 0 { try await Task.sleep(for: .milliseconds(5)) }
        try await channel.close()
        try await server.close()
    }

    @Test("a channel without a socket has nothing to tell")
    func embedded() throws {
        #expect(SocketQueue.unacknowledged(EmbeddedChannel()) == 0)
    }
}
