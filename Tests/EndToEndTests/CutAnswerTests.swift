// Answers that were cut behind upstream's back and framed correctly all the same: never given as whole, never kept.

import TestSupport
import Testing

/// How an answer is framed.
enum Framing: CaseIterable, Sendable {
    case length, chunked

    func answer(_ body: [UInt8], coding: String? = nil) -> [UInt8] {
        let lines = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        let head = lines + (coding.map { "Content-Encoding: \($0)\r\n" } ?? "")
        switch self {
        case .length: return Array("\(head)Content-Length: \(body.count)\r\n\r\n".utf8) + body
        case .chunked:
            let size = body.isEmpty ? "" : "\(String(body.count, radix: 16))\r\n"
            return Array("\(head)Transfer-Encoding: chunked\r\n\r\n\(size)".utf8) + body
                + Array((body.isEmpty ? "0\r\n\r\n" : "\r\n0\r\n\r\n").utf8)
        }
    }
}

/// gzip of one member whose blocks are stored as they are (RFC 1951, RFC 1952).
func gzip(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    var out: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF]
    for start in stride(from: 0, to: bytes.count, by: 60_000) {
        let block = bytes[start..<min(start + 60_000, bytes.count)]
        let count = UInt16(block.count)
        out.append(start + block.count == bytes.count ? 1 : 0)
        for number in [count, ~count] { out += [UInt8(number & 0xFF), UInt8(number >> 8)] }
        out += block
    }
    var sum: UInt32 = ~0
    for byte in bytes {
        sum ^= UInt32(byte)
        for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
    }
    for number in [~sum, UInt32(bytes.count)] {
        for shift in [0, 8, 16, 24] { out.append(UInt8(number >> UInt32(shift) & 0xFF)) }
    }
    return out
}

@Suite(.timeLimit(.minutes(3))) struct CutAnswerTests {
    private static let page = Path.reports
    private static let report = "\(Path.reports)/r"
    private static let result = "/clashdetection/results/r"
    private static let body = #"{"reports":[{"id":"a","status":1},{"id":"b","status":1}],"_links":{"prev":null}}"#
    private static let asksForGzip = [("Accept-Encoding", "gzip")]

    /// Runs a proxy in front of an origin that answers everything with these bytes.
    private func withAnswer(
        _ bytes: [UInt8], _ flags: [String], _ body: (Rig, Received) async throws -> Void
    ) async throws {
        let received = Received()
        let server = ScriptedOrigin { connection in
            while true {
                _ = received.add(try connection.readRequest())
                try connection.send(bytes)
            }
        }
        try await withRig { options in
            options.origin = server
            options.flags = flags
        } _: { rig in
            try await body(rig, received)
        }
    }

    @Test(
        "a small body that stops inside its coding or its JSON is a 502 and is not kept",
        arguments: Framing.allCases, [true, false])
    func small(framing: Framing, isCached: Bool) async throws {
        let coded = gzip(Self.body)
        let plain = Array(Self.body.utf8)
        var cases: [(target: String, bytes: [UInt8], coding: String?)] = []
        for target in [Self.page, Self.report, Self.result] {
            for count in [1, 12, 40, coded.count - 9] { cases.append((target, Array(coded[..<count]), "gzip")) }
            for count in [1, 20, plain.count - 1] { cases.append((target, Array(plain[..<count]), nil)) }
            cases.append((target, gzip(String(Self.body.dropLast(9))), "gzip"))
        }
        // What libcurl decodes for us is known to be whole by its JSON.
        for target in [Self.report, Self.result] { cases.append((target, Array(coded.dropLast()), "gzip")) }
        for (target, bytes, coding) in cases {
            try await withAnswer(framing.answer(bytes, coding: coding), ["cache.enabled=\(isCached)"]) {
                rig, received in
                for number in 1...2 {
                    let answer = try await rig.get(target, Self.asksForGzip)
                    #expect(answer.status == 502, "\(target) \(bytes.count) \(coding ?? "plain"): \(answer.text)")
                    answer.expectError(502, "UpstreamInvalidResponse", reason: "upstream-invalid-response")
                    #expect(received.count == number)
                }
            }
        }
    }

    @Test(
        "a large body that stops inside its coding or its JSON is broken off and not kept",
        arguments: Framing.allCases, ["cache.enabled=false", "cache.enabled=true", "cache.max_entry_bytes=300KiB"])
    func large(framing: Framing, flag: String) async throws {
        let rows = (0..<40_000).map { #"{"id":"row-\#($0)","status":1}"# }
        let whole = #"{"reports":["# + rows.joined(separator: ",") + "]}"
        let cut = String(whole.dropLast(20))
        #expect(cut.utf8.count > 1 << 20)
        let flags = ["cache.enabled=\(flag != "cache.enabled=false")"] + (flag.contains("max") ? [flag] : [])
        for target in [Self.page, Self.report, Self.result] {
            for (bytes, coding) in [(Array(cut.utf8), nil), (Array(gzip(whole).dropLast(30)), "gzip")] {
                try await withAnswer(framing.answer(bytes, coding: coding), flags) { rig, received in
                    for number in 1...2 {
                        let answer = try await rig.get(target, Self.asksForGzip)
                        #expect(answer.status == 200 && answer.ending == .cut, "\(target) \(coding ?? "plain")")
                        #expect(received.count == number)
                    }
                }
            }
        }
    }

    @Test(
        "what is whole, or not JSON at all, or of an unknown operation, passes as it came",
        arguments: Framing.allCases, [true, false])
    func whole(framing: Framing, isCached: Bool) async throws {
        let coded = gzip(Self.body)
        let cut = Array(Self.body.utf8.dropLast(9))
        let cases: [(target: String, bytes: [UInt8], coding: String?)] = [
            (Self.report, coded, "gzip"), (Self.result, coded, "gzip"), (Self.result, coded + gzip("x"), "gzip"),
            (Self.report, Array("<html>".utf8), nil), (Self.report, [], nil), (Self.report, cut, "br"),
            (Self.report, Array("7".utf8), nil), (Self.page, Array("oops {".utf8), nil),
            ("\(Path.iTwin)/news", cut, nil), ("\(Path.iTwin)/news", Array(coded.dropLast(9)), "gzip"),
        ]
        for (target, bytes, coding) in cases {
            try await withAnswer(framing.answer(bytes, coding: coding), ["cache.enabled=\(isCached)"]) { rig, _ in
                let answer = try await rig.get(target, Self.asksForGzip)
                #expect(answer.status == 200, "\(target) \(bytes.count)")
                #expect(answer.body == bytes, "\(target) \(bytes.count)")
            }
        }
    }

    @Test("a change whose answer was cut may have been carried out, and says so", arguments: Framing.allCases)
    func change(framing: Framing) async throws {
        try await withAnswer(framing.answer(Array(#"{"id":"x""#.utf8)), []) { rig, received in
            let answer = try await rig.call("PUT", "/clashdetection/tests/x", body: "{}")
            answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(received.count == 1)
        }
    }
}
