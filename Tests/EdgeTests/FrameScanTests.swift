// Heads of frames out of bytes that come in any pieces, and how many of them are too many.

import NIOCore
import Testing

@testable import Edge

@Suite struct FrameScanTests {
    private static let bytes: [UInt8] =
        Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        + Array(FrameBytes.settings([(3, 7)]).readableBytesView)
        + Array(FrameBytes.frame(.ping, payload: ByteBuffer(string: "12345678")).readableBytesView)
        + Array(FrameBytes.frame(.settings, flags: 1, payload: ByteBuffer()).readableBytesView)
        + Array(FrameBytes.frame(.headers, flags: 5, stream: 1, payload: ByteBuffer(string: "abc")).readableBytesView)

    /// Everything that is found when the bytes come in these pieces; what is left of one is put in front of the next.
    private static func steps(_ pieces: [[UInt8]]) -> [FrameScan.Step] {
        var scan = FrameScan()
        var left: [UInt8] = []
        var steps: [FrameScan.Step] = []
        for piece in pieces {
            let bytes = left + piece
            bytes.withUnsafeBytes { bytes in
                var index = 0
                while true {
                    let step = scan.advance(bytes, &index)
                    if case .left(let count) = step {
                        left = Array(bytes.suffix(count))
                        return
                    }
                    steps.append(step)
                }
            }
        }
        return steps
    }

    private static let expected: [FrameScan.Step] = [
        .frame(FrameHead(length: 6, type: 4)), .settingsCame, .frame(FrameHead(length: 8, type: 6)),
        .frame(FrameHead(length: 0, type: 4, flags: 1)), .frame(FrameHead(length: 3, type: 1, flags: 5, stream: 1)),
    ]

    @Test("the same frames are found wherever the bytes are cut")
    func anyCut() {
        #expect(Self.steps([Self.bytes]) == Self.expected)
        #expect(Self.steps(Self.bytes.map { [$0] }) == Self.expected)
        for cut in Self.bytes.indices {
            #expect(Self.steps([Array(Self.bytes[..<cut]), Array(Self.bytes[cut...])]) == Self.expected, "at \(cut)")
        }
    }

    @Test("a first SETTINGS without values is complete with its head")
    func empty() {
        let bytes = Array(Self.bytes.prefix(24)) + Array(FrameBytes.settings([]).readableBytesView)
        #expect(Self.steps([bytes + [0]]) == [.frame(FrameHead(length: 0, type: 4)), .settingsCame])
    }

    @Test("the reserved bit is no part of a stream's number, and lengths have three bytes")
    func head() {
        let bytes: [UInt8] = [1, 2, 3, 9, 0xFF, 0x80, 0, 1, 2]
        let head = bytes.withUnsafeBytes { FrameHead($0[0..<9]) }
        #expect(head == FrameHead(length: 0x010203, type: 9, flags: 0xFF, stream: 0x102))
        #expect(head.kind == .continuation && head.hasFirstFlag && head.endsHeaders)
    }
}

@Suite struct FloodGuardTests {
    private static let start = NIODeadline.uptimeNanoseconds(1)
    private static let ping = FrameHead(length: 8, type: 6)

    /// How many come through before there are too many, `every` so often.
    private static func count(_ frame: FrameHead, every: TimeAmount, limit: Int = 20_000) -> Int {
        var floods = FloodGuard()
        var now = start
        for number in 0..<limit {
            if floods.came(frame, now: now) != nil { return number }
            now = now + every
        }
        return limit
    }

    @Test(
        "200 of a kind in ten seconds are never too many, and 10,000 always",
        arguments: [
            FrameHead(length: 4, type: 3, stream: 1), FrameHead(length: 8, type: 6), FrameHead(length: 6, type: 4),
            FrameHead(length: 0, type: 0, stream: 1), FrameHead(length: 0, type: 1, stream: 1),
            FrameHead(length: 5, type: 2, stream: 1), FrameHead(length: 1, type: 0xEF),
        ])
    func bounds(frame: FrameHead) {
        #expect(Self.count(frame, every: .milliseconds(50)) == 20_000)
        #expect(Self.count(frame, every: .nanoseconds(0)) >= 200)
        #expect(Self.count(frame, every: .milliseconds(1)) < 10_000)
        // All at once, again and again.
        var floods = FloodGuard()
        for second in stride(from: Int64(0), to: 100, by: 10) {
            for _ in 0..<200 { #expect(floods.came(frame, now: Self.start + .seconds(second)) == nil) }
        }
    }

    @Test("each kind has an allowance of its own")
    func kinds() {
        var floods = FloodGuard()
        for _ in 0..<Allowance.burst { #expect(floods.came(Self.ping, now: Self.start) == nil) }
        #expect(floods.came(Self.ping, now: Self.start) == .pings)
        #expect(floods.came(FrameHead(length: 4, type: 3, stream: 1), now: Self.start) == nil)
    }

    @Test("DATA with something in it, or with the end of a stream, is never too much")
    func data() {
        #expect(Self.count(FrameHead(length: 16, type: 0, stream: 1), every: .nanoseconds(0)) == 20_000)
        #expect(Self.count(FrameHead(length: 0, type: 0, flags: 1, stream: 1), every: .nanoseconds(0)) == 20_000)
    }

    @Test("small DATA is what a tool sends that writes piece by piece: sixteen of them are one that is empty")
    func smallData() {
        let small = Self.count(FrameHead(length: 1, type: 0, stream: 1), every: .nanoseconds(0))
        let empty = Self.count(FrameHead(length: 0, type: 0, stream: 1), every: .nanoseconds(0))
        #expect(empty < 1_000 && small >= 16 * empty - 16 && small < 16 * 1_000)
    }

    @Test("window updates are earned by streams and by what was sent")
    func windowUpdates() {
        let update = FrameHead(length: 4, type: 8)
        #expect(Self.count(update, every: .nanoseconds(0)) < 1_000)
        var floods = FloodGuard()
        floods.sent(512 * 10_000)
        for _ in 0..<20_000 { #expect(floods.came(update, now: Self.start) == nil) }
        var smallWindow = FloodGuard()
        for _ in 0..<10_000 {
            smallWindow.sent(1)
            for _ in 0..<2 { #expect(smallWindow.came(update, now: Self.start) == nil) }
        }
        var streams = FloodGuard()
        for _ in 0..<10_000 {
            #expect(streams.came(FrameHead(length: 9, type: 1, flags: 5, stream: 1), now: Self.start) == nil)
            #expect(streams.came(update, now: Self.start) == nil && streams.came(update, now: Self.start) == nil)
        }
    }

    @Test("a header block may have so many pieces, and the next one has them anew")
    func continuations() {
        var floods = FloodGuard()
        let (head, piece) = (FrameHead(length: 9, type: 1, stream: 1), FrameHead(length: 9, type: 9, stream: 1))
        for _ in 0..<2 {
            #expect(floods.came(head, now: Self.start) == nil)
            for _ in 0..<FloodGuard.maxContinuations { #expect(floods.came(piece, now: Self.start) == nil) }
        }
        #expect(floods.came(piece, now: Self.start) == .continuations)
    }
}
