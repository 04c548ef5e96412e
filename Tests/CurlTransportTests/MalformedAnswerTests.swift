// The corpus of malformed answers against one transport: each comes to what it must, and the next call is good. Every
// case is asked for behind a good answer, on a connection and by a thread that have served others before.

import CurlTransport
import HTTPTypes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)))
struct MalformedAnswerTests {
    /// Answers `/N` with the bytes of that number and closes; anything else with "ok".
    private static func server(_ answers: [[UInt8]]) -> ScriptedOrigin {
        ScriptedOrigin { connection in
            while true {
                let target = try connection.readHead().split(separator: " ")[1]
                guard let number = Int(target.dropFirst()) else {
                    try connection.send(ok)
                    continue
                }
                // Whoever stops reading in the middle has seen enough.
                try? connection.send(answers[number])
                connection.closeWrite()
                connection.readUntilClosed()
                return
            }
        }
    }

    private func outcome(_ transport: CurlTransport, _ request: UpstreamRequest) async throws -> AnswerCase.Outcome {
        do {
            return .answer(try await transport.execute(request).body.text())
        } catch {
            #expect(error.sent)
            switch error.reason {
            case .broke, .repeatRefused: return .broke
            case .truncated: return .cut
            // A trailer that is no trailer leaves the body without an end as well.
            case .invalidResponse: return error.headReceived ? .cut : .invalid
            default: throw error
            }
        }
    }

    @Test("no malformed answer harms the process or the next call", arguments: [false, true])
    func corpus(isRepeatable: Bool) async throws {
        #expect(AnswerCase.all.count >= 60)
        let server = Self.server(AnswerCase.all.map(\.bytes))
        try await withTransport { transport in
            for (number, answer) in AnswerCase.all.enumerated() {
                var request = try get(server, "/\(number)")
                request.repeatable = isRepeatable
                do {
                    let outcome = try await self.outcome(transport, request)
                    #expect(outcome == answer.outcome, "\(answer)")
                } catch {
                    Issue.record("\(answer): \(error)")
                }
                #expect(try await transport.execute(try get(server, "/good")).body.text() == "ok", "after \(answer)")
            }
        }
    }

    @Test(
        "an answer that ends early is never a whole one, at whichever byte it ends",
        arguments: [AnswerCase.measured, AnswerCase.chunked])
    func everyPrefix(_ whole: [UInt8]) async throws {
        let server = Self.server((0...whole.count).map { Array(whole[..<$0]) })
        let headEnd = String(decoding: whole, as: UTF8.self).components(before: "\r\n\r\n") + 4
        try await withTransport { transport in
            for length in 0...whole.count {
                var request = try get(server, "/\(length)")
                request.repeatable = false
                let outcome = try await self.outcome(transport, request)
                switch length {
                case whole.count: #expect(outcome == .answer(whole == AnswerCase.measured ? "good" : "ok"))
                // libcurl does not wait for the LF behind the last CR of a chunked body, which says nothing any more.
                case whole.count - 1 where whole == AnswerCase.chunked: break
                case headEnd...: #expect(outcome == .cut, "\(length) bytes")
                default: #expect(outcome == .broke || outcome == .invalid, "\(length) bytes: \(outcome)")
                }
                #expect(try await transport.execute(try get(server, "/good")).body.text() == "ok")
            }
        }
    }

    @Test("a first line that is folded never reaches what an earlier answer left behind, with many at once")
    func foldedAtOnce() async throws {
        let server = Self.server([Array("HTTP/1.1 200 OK\r\n Content-Length: 4\r\n\r\ngood".utf8)])
        try await withTransport(.init(maxConnections: 8)) { transport in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<16 {
                    group.addTask {
                        for round in 0..<10 {
                            guard (worker + round) % 2 == 0 else {
                                #expect(try await transport.execute(try get(server, "/good")).body.text() == "ok")
                                continue
                            }
                            let failure = try await failure { _ = try await transport.execute(try get(server, "/0")) }
                            #expect(failure.reason == .invalidResponse)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}

extension String {
    /// How many bytes stand before the first `mark`.
    fileprivate func components(before mark: String) -> Int {
        self.ranges(of: mark).first.map { self[..<$0.lowerBound].utf8.count } ?? self.utf8.count
    }
}
