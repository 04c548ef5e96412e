// Each fault does what it says, on the wire and to the state behind it.

import Simulator
import Testing

@Suite("Faults", .timeLimit(.minutes(8)))
struct FaultTests {
    @Test("a fault hits as often as planned, after what it skips, where its filter says")
    func planning() async throws {
        try await withSimulator { rig async throws in
            rig.simulator.inject(
                .plainText500, where: RequestFilter(method: "GET", target: "top=1"), times: 2, skip: 1)
            var statuses: [Int] = []
            for _ in 0..<4 { statuses.append(try await rig.get("\(rig.base)/reports?$top=1").status) }
            #expect(statuses == [200, 500, 500, 200])
            #expect(try await rig.get("\(rig.base)/reports?$top=2").status == 200)
            rig.simulator.inject(.plainText500, times: nil)
            #expect(try await rig.get("\(rig.base)/reports").status == 500)
            rig.simulator.clearFaults()
            #expect(try await rig.get("\(rig.base)/reports").status == 200)
            #expect(rig.simulator.counters.faults == 3)
        }
    }

    @Test("a filter can look into the body, and a probability of zero never hits")
    func filters() async throws {
        try await withSimulator { rig async throws in
            rig.simulator.inject(.html503, where: RequestFilter(body: "\"delete\""), times: nil)
            rig.simulator.inject(.plainText500, times: nil, probability: 0)
            let body = #"{"jobs":["x"],"operation":"delete"}"#
            #expect(try await rig.call("POST", "\(rig.base)/reports/jobs/deletion", body: body).status == 503)
            #expect(try await rig.get("\(rig.base)/reports").status == 200)
        }
    }

    @Test("errors come as plain text, as HTML, as any answer")
    func answers() async throws {
        try await withSimulator { rig async throws in
            rig.simulator.inject(.plainText500)
            #expect(try await rig.get("\(rig.base)/reports").header("Content-Type") == "text/plain")
            rig.simulator.inject(.html503)
            let html = try await rig.get("\(rig.base)/reports")
            #expect(html.status == 503 && html.text.contains("<h1>"))
            rig.simulator.inject(
                .answer(status: 418, headers: [HeaderField("X-A", "1"), HeaderField("X-A", "2")], contentType: nil))
            let odd = try await rig.get("\(rig.base)/reports")
            #expect(odd.status == 418 && odd.all("x-a") == ["1", "2"] && odd.header("Content-Type") == nil)
            rig.simulator.inject(.redirect(to: "https://elsewhere.example/x"))
            #expect(try await rig.get("\(rig.base)/reports").header("Location") == "https://elsewhere.example/x")
        }
    }

    @Test("a 429 has any Retry-After, either code, and the headers that were named")
    func limits() async throws {
        try await withSimulator { rig async throws in
            rig.simulator.inject(
                .rateLimited(
                    retryAfter: "Wed, 21 Oct 2015 07:28:00 GMT", naming: Set(RateLimitedHeader.allCases),
                    code: "TooManyRequests"))
            let dated = try await rig.get("\(rig.base)/reports")
            #expect(dated.status == 429 && dated.errorCode == "TooManyRequests")
            #expect(dated.header("Retry-After") == "Wed, 21 Oct 2015 07:28:00 GMT")
            for header in RateLimitedHeader.allCases { #expect(dated.header(header.rawValue) != nil) }
            #expect(dated.header("ITwinPlatform-RateLimited-Operation") == "v2.reports.list")
            rig.simulator.inject(.rateLimited(retryAfter: nil, naming: []))
            let bare = try await rig.get("\(rig.base)/reports")
            #expect(bare.header("Retry-After") == nil && bare.errorCode == "RateLimitExceeded")
            for header in RateLimitedHeader.allCases { #expect(bare.header(header.rawValue) == nil) }
        }
    }

    @Test("401 comes in three shapes")
    func unauthorized() async throws {
        try await withSimulator { rig async throws in
            rig.simulator.inject(.unauthorized(.headerNotFound))
            rig.simulator.inject(.unauthorized(.unknownClient))
            rig.simulator.inject(.unauthorized(.invalidJWT))
            #expect(try await rig.get("\(rig.base)/reports").errorCode == "HeaderNotFound")
            let unknown = try await rig.get("\(rig.base)/reports")
            #expect(unknown.errorCode == "Unauthorized" && unknown.text.contains("UnknownClient"))
            let jwt = try await rig.get("\(rig.base)/reports")
            #expect(jwt.text == #"{"statusCode":401,"message":"Invalid JWT."}"#)
        }
    }

    @Test("a reset is a reset, a close is a close, and neither executes the request")
    func notExecuted() async throws {
        try await withSimulator { rig async throws in
            rig.simulator.inject(.reset)
            let reset = await outcome(of: try await deletion(rig, 0))
            #expect(reset.ending == .reset && reset.bytes.isEmpty)
            rig.simulator.inject(.close)
            let close = await outcome(of: try await deletion(rig, 0))
            #expect(close.ending == .eof && close.bytes.isEmpty)
            #expect(rig.simulator.reportIDs(iTwin: rig.iTwin).count == 25)
        }
    }

    @Test("a run can be started and its answer lost, or started twice; what is no start stays as it is")
    func lostStarts() async throws {
        try await withSimulator { rig async throws in
            let test = rig.simulator.testIDs(iTwin: rig.iTwin)[0]
            let model = rig.simulator.repositoryIDs(iTwin: rig.iTwin)[0]
            let body = #"{"jobs":[{"testId":"\#(test)","iModelId":"\#(model)"}],"operation":"run"}"#
            for (fault, count) in [(Fault.runAnswerLost, 1), (.runStartedTwice, 2)] {
                let before = rig.simulator.reportIDs(iTwin: rig.iTwin).count
                rig.simulator.inject(fault)
                #expect(try await rig.get("\(rig.base)/reports").status == 200)
                let cancel = #"{"jobs":["\#(test)"],"operation":"cancel"}"#
                #expect(try await rig.call("POST", "\(rig.base)/runs/jobs", body: cancel).status == 404)
                await #expect(throws: (any Error).self) {
                    _ = try await rig.call("POST", "\(rig.base)/runs/jobs", body: body)
                }
                #expect(rig.simulator.reportIDs(iTwin: rig.iTwin).count == before + count)
            }
        }
    }

    @Test("a request can be executed and its answer lost, by a close or by a reset")
    func executedUnanswered() async throws {
        try await withSimulator { rig async throws in
            let ids = rig.simulator.reportIDs(iTwin: rig.iTwin)
            rig.simulator.inject(.executeThenClose)
            #expect(await outcome(of: try await deletion(rig, 0)).bytes.isEmpty)
            #expect(!rig.simulator.reportExists(ids[0]))
            rig.simulator.inject(.executeThenReset)
            #expect(await outcome(of: try await deletion(rig, 0)).ending == .reset)
            #expect(!rig.simulator.reportExists(ids[1]))
        }
    }

    @Test("a hanging request gets nothing until it is released or the simulator stops")
    func hang() async throws {
        try await withSimulator { rig async throws in
            rig.simulator.inject(.hang, times: 2)
            rig.simulator.inject(.executeThenHang)
            let first = try await deletion(rig, 0)
            #expect(await rig.simulator.waitForRequests(1))
            rig.simulator.releaseHeld()
            #expect(await outcome(of: first).bytes.isEmpty)
            #expect(rig.simulator.reportIDs(iTwin: rig.iTwin).count == 25)

            let second = try await deletion(rig, 0)
            #expect(await rig.simulator.waitForRequests(2))
            let third = try await deletion(rig, 0)
            #expect(await rig.simulator.waitForRequests(3))
            #expect(rig.simulator.reportIDs(iTwin: rig.iTwin).count == 24)
            rig.simulator.releaseHeld()
            let answer = await third.response()
            #expect(answer?.status == 202)
            #expect(await outcome(of: second).ending == .eof)
            rig.simulator.inject(.hang)
            let last = try await deletion(rig, 0)
            #expect(await rig.simulator.waitForRequests(4))
            await rig.simulator.stop()
            #expect(await outcome(of: last).bytes.isEmpty)
        }
    }

    @Test("a body can end before its Content-Length, or before its last chunk")
    func truncated() async throws {
        try await withSimulator { rig async throws in
            rig.simulator.inject(.truncatedLength(after: 20))
            let short = await outcome(of: try await list(rig))
            let (head, body) = split(short.bytes)
            let length = try #require(Int(head.split(separator: "Content-Length: ")[1].prefix { $0.isNumber }))
            #expect(body.utf8.count == 20 && length > 20)
            rig.simulator.inject(.truncatedChunked(after: 20))
            let chunked = split(await outcome(of: try await list(rig)).bytes)
            #expect(chunked.head.contains("Transfer-Encoding: chunked"))
            #expect(chunked.body.hasPrefix("14\r\n") && !chunked.body.contains("0\r\n\r\n"))
            // However large the number, something is always missing.
            rig.simulator.inject(.truncatedLength(after: 10_000_000))
            let almost = split(await outcome(of: try await list(rig)).bytes)
            let told = Int(almost.head.split(separator: "Content-Length: ")[1].prefix { $0.isNumber })
            #expect(told == almost.body.utf8.count + 1)
        }
    }

    @Test("a body can stall, and goes on when released")
    func stall() async throws {
        try await withSimulator { rig async throws in
            rig.simulator.inject(.stall(after: 50))
            let connection = try await list(rig)
            var bytes = await connection.bytes(atLeast: 1)
            while split(bytes).body.utf8.count < 50 { bytes = await connection.bytes(atLeast: bytes.count + 1) }
            #expect(split(bytes).body.utf8.count == 50)
            rig.simulator.releaseHeld()
            let whole = await connection.response()
            #expect((whole?.json["reports"] as? [Any])?.count == 10)
        }
    }

    @Test("garbage comes instead of HTTP, extra bytes behind it")
    func strayBytes() async throws {
        try await withSimulator { rig async throws in
            rig.simulator.inject(.garbage("\u{16}\u{3}no"))
            #expect(await outcome(of: try await list(rig)).bytes == [0x16, 3] + Array("no".utf8))
            rig.simulator.inject(.extraBytes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"))
            let connection = try await list(rig)
            let first = await connection.response()
            let second = await connection.response()
            #expect((first?.json["reports"] as? [Any])?.count == 10)
            #expect(second?.text == "stray")
        }
    }

    @Test("a kept connection can die without having said so")
    func closeAfterAnswer() async throws {
        try await withSimulator { rig async throws in
            rig.simulator.inject(.closeAfterAnswer)
            let connection = try await list(rig)
            let answer = await connection.response()
            #expect(answer?.status == 200 && answer?.header("Connection") == nil)
            #expect(await outcome(of: connection).ending == .eof)
        }
    }

    @Test("headers can be doubled, interim answers can come first, 204 can have a type")
    func oddHeads() async throws {
        try await withSimulator { rig async throws in
            rig.simulator.inject(.duplicateContentLength("7"))
            let doubled = try await rig.get("\(rig.base)/reports")
            #expect(Set(doubled.all("Content-Length")).count == 2)
            rig.simulator.inject(.informational([103, 102]))
            let connection = try await list(rig)
            var statuses: [Int?] = []
            for _ in 0..<3 { statuses.append(await connection.response()?.status) }
            #expect(statuses == [103, 102, 200])
            rig.simulator.inject(.contentTypeWithoutBody)
            let rule = rig.simulator.ruleIDs(iTwin: rig.iTwin)[0]
            let deleted = try await rig.call("DELETE", "\(rig.base)/suppression-rules/\(rule)")
            #expect(deleted.status == 204 && deleted.header("Content-Type") == "application/json")
        }
    }

    @Test("a slow head waits in real time")
    func slowHead() async throws {
        try await withSimulator {
            $0.latency = .milliseconds(20)
        } _: { rig async throws in
            rig.simulator.inject(.slowHead(.milliseconds(100)))
            let start = ContinuousClock.now
            #expect(try await rig.get("\(rig.base)/reports").status == 200)
            #expect(ContinuousClock.now - start >= .milliseconds(120))
        }
    }

    @Test("connections can be dropped at once, and then none is open")
    func dropConnections() async throws {
        try await withSimulator { rig async throws in
            let connection = try await list(rig)
            _ = await connection.response()
            #expect(rig.simulator.openConnections == 1)
            await rig.simulator.dropConnections()
            #expect(await outcome(of: connection).ending == .eof)
            #expect(rig.simulator.openConnections == 0)
        }
    }

    @Test("every name in the catalogue makes a fault, and no other name does")
    func catalogue() {
        #expect(Fault.names.allSatisfy { Fault(named: $0) != nil })
        #expect(Set(Fault.names).count == Fault.names.count)
        #expect(Fault(named: "nonsense") == nil)
    }

    private func list(_ rig: Rig) async throws -> RawConnection {
        let connection = try await rig.connect()
        try await connection.send(rig.request("GET", "\(rig.base)/reports"))
        return connection
    }

    /// Sends the delete of a report that is there, by its place among them.
    private func deletion(_ rig: Rig, _ index: Int) async throws -> RawConnection {
        let connection = try await rig.connect()
        let id = rig.simulator.reportIDs(iTwin: rig.iTwin)[index]
        let body = #"{"jobs":["\#(id)"],"operation":"delete"}"#
        try await connection.send(rig.request("POST", "\(rig.base)/reports/jobs/deletion", body: body))
        return connection
    }

    private func outcome(of connection: RawConnection) async -> (bytes: [UInt8], ending: RawConnection.Ending) {
        await connection.end()
    }

    private func split(_ bytes: [UInt8]) -> (head: String, body: String) {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let range = text.firstRange(of: "\r\n\r\n") else { return (text, "") }
        return (String(text[..<range.lowerBound]), String(text[range.upperBound...]))
    }
}
