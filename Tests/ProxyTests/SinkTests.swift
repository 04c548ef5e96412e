// What a sink surely has, when it is tried again, and how its messages are framed.

import Glibc
import Ground
import NIOCore
import NIOSSL
import TestSupport
import Testing

@testable import Audit
@testable import Proxy

@Suite("Sinks of the audit log") struct SinkTests {
    private let start = ContinuousClock.now

    private func head(_ seq: UInt64) -> AuditHead { AuditHead(seq: seq, hash: "\(seq)") }

    @Test("what a sink confirms it has; what it never answers is not sure however long its connection lives on")
    func patience() {
        var progress = SinkProgress(at: .empty)
        progress.delivered(head(3), bytes: 100, isConfirmed: true, now: start)
        #expect(progress.position == head(3))
        progress.delivered(head(4), bytes: 100, isConfirmed: false, now: start)
        progress.delivered(head(5), bytes: 100, isConfirmed: false, now: start + .seconds(20))
        #expect(progress.settle(now: start + .seconds(86_400)) == false && progress.position == head(3))
        #expect(progress.sent == head(5))
        progress.ended(isClean: false)
        #expect(progress.sent == head(3), "a peer may have hung all day")
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
        #expect(progress.position == head(4) && !progress.isFragile)
        progress.delivered(head(6), bytes: 1, isConfirmed: false, now: start)
        progress.ended(isClean: false)
        #expect(progress.position == head(4) && progress.sent == head(4) && progress.downSince == nil)
        #expect(progress.isFragile, "it gets one at a time from now on, until a connection has lived on for a minute")
        progress.delivered(head(5), bytes: 1, isConfirmed: false, now: start)
        #expect(progress.isFragile && !progress.settle(now: start + .seconds(59)) && progress.isFragile)
        #expect(!progress.settle(now: start + .seconds(60)) && !progress.isFragile && progress.position == head(4))
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
        let datagram = format.datagram(record)
        #expect(
            String(decoding: datagram, as: UTF8.self) == header
                + String(decoding: line, as: UTF8.self).replacing(",\"snapshot\":{}", with: ""))
    }

    /// What a datagram of a record with these members holds, as JSON.
    private func datagram(_ members: String) throws -> (message: [UInt8], json: JSON) {
        let line = Array(
            #"{"seq":7,"time":"2026-11-22T07:41:03.004211Z","event":"intent"\#(members),"prev":"\#(AuditHead.empty.hash)","hash":"\#(AuditHead.empty.hash)"}"#
                .utf8)
        let found = FollowedRecord(line.span)
        let message = SyslogFormat(host: "h", process: 1).datagram(try #require(found))
        let start = try #require(message.firstIndex(of: UInt8(ascii: "{")))
        return (message, try #require(JSON(Array(message[start...])), "\(String(decoding: message, as: UTF8.self))"))
    }

    @Test(
        "no record is too long for a datagram: long texts, lists and callers are cut between characters, and it says which",
        arguments: [#"\u0085"#, #"\""#, #"\ud83d\ude00"#, "x", "é", "\u{1F600}"])
    func tooLong(_ character: String) throws {
        let text = String(repeating: character, count: 80_000)
        let ids = (0..<9_000).map { "\"id-\($0)\"" }.joined(separator: ",")
        let (message, json) = try datagram(
            #","objects":[\#(ids)],"caller":{"name":"\#(text)","address":"a"},"reason":"\#(text)","snapshot":{}"#)
        #expect(message.count <= 65_507)
        #expect(json["cut"]?.array?.map { $0.string } == ["objects", "caller", "reason"])
        #expect(json["seq"]?.number == 7 && json["hash"]?.string == AuditHead.empty.hash && json["snapshot"] == nil)
        #expect(json["objects"]?.array?.first?.string == "id-0" && (json["objects"]?.array?.count ?? 0) > 100)
        let whole = JSON(Array("\"\(text)\"".utf8))?.string ?? ""
        let reason = json["reason"]?.string ?? ""
        #expect(reason.utf8.count > 1_000 && whole.hasPrefix(reason))
        #expect(json["caller"]?["address"]?.string == "a" && whole.hasPrefix(json["caller"]?["name"]?.string ?? "-"))
    }

    @Test("of a long record that fits no more is cut than has to be, and one that fits is whole")
    func little() throws {
        let short = try datagram(#","reason":"\#(String(repeating: "y", count: 65_000))""#)
        #expect(short.json["cut"] == nil && short.json["reason"]?.string?.utf8.count == 65_000)
        let long = try datagram(#","id":"abc","reason":"\#(String(repeating: "y", count: 70_000))""#)
        #expect(long.json["id"]?.string == "abc" && (long.json["reason"]?.string?.utf8.count ?? 0) > 16_000)
    }

    @Test("what a sink does is told in words, without a dump of a library's own")
    func words() {
        let refused = SyslogWatch.words(IOError(errnoCode: ECONNREFUSED, reason: "connect(descriptor:addr:size:) (x"))
        #expect(refused == "connection refused")
        let dump = NIOSSLError.handshakeFailed(.sslError([]))
        for text in [
            SyslogWatch.words(dump), SyslogWatch.words(NIOSSLError.uncleanShutdown),
            SyslogWatch.words(CancellationError()),
        ] {
            #expect(!text.contains("(") && !text.contains("NIOSSL") && !text.contains("/"), "\(text)")
        }
    }
}
