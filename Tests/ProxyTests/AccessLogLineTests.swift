// The text of an access-log line, in both formats, and the writer that never waits for its reader.

import Caching
import FoundationEssentials
import Glibc
import Testing

@testable import Proxy

@Suite struct AccessLogLineTests {
    private var record: ExchangeRecord {
        var record = ExchangeRecord(correlationID: "id-1", peer: "127.0.0.1", started: .now)
        (record.method, record.path, record.caller) = ("GET", "/a%22b", "team \"x\"")
        (record.operation, record.source, record.status) = ("v1.tests.list", .upstream, 200)
        (record.bytesIn, record.bytesOut) = (1, 22)
        record.times = CallTimes(
            queueTime: .microseconds(1_250), auditTime: .microseconds(400), upstreamTime: .milliseconds(30))
        record.attempts = 2
        return record
    }

    private func text(_ record: ExchangeRecord, _ outcome: Outcome, total: Duration) -> String {
        var builder = LineBuilder()
        builder.text("T")
        AccessLog.text(record, outcome, total: total, to: &builder)
        return String(decoding: builder.bytes, as: UTF8.self)
    }

    @Test("as text a line has the facts in their order")
    func text() {
        #expect(
            text(record, .answered, total: .milliseconds(33))
                == "T id-1 127.0.0.1 \"team \\\"x\\\"\" v1.tests.list GET /a%22b 200 upstream answered in=1 out=22 total=33.0ms "
                + "queue=1.2ms token=0.0ms audit=0.4ms upstream=30.0ms other=1.3ms attempts=2\n")
        var detailed = record
        detailed.upstreamID = "up-1"
        detailed.cache = .stale(.rateLimited, ttl: -3)
        detailed.detail = "a \"b\"\nc"
        let line = text(detailed, .callerLeft(sent: true), total: .zero)
        #expect(
            line.hasSuffix(" cache=stale:rate-limited upstream_id=up-1 detail=\"a \\\"b\\\"\\nc\"\n")
                && line.contains(" caller-left:sent "))
        #expect(line.filter { $0 == "\n" }.count == 1)
    }

    @Test("somebody for whom an issuer vouches is never taken for a caller of that name")
    func namesake() throws {
        var namesake = record
        namesake.via = "jwt"
        namesake.person = ("https://login.example.com", "a b")
        let line = text(namesake, .answered, total: .zero)
        #expect(line.hasSuffix(" via=jwt issuer=https://login.example.com subject=\"a b\"\n"), "\(line)")
        #expect(!text(record, .answered, total: .zero).contains("via="))
        var builder = LineBuilder()
        builder.text("{\"time\":\"T")
        AccessLog.json(namesake, .answered, total: .zero, to: &builder)
        struct Line: Decodable { let caller, via, issuer, subject: String }
        let facts = try JSONDecoder().decode(Line.self, from: Data(builder.bytes))
        #expect(facts.caller == "team \"x\"" && facts.via == "jwt")
        #expect(facts.issuer == "https://login.example.com" && facts.subject == "a b")
    }

    @Test("as JSON a line is one object, whatever its texts hold")
    func json() throws {
        var record = record
        record.detail = "\u{0}\u{7F}\t\\\"é\n"
        var builder = LineBuilder()
        builder.text("{\"time\":\"T")
        AccessLog.json(record, .cut(.upstreamTimeout), total: .milliseconds(33), to: &builder)
        let line = String(decoding: builder.bytes, as: UTF8.self)
        struct Line: Decodable {
            let caller, detail, outcome, path: String
            let status: Int
        }
        let facts = try JSONDecoder().decode(Line.self, from: Data(line.utf8))
        #expect(facts.caller == "team \"x\"" && facts.detail == record.detail && facts.path == "/a%22b")
        #expect(facts.outcome == "cut:upstream-timeout" && facts.status == 200)
        #expect(line.filter { $0 == "\n" }.count == 1 && line.hasSuffix("}\n"))
    }

    @Test("a reader that stalls costs lines, not time, and the loss is told")
    func stalledReader() {
        var ends: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutablePointer(to: &ends) {
            $0.withMemoryRebound(to: Int32.self, capacity: 2) { pipe($0) }
        }
        #expect(made == 0)
        // Nobody reads: the pipe takes 64 KiB, the writer holds 10 KB, the rest is dropped at once.
        let writer = LineWriter(descriptor: ends.1, maxBuffered: 10_000)
        let line = Array((String(repeating: "x", count: 999) + "\n").utf8)
        for _ in 0..<1_000 { writer.write(line) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while !String(decoding: text, as: UTF8.self).contains("lines dropped") || text.last != UInt8(ascii: "\n") {
            let count = read(ends.0, &buffer, buffer.count)
            guard count > 0 else { break }
            text += buffer[..<count]
        }
        writer.close()
        close(ends.0)
        close(ends.1)
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("# ") && $0.contains("lines dropped") })
        #expect(lines.count < 200 && lines.allSatisfy { $0.hasPrefix("#") || $0.utf8.count == 999 })
    }
}
