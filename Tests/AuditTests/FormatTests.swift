import Crypto
import Ground
import Testing

@testable import Audit

@Suite("The format of a record")
struct FormatTests {
    private let time = AuditTime("2026-11-22T07:41:03.004211Z") ?? AuditTime(microseconds: 0)

    private func encode(_ draft: RecordDraft, after head: AuditHead = .empty) -> String {
        var bytes: [UInt8] = []
        _ = RecordEncoder.append(draft, after: head, time: time, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func hash(_ text: some StringProtocol) -> String {
        SHA256.hash(data: Array(text.utf8)).map { byte in
            let digits = String(byte, radix: 16)
            return digits.utf8.count == 1 ? "0" + digits : digits
        }.joined()
    }

    @Test("members stand in the documented order and the hash covers all bytes before it")
    func order() throws {
        let intent = AuditIntent(call: .make(), snapshot: Array(#"{"name":"a"}"#.utf8))
        let line = encode(.intent(intent))
        let hashed =
            #"{"seq":1,"time":"2026-11-22T07:41:03.004211Z","event":"intent","id":"c-1","operation":"v1.runs.delete","#
            + #""method":"DELETE","target":"/clashdetection/runs/r-1","objects":["r-1"],"#
            + #""itwin":"4b2f0c1e-0000-4000-8000-000000000001","caller":{"name":"dashboard","address":"127.0.0.1:50000","#
            + #""via":"key"},"reason":"clean-up","snapshot":{"name":"a"},"prev":""#
            + String(repeating: "0", count: 64) + "\""
        #expect(line == hashed + #","hash":""# + hash(hashed) + "\"}\n")
    }

    @Test("an outcome names its intent behind the id and ends with status, result, attempts and duration")
    func outcome() {
        let line = encode(.outcome(.deleted, of: EncodedCall(.make()), intent: 7))
        #expect(line.contains(#""event":"outcome","id":"c-1","intent":7,"operation""#))
        #expect(
            line.contains(#""reason":"clean-up","status":204,"result":"deleted","attempts":1,"duration_ms":42,"prev""#))
    }

    @Test("what does not apply is left out")
    func leftOut() {
        let call = AuditCall(id: "x", operation: "o", method: "DELETE", target: "/", caller: AuditCaller(name: "n"))
        let line = encode(.recovered(.unknown, status: nil, of: EncodedCall(call), intent: 1))
        #expect(
            line.hasPrefix(
                #"{"seq":1,"time":"2026-11-22T07:41:03.004211Z","event":"recovered","id":"x","intent":1,"operation":"o","#
                    + #""method":"DELETE","target":"/","caller":{"name":"n"},"result":"unknown","prev":""#))
    }

    @Test(
        "whatever a text holds, a record is one line and reads back the same",
        arguments: [
            "a\nb\r\nc", "\"},\"hash\":\"", "tab\t\u{0}\u{1F}\u{7F}", "\u{85}\u{2028}\u{2029}", "back\\slash", "💥é日本",
            "</script>", "",
        ])
    func escaping(text: String) throws {
        var call = AuditCall.make(text, caller: text, objects: [text, "x"])
        call.reason = text
        call.target = text
        var bytes: [UInt8] = []
        _ = RecordEncoder.append(.intent(AuditIntent(call: call)), after: .empty, time: time, to: &bytes)
        let line = bytes.dropLast()
        #expect(bytes.last == 0x0A && !line.contains { $0 < 0x20 || $0 == 0x7F })
        #expect(
            !String(decoding: line, as: UTF8.self).unicodeScalars.contains {
                "\u{85}\u{2028}\u{2029}".unicodeScalars.contains($0)
            })
        let record = try #require(readRecord(Array(line)))
        #expect(record.call == call)
    }

    @Test("a snapshot that is a JSON object stands in the record as it is, without its line ends")
    func snapshot() throws {
        let pretty = Array("{\n  \"name\": \"a\\nb\",\r\n  \"rows\": [1, 2.5e3, null]\n}".utf8)
        let line = encode(.intent(AuditIntent(call: .make(), snapshot: pretty)))
        #expect(line.contains(#""snapshot":{  "name": "a\nb",  "rows": [1, 2.5e3, null]},"prev""#))
    }

    @Test(
        "a snapshot that is no JSON object or array becomes a string",
        arguments: [
            "{\"a\":1}}", "{\"a\":01}", "{\"a\":\"\n\"}", "{'a':1}", "[1,]", "nonsense", "{\"a\":1", "\"text\"", "17",
            "",
        ])
    func notJSON(text: String) throws {
        let line = encode(.intent(AuditIntent(call: .make(), snapshot: Array(text.utf8))))
        let record = try #require(readRecord(Array(line.utf8.dropLast())))
        let snapshot = try #require(record.snapshot)
        #expect(decodeString(snapshot) == text)
    }

    @Test("a snapshot over 64 KiB is cut, also where escapes make it longer")
    func bigSnapshot() throws {
        for filler in ["x", "\u{1}", "é"] {
            let text = "{\"a\":\"" + String(repeating: filler, count: 70_000) + "\"}"
            let line = encode(.intent(AuditIntent(call: .make(), snapshot: Array(text.utf8))))
            let record = try #require(readRecord(Array(line.utf8.dropLast())))
            let snapshot = try #require(record.snapshot)
            #expect(snapshot.count <= 65_538 && snapshot.count > 65_000)
            let decoded = try #require(decodeString(snapshot))
            #expect(text.hasPrefix(decoded))
        }
    }

    @Test("a snapshot nested deeper than 128 levels becomes a string")
    func deepSnapshot() throws {
        let text = String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)
        #expect(!JSONCheck.isContainer(Array(text.utf8)))
        #expect(JSONCheck.isContainer(Array("[[[[]]]]".utf8)))
    }

    @Test(
        "times are read as RFC 3339 says",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-11-22T07:41:03.004211Z", 1_795_333_263_004_211),
            ("2026-11-22T09:41:03.0042119+02:00", 1_795_333_263_004_211),
            ("2024-02-29t23:59:60z", 1_709_251_200_000_000),
            ("1969-12-31T23:59:59.5Z", -500_000),
        ])
    func times(text: String, microseconds: Int64) throws {
        #expect(AuditTime(text)?.microseconds == microseconds)
    }

    @Test("a time is written so that it reads back the same, in any year")
    func timeRoundTrip() throws {
        var random = SeededGenerator(7)
        for _ in 0..<2000 {
            let time = AuditTime(
                microseconds: Int64.random(in: -62_167_219_200_000_000...253_402_300_799_999_999, using: &random))
            #expect(AuditTime(time.text) == time)
            #expect(time.text.utf8.count == AuditTime.textLength)
        }
    }

    @Test(
        "what is no time is refused",
        arguments: [
            "", "2026-11-22", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-22T24:00:00Z",
            "2026-11-22T07:41:03", "2026-11-22 07:41:03Z", "2026-11-22T07:41:03.Z", "2h", "2026-11-22T07:41:03Zx",
        ])
    func noTime(text: String) {
        #expect(AuditTime(text) == nil)
    }
}
