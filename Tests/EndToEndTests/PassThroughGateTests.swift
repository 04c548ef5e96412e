// Pass-through and the one gate: what tokens claim costs nobody else anything, and the windows hold at upstream however
// many tokens there are and however few connections.

import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct PassThroughGateTests {
    /// A token that says that it is of a client; nobody could verify it.
    private func token(_ number: Int, of client: String) -> (String, String) {
        let claim = base64URL(#"{"client_id":"\#(client)","jti":"\#(number)"}"#)
        return ("Authorization", "Bearer e30.\(claim).c2lnbmF0dXJl")
    }

    private func base64URL(_ text: String) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        var (out, bits, count) = ("", 0, 0)
        for byte in text.utf8 {
            (bits, count) = (bits << 8 | Int(byte), count + 8)
            while count >= 6 {
                count -= 6
                out.append(alphabet[bits >> count & 63])
            }
        }
        if count > 0 { out.append(alphabet[bits << (6 - count) & 63]) }
        return out
    }

    private static let unauthorized = json(#"{"error":{"code":"InvalidToken"}}"#, status: "401 Unauthorized")

    @Test("made-up tokens with a foreign client's id neither spend that client's windows nor close it with a 429")
    func victim() async throws {
        try await withLimits(["token.mode=passthrough", "rate.windows=100/1m"]) { rig, origin async throws in
            let victim = token(0, of: "victim")
            #expect(try await rig.get(Path.tests, [victim]).status == 200)
            origin.become { _, request in
                request.values("Authorization") == [victim.1] ? ok : Self.unauthorized
            }
            for number in 1...150 {
                _ = try await rig.get(Path.tests, [token(number, of: "victim"), ("Prefer", "wait=0")])
            }
            #expect(origin.count <= 1 + 10, "a tenth for all of them")
            rig.clock.advance(by: .seconds(61))
            origin.become { _, request in request.values("Authorization") == [victim.1] ? ok : tooMany("300") }
            let liar = try await rig.begin("GET", Path.tests, [token(999, of: "victim")])
            try await rig.waitForQueue(1)
            for number in 0..<10 {
                #expect(try await rig.get("\(Path.tests)?n=\(number)", [victim]).status == 200)
            }
            liar.close()
            let line = try await rig.applicationLog.line(with: "pause by upstream begins")
            #expect(line.contains("token:"), "it closes that token alone: \(line)")
        }
    }

    @Test("a hundred and sixty tokens on two connections never exceed a window at upstream", arguments: [true, false])
    func windowsHold(oneClient: Bool) async throws {
        let flags = [
            "token.mode=passthrough", "rate.windows=40/10s", "upstream.max_connections=2", "rate.max_in_flight=2",
        ]
        try await withLimits(flags) { rig, origin async throws in
            var clients: [RawClient] = []
            for number in 0..<160 {
                let token = token(number % 40, of: oneClient ? "c" : "c-\(number % 40)")
                clients.append(try await rig.begin("GET", "\(Path.tests)?n=\(number)", [token]))
            }
            try await rig.waitForCalls(160) { origin.count }
            try await rig.pass(.seconds(580), step: .milliseconds(250)) { origin.count < 160 }
            for client in clients { #expect(try await client.answer().status == 200) }
            #expect(origin.server.acceptCount <= 2)
            var byClient: [String: [ContinuousClock.Instant]] = [:]
            for arrival in origin.arrivals {
                let name = oneClient ? "c" : arrival.request.values("Authorization")[0]
                byClient[name, default: []].append(arrival.at)
            }
            for times in byClient.values {
                for last in times.indices.dropFirst(40) {
                    #expect(times[last] - times[last - 40] > .seconds(10))
                }
            }
        }
    }

    @Test("a tool that does not wait is told at once, whoever else has calls under way")
    func noQueueBehind() async throws {
        let reached = Latch()
        let release = Latch()
        try await withLimits(["token.mode=passthrough", "upstream.max_connections=2"]) { rig, origin async throws in
            let victim = token(0, of: "victim")
            #expect(try await rig.get(Path.tests, [victim]).status == 200)
            origin.become { number, _ in
                if number == 3 { reached.open() }
                release.waitBlocking()
                return ok
            }
            // Those with tokens of their own take what there is, and queue.
            var clients: [RawClient] = []
            for number in 1...6 {
                clients.append(try await rig.begin("GET", Path.tests, [token(number, of: "c-\(number)")]))
            }
            await reached.wait()
            let answer = try await rig.get(Path.tests, [victim, ("Prefer", "wait=0")])
            answer.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 1...1)
            #expect(answer.text.contains("places"))
            release.open()
            for client in clients { #expect(try await client.answer().status == 200) }
        }
    }

    @Test("operators are shown the configured windows with the busiest client's use, not the tenth of unknown tokens")
    func shown() async throws {
        try await withLimits(["token.mode=passthrough", "rate.windows=5000/1m", "rate.run_windows=10/1s"]) { rig, _ in
            for (number, client) in ["quiet", "busy", "busy", "busy"].enumerated() {
                let answer = try await rig.get(
                    "\(Path.tests)?n=\(number)", [token(client == "busy" ? 1 : 0, of: client)])
                #expect(answer.status == 200)
            }
            let metrics = try await rig.admin("/metrics").text
            #expect(metrics.contains("clash_proxy_window_used{window=\"5000/1m\"} 3\n"), "\(metrics)")
            let status = try await rig.admin("/status.json").text
            #expect(
                status.contains(#""windows":[{"window":"5000/1m","limit":5000,"used":3,"remaining":4997,"#), "\(status)"
            )
            #expect(status.contains(#"{"window":"run 10/1s","limit":10,"used":0,"#) && !status.contains("500/1m\""))
        }
    }
}
