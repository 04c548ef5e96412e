import NIOCore
import NIOEmbedded
import Testing

@testable import Edge

@Suite("Writes become records")
struct RecordWriterTests {
    private let channel = EmbeddedChannel(handler: RecordWriter())

    private func write(_ count: Int, of byte: UInt8 = 0, _ promise: EventLoopPromise<Void>? = nil) {
        channel.write(ByteBuffer(repeating: byte, count: count), promise: promise)
    }

    private func written() throws -> [ByteBuffer] {
        var buffers: [ByteBuffer] = []
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { buffers.append(buffer) }
        return buffers
    }

    @Test("The head of an answer, its frames' heads and a short body are one")
    func joined() throws {
        for (count, byte) in [(300, 1), (9, 2), (11_000, 3)] as [(Int, UInt8)] { write(count, of: byte) }
        #expect(try written().isEmpty)
        channel.flush()
        let buffers = try written()
        try #require(buffers.count == 1)
        #expect(buffers[0].getBytes(at: 298, length: 13) == [1, 1] + [UInt8](repeating: 2, count: 9) + [3, 3])
        #expect(buffers[0].readableBytes == 11_309)
    }

    @Test("A record that is full does not wait for more, and a long rest is handed on as it is")
    func long() throws {
        write(300, of: 1)
        write(100_000, of: 2)
        write(10, of: 3)
        channel.flush()
        #expect(
            try written().map(\.readableBytes) == [RecordWriter.recordBytes, 100_300 - RecordWriter.recordBytes, 10])
    }

    @Test("However they are cut and flushed, all bytes go out, in their order")
    func order() throws {
        var random = SystemRandomNumberGenerator()
        var (sent, came): ([UInt8], [UInt8]) = ([], [])
        for number in 0..<300 {
            let count = [0, 1, 9, 500, 5_000, 16_383, 16_384, 16_385, 40_000].randomElement(using: &random) ?? 0
            let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: count)
            sent += bytes
            channel.write(ByteBuffer(bytes: bytes), promise: nil)
            if Int.random(in: 0..<3, using: &random) == 0 {
                channel.flush()
                for buffer in try written() { came += buffer.readableBytesView }
                #expect(came.count == sent.count)
            }
        }
        channel.flush()
        for buffer in try written() { came += buffer.readableBytesView }
        #expect(came == sent)
    }

    @Test(
        "Who waits for a write hears of it when all that was written before has gone",
        arguments: [0, 5, 16_384, 50_000])
    func promises(last: Int) throws {
        write(100)
        let promise = channel.eventLoop.makePromise(of: Void.self)
        write(last, promise)
        nonisolated(unsafe) var isWritten = false  // The embedded loop runs on this thread.
        promise.futureResult.whenSuccess { isWritten = true }
        #expect(!isWritten)
        channel.flush()
        #expect(isWritten)
        #expect(try written().reduce(0) { $0 + $1.readableBytes } == 100 + last)
    }

    @Test("What was written before the end is handed on before it")
    func closed() throws {
        let order = Order()
        let channel = EmbeddedChannel(handlers: [order, RecordWriter()])
        channel.write(ByteBuffer(repeating: 1, count: 10), promise: nil)
        channel.close(mode: .output, promise: nil)
        #expect(order.events == ["write 10", "close"])
    }

    private final class Order: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        private(set) var events: [String] = []

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            events.append("write \(unwrapOutboundIn(data).readableBytes)")
            context.write(data, promise: promise)
        }

        func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
            events.append("close")
        }
    }
}
