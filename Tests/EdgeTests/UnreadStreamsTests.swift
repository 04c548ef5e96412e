// Answers that an HTTP/2 tool asks for and does not let us send, on a connection without a socket and by the test's own clock.

import HTTPTypes
import NIOCore
import NIOEmbedded
import TestSupport
import Testing

@testable import Edge

@Suite struct UnreadStreamsTests {
    private static let answer = [UInt8](repeating: 0x7A, count: 200_000)

    /// Notes what goes to the socket.
    private final class Sent: ChannelOutboundHandler {
        typealias OutboundIn = IOData
        private(set) var bytes: [UInt8] = []

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            if case .byteBuffer(let buffer) = unwrapOutboundIn(data) { bytes += buffer.readableBytesView }
            promise?.succeed()
        }

        func take() -> [UInt8] {
            defer { bytes = [] }
            return bytes
        }
    }

    /// One connection whose requests are answered when the test says so.
    private final class Rig {
        let channel = EmbeddedChannel()
        let service = NotingService()
        let room: CountedRoom
        private let sent = Sent()
        /// Bytes of bodies by stream, and what became of it.
        private(set) var received: [UInt32: Int] = [:]
        private(set) var whole: Set<UInt32> = []
        private(set) var resets: [UInt32: UInt32] = [:]

        /// - Parameter window: of each stream; all together may send as much as they like.
        init(window: UInt32, _ room: CountedRoom) throws {
            self.room = room
            service.holds = true
            let limits = ConnectionLimits(
                headerTimeout: .seconds(10), idleTimeout: .seconds(75), maxHeaderBytes: 16 << 10,
                maxBodyBytes: 1 << 20, minBodyRate: 1_024)
            try channel.pipeline.syncOperations.addHandler(sent)
            try HTTP2Pipeline.add(
                to: channel, proxy: service, limits: limits, peer: Peer(address: "peer"),
                executor: EventLoopExecutor(channel.eventLoop), knownHeads: KnownHeads())
            channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
            read(RawFrame.preface + RawFrame.settings([(4, window)]).bytes())
            open(0, 1 << 28)
        }

        func read(_ bytes: [UInt8]) { _ = try? channel.writeInbound(ByteBuffer(bytes: bytes)) }

        /// Lets a stream, or all together, send so much more.
        func open(_ stream: UInt32, _ count: UInt32) {
            read(RawFrame(RawFrame.windowUpdate, stream: stream, RawFrame.big(count)).bytes())
        }

        /// Asks on so many new streams, and answers them.
        func ask(_ count: Int) {
            for _ in 0..<count {
                let block = RawFrame.block([
                    (":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/x"),
                ])
                let stream = UInt32(2 * service.held.count + 1)
                read(RawFrame(RawFrame.headers, flags: 5, stream: stream, block).bytes())
                guard let exchange = service.held.last else { return }
                exchange.room = room
                exchange.respond(.ok, [:], body: UnreadStreamsTests.answer)
                exchange.leave()
            }
        }

        func pass(_ time: TimeAmount) {
            channel.embeddedEventLoop.advanceTime(by: time)
            look()
        }

        private func look() {
            var bytes = sent.take()[...]
            while bytes.count >= 9 {
                let head = Array(bytes.prefix(9))
                let length = head[..<3].reduce(0) { $0 << 8 | Int($1) }
                let stream = head[5...].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                let payload = bytes.dropFirst(9).prefix(length)
                bytes = bytes.dropFirst(9 + length)
                if head[3] == RawFrame.data {
                    received[stream, default: 0] += length
                    if head[4] & 1 == 1 { whole.insert(stream) }
                }
                if head[3] == RawFrame.reset { resets[stream] = payload.reduce(0) { $0 << 8 | UInt32($1) } }
            }
        }
    }

    @Test("what there is room for stays, what was lent goes after a second in which nothing is read")
    func bounded() throws {
        let rig = try Rig(window: 0, CountedRoom(450_000, lendable: 2_000_000))
        rig.ask(8)
        rig.pass(UnsentAnswer.patience - .nanoseconds(1))
        #expect(rig.resets.isEmpty)
        rig.pass(.nanoseconds(1))
        #expect(rig.resets == [5: 8, 7: 8, 9: 8, 11: 8, 13: 8, 15: 8] && rig.room.lendable == 2_000_000)
        for stream in [1, 3] as [UInt32] { rig.open(stream, 1 << 20) }
        rig.pass(.zero)
        #expect(rig.whole == [1, 3] && rig.received == [1: 200_000, 3: 200_000])
        #expect(rig.room.free == 450_000)
    }

    @Test("what there is no room for at all goes at once")
    func refused() throws {
        let rig = try Rig(window: 0, CountedRoom(250_000, lendable: 250_000))
        rig.ask(4)
        rig.pass(.zero)
        #expect(rig.resets == [5: 8, 7: 8])
        rig.open(1, 1 << 20)
        rig.open(3, 1 << 20)
        rig.pass(.zero)
        #expect(rig.whole == [1, 3])
    }

    @Test("while the tool reads something, be it of another stream, it keeps what was lent")
    func slow() throws {
        let rig = try Rig(window: 0, CountedRoom(250_000, lendable: 250_000))
        rig.ask(2)
        for _ in 0..<4 {
            rig.pass(UnsentAnswer.patience - .milliseconds(1))
            rig.open(1, 10)
        }
        #expect(rig.resets.isEmpty && rig.received == [1: 30])
        rig.pass(UnsentAnswer.patience - .milliseconds(1))
        #expect(rig.resets.isEmpty)
        rig.pass(.milliseconds(1))
        #expect(rig.resets == [3: 8])
    }

    @Test("a tool that reads gets more at once than may lie unread")
    func readers() throws {
        let rig = try Rig(window: 1 << 20, CountedRoom(0))
        rig.ask(12)
        rig.pass(UnsentAnswer.patience)
        #expect(rig.whole.count == 12 && rig.resets.isEmpty)
    }
}
