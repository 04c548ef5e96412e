// What a sink surely has, when it is tried again, and how its messages are framed.

import Ground
import TestSupport
import Testing

@testable import Audit
@testable import Proxy

@Suite("Sinks of the audit log") struct SinkTests {
    private let start = ContinuousClock.now

    private func head(_ seq: UInt64) -> AuditHead { AuditHead(seq: seq, hash: "\(seq)") }

    @Test("what a sink confirms it has; what it never answers it has when the connection lived on for a minute")
    func patience() {
        var progress = SinkProgress(at: .empty)
        progress.delivered(head(3), bytes: 100, isConfirmed: true, now: start)
        #expect(progress.position == head(3) && progress.settlesAt == nil)
        progress.delivered(head(4), bytes: 100, isConfirmed: false, now: start)
        progress.delivered(head(5), bytes: 100, isConfirmed: false, now: start + .seconds(20))
        #expect(progress.settle(now: start + .seconds(59)) == false && progress.position == head(3))
        #expect(progress.settlesAt == start + .seconds(60) && progress.sent == head(5))
        #expect(progress.settle(now: start + .seconds(60)) && progress.position == head(4))
        #expect(progress.settle(now: start + .seconds(80)) && progress.position == head(5))
    }

    @Test("what more was written behind than all buffers hold, it has read")
    func buffers() {
        var progress = SinkProgress(at: .empty)
        for seq in 1...20 {
            progress.delivered(head(UInt64(seq)), bytes: 1 << 20, isConfirmed: false, now: start)
        }
        #expect(progress.settle(now: start) && progress.position == head(3))
    }

    @Test("a connection that ends in good order has been read; one that breaks is sent again from what is sure")
    func ends() {
        var progress = SinkProgress(at: head(1))
        progress.delivered(head(4), bytes: 1, isConfirmed: false, now: start)
        progress.ended(isClean: true)
        #expect(progress.position == head(4) && progress.settlesAt == nil && !progress.isFragile)
        progress.delivered(head(6), bytes: 1, isConfirmed: false, now: start)
        progress.ended(isClean: false)
        #expect(progress.position == head(4) && progress.sent == head(4) && progress.downSince == nil)
        #expect(progress.isFragile, "it gets one at a time from now on, until it has proved to read them")
        progress.delivered(head(5), bytes: 1, isConfirmed: false, now: start)
        #expect(progress.isFragile && progress.settle(now: start + .seconds(60)) && !progress.isFragile)
    }

    @Test("what fails is tried again within five seconds, for ever, and is down since the first failure")
    func retries() throws {
        var progress = SinkProgress(at: .empty)
        var now = start
        for _ in 0..<1_000 {
            progress.failed(now: now)
            let next = try #require(progress.retryAt)
            // A connection takes four seconds at most to fail.
            #expect(next > now && next - now <= .seconds(1))
            now = next + .seconds(4)
        }
        #expect(progress.downSince == start)
        progress.delivered(head(1), bytes: 1, isConfirmed: true, now: now)
        #expect(progress.downSince == nil && progress.retryAt == nil)
    }

    @Test("a message is the line byte for byte behind an RFC 5424 header, and is framed by its bytes")
    func syslog() throws {
        let line = Array(
            #"{"seq":7,"time":"2026-11-22T07:41:03.004211Z","event":"intent","reason":"é","snapshot":{},"prev":"\#(AuditHead.empty.hash)","hash":"\#(AuditHead.empty.hash)"}"#
                .utf8)
        let found = FollowedRecord(line.span)
        let record = try #require(found)
        let format = SyslogFormat(host: "host a", process: 42)
        let header = "<109>1 2026-11-22T07:41:03.004211Z host-a clash-proxy 42 intent - "
        var out: [UInt8] = []
        for _ in 0..<2 { format.appendFrame(record, to: &out) }
        let frame = Array("\(header.utf8.count + line.count) \(header)".utf8) + line
        #expect(out == frame + frame)
        let datagram = try #require(format.datagram(record))
        #expect(
            String(decoding: datagram, as: UTF8.self) == header
                + String(decoding: line, as: UTF8.self).replacing(",\"snapshot\":{}", with: ""))
        let long = Array(
            String(decoding: line, as: UTF8.self).replacing("é", with: String(repeating: "x", count: 66_000)).utf8)
        let longest = FollowedRecord(long.span)
        #expect(try format.datagram(#require(longest)) == nil)
    }
}
