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

@Suite(.timeLimit(.minutes(8))) struct CutAnswerTests {
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
        // The trailer tells whether nothing was lost on the way, so a body without it is not whole.
        for target in [Self.page, Self.report, Self.result] {
            for count in 1...9 { cases.append((target, Array(coded.dropLast(count)), "gzip")) }
            cases.append((target, coded + coded.dropLast(), "gzip"))
        }
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

    @Test(
        "a page or a report in several members of gzip is whole, and is kept", arguments: Framing.allCases,
        [true, false])
    func members(framing: Framing, isCached: Bool) async throws {
        let coded = gzip(String(Self.body.prefix(30))) + gzip("") + gzip(String(Self.body.dropFirst(30)))
        for target in [Self.page, Self.report] {
            try await withAnswer(framing.answer(coded, coding: "gzip"), ["cache.enabled=\(isCached)"]) {
                rig, received in
                for number in 1...2 {
                    let answer = try await rig.get(target, Self.asksForGzip)
                    #expect(answer.status == 200 && answer.ending == .complete)
                    #expect(answer.body == (target == Self.page ? Array(Self.body.utf8) : coded))
                    #expect(received.count == (isCached ? 1 : number))
                }
            }
        }
    }

    @Test("a coded page whose sum is wrong is a 502", arguments: Framing.allCases)
    func wrongSum(framing: Framing) async throws {
        var coded = gzip(Self.body)
        coded[coded.count - 8] ^= 1
        try await withAnswer(framing.answer(coded, coding: "gzip"), []) { rig, _ in
            let answer = try await rig.get(Self.page)
            answer.expectError(502, "UpstreamInvalidResponse", reason: "upstream-invalid-response")
        }
    }

    @Test("a coded page larger than what may be kept streams on", arguments: ["x-gzip", "gzip, gzip"])
    func largeCoded(coding: String) async throws {
        let rows = (0..<40_000).map { #"{"id":"row-\#($0)","status":1}"# }
        let text = #"{"reports":["# + rows.joined(separator: ",") + "]}"
        let once = gzip(text)
        let coded = coding == "gzip, gzip" ? gzip(once) : once
        try await withAnswer(Framing.length.answer(coded, coding: coding), ["cache.max_entry_bytes=300KiB"]) {
            rig, received in
            for number in 1...2 {
                let answer = try await rig.get(Self.page)
                #expect(answer.status == 200 && answer.ending == .complete && answer["Content-Encoding"] == nil)
                #expect(answer.text == text)
                #expect(received.count == number)
            }
        }
    }

    @Test("an error whose coded body was cut is still upstream's error")
    func error() async throws {
        let coded = Array(gzip(Self.body).dropLast(4))
        let head = "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
        let answer = Array("\(head)Content-Length: \(coded.count)\r\n\r\n".utf8) + coded
        try await withAnswer(answer, []) { rig, _ in
            let answer = try await rig.get(Self.page)
            #expect(answer.status == 404 && answer.text == Self.body)
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
