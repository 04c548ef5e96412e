// Every row of the table over a socket of its own, in front of an origin that keeps what it got; behind every row a good
// request on the same connection where it may go on, and one on another.

import FoundationEssentials
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct HTTP1CorpusTests {
    @Test("the table has hundreds of rows, no two of one name")
    func size() {
        #expect(HTTP1Corpus.all.count >= 400, "\(HTTP1Corpus.all.count)")
        var names = Set<String>()
        for row in HTTP1Corpus.all { #expect(names.insert(row.name).inserted, "twice: \(row.name)") }
    }

    @Test("start lines, targets and hosts are answered as the table says")
    func heads() async throws {
        try await run(HTTP1Corpus.startLines + HTTP1Corpus.targets + HTTP1Corpus.hosts)
    }

    @Test("field lines are answered as the table says")
    func fields() async throws {
        try await run(HTTP1Corpus.fields)
    }

    @Test("lengths, codings, chunks and trailers are answered as the table says")
    func framing() async throws {
        try await run(HTTP1Corpus.lengths + HTTP1Corpus.codings + HTTP1Corpus.chunks + HTTP1Corpus.trailers)
    }

    @Test("connections end and go on as the table says")
    func connections() async throws {
        try await run(HTTP1Corpus.connections)
    }

    // MARK: One row

    private static let next = "/clashdetection/tests/next"
    private static let other = "/clashdetection/tests/other"

    private func run(_ rows: [HTTP1Case]) async throws {
        let received = Received()
        let server = origin(received) { _, _ in ok }
        try await withRig(origin: server) { rig async throws in
            for row in rows {
                do {
                    // Once with the next request right behind it, once with the next when the answer is there.
                    for isPipelined in [true, false] {
                        let before = received.count
                        let trouble = try await play(row, rig, isPipelined: isPipelined)
                        #expect(trouble.isEmpty, "\(row.name)\(isPipelined ? ", pipelined" : ""): \(trouble)")
                        #expect(try await rig.get(Self.other).status == 200, "\(row.name): the other connection")
                        let seen = received.all.dropFirst(before).map { [$0.requestLine, $0.text] }
                        let expected = Self.forwarded(row) + [["GET \(Self.other) HTTP/1.1", ""]]
                        #expect(seen == expected, "\(row.name): what upstream got")
                    }
                } catch {
                    Issue.record("\(row.name): \(error)")
                }
            }
        }
    }

    /// What upstream gets of a row and of the request behind it.
    private static func forwarded(_ row: HTTP1Case) -> [[String]] {
        let next = ["GET \(Self.next) HTTP/1.1", ""]
        return switch row.outcome {
        case .served(let line, let body): [[line, body], next]
        case .servedLast(let line, let body): [[line, body]]
        case .declined, .ownOptions: [next]
        case .refused, .cut: []
        }
    }

    /// What is wrong with the answer to a row, and to the request behind it.
    private func play(_ row: HTTP1Case, _ rig: Rig, isPipelined: Bool) async throws -> [String] {
        let client = try rig.connect()
        defer { client.close() }
        let method = String(decoding: row.bytes.prefix { $0 != 0x20 }, as: UTF8.self)
        let next = Array(rig.request("GET", Self.next).utf8)
        if case .cut = row.outcome {
            try await client.send(row.bytes)
            client.closeWrite()
            let rest = String(decoding: try await client.readToEnd(), as: UTF8.self)
            return rest.isEmpty || rest.hasPrefix("HTTP/1.1 400 ") ? [] : ["an answer: \(rest.prefix(80))"]
        }
        try? await client.send(row.bytes + (isPipelined ? next : []))
        let answer = try await client.response(to: method)
        var wrong = Self.defects(of: answer, row, method)
        guard Self.goesOn(row) else {
            if answer["Connection"] != "close" { wrong.append("no Connection: close") }
            let rest = try await client.readToEnd()
            if !rest.isEmpty { wrong.append("more: \(String(decoding: rest.prefix(80), as: UTF8.self))") }
            return wrong
        }
        if answer["Connection"] == "close" { return wrong + ["Connection: close"] }
        if !isPipelined { try await client.send(next) }
        if try await client.response().status != 200 { wrong.append("the next request was not served") }
        return wrong
    }

    private static func goesOn(_ row: HTTP1Case) -> Bool {
        switch row.outcome {
        case .served, .declined, .ownOptions: true
        case .servedLast, .refused, .cut: false
        }
    }

    private static func defects(of answer: RawResponse, _ row: HTTP1Case, _ method: String) -> [String] {
        let status: Int
        var code: String?
        switch row.outcome {
        case .served, .servedLast, .cut: status = 200
        case .ownOptions: status = 204
        case .refused(let number, let text), .declined(let number, let text): (status, code) = (number, text)
        }
        var wrong: [String] = []
        if answer.status != status { wrong.append("\(answer.status) instead of \(status) \(answer.text.prefix(120))") }
        if let code, method != "HEAD" {
            let error = try? JSONDecoder().decode([String: [String: String]].self, from: Data(answer.body))["error"]
            if error?["code"] != code { wrong.append("\(error?["code"] ?? "no code") instead of \(code)") }
            if answer["Proxy-Status"]?.hasPrefix("clash-proxy; error=") != true { wrong.append("no Proxy-Status") }
            if status == 405, answer["Allow"]?.contains("GET") != true { wrong.append("no Allow") }
        }
        return wrong
    }
}
