// HTTP/1.1 as a client sees it on the wire.

import Simulator
import Testing

@Suite("HTTP", .timeLimit(.minutes(8)))
struct HTTPTests {
    @Test("a connection is kept, and two requests in one packet are answered in their order")
    func pipelining() async throws {
        try await withSimulator { rig async throws in
            let connection = try await rig.connect()
            try await connection.send(
                rig.request("GET", "\(rig.base)/reports?$top=1") + rig.request("GET", "\(rig.base)/nothing")
                    + rig.request("GET", "\(rig.base)/reports?$top=2"))
            let first = await connection.response()
            let second = await connection.response()
            let third = await connection.response()
            #expect((first?.json["reports"] as? [Any])?.count == 1)
            #expect(second?.status == 404)
            #expect((third?.json["reports"] as? [Any])?.count == 2)
            #expect(Set(rig.simulator.recorded.map(\.connection)) == [1])
        }
    }

    @Test("many more pipelined requests than the queue holds are all answered")
    func longPipeline() async throws {
        try await withSimulator { rig async throws in
            let connection = try await rig.connect()
            let one = rig.request("GET", "\(rig.base)/reports?$top=1")
            try await connection.send(String(repeating: one, count: 200))
            for _ in 0..<200 {
                let response = await connection.response()
                #expect(response?.status == 200)
            }
        }
    }

    @Test("HEAD has the headers of GET and no body, and the connection goes on")
    func head() async throws {
        try await withSimulator { rig async throws in
            let connection = try await rig.connect()
            try await connection.send(rig.request("HEAD", "\(rig.base)/reports"))
            let head = await connection.response(head: true)
            try await connection.send(rig.request("GET", "\(rig.base)/reports"))
            let get = await connection.response()
            #expect(head?.status == 200)
            #expect(head?.header("Content-Length") == get?.header("Content-Length"))
            #expect(get?.body.isEmpty == false)
        }
    }

    @Test("a chunked request body is put together")
    func chunkedRequest() async throws {
        try await withSimulator { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let connection = try await rig.connect()
            let start = #"{"jobs":[""#
            let rest = #"\#(report)"],"operation":"delete"}"#
            try await connection.send(
                "POST \(rig.base)/reports/jobs/deletion HTTP/1.1\r\nAuthorization: Bearer \(rig.token)\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n\(String(start.utf8.count, radix: 16))\r\n\(start)\r\n")
            try await connection.send("\(String(rest.utf8.count, radix: 16))\r\n\(rest)\r\n0\r\n\r\n")
            let response = await connection.response()
            #expect(response?.status == 202)
            #expect(!rig.simulator.reportExists(report))
        }
    }

    @Test("Expect: 100-continue is answered before the body is sent")
    func expectContinue() async throws {
        try await withSimulator { rig async throws in
            let connection = try await rig.connect()
            let body = #"{"jobs":[]}"#
            try await connection.send(
                "POST \(rig.base)/runs/jobs HTTP/1.1\r\nAuthorization: Bearer \(rig.token)\r\n"
                    + "Expect: 100-continue\r\nContent-Length: \(body.utf8.count)\r\n\r\n")
            let interim = await connection.response()
            #expect(interim?.status == 100)
            #expect(rig.simulator.recorded.isEmpty)
            try await connection.send(body)
            let final = await connection.response()
            #expect(final?.status == 400)
        }
    }

    @Test("Connection: close and HTTP/1.0 end the connection behind the answer")
    func closing() async throws {
        try await withSimulator { rig async throws in
            let polite = try await rig.connect()
            try await polite.send(rig.request("GET", "\(rig.base)/reports", ["Connection": "close"]))
            let answer = await polite.response()
            #expect(answer?.header("Connection") == "close")
            let end = await polite.end()
            #expect(end.ending == .eof)
            #expect(end.bytes.isEmpty)

            let old = try await rig.connect()
            try await old.send("GET \(rig.base)/reports HTTP/1.0\r\nAuthorization: Bearer \(rig.token)\r\n\r\n")
            let oldEnd = await old.end()
            #expect(oldEnd.ending == .eof)
            #expect(String(decoding: oldEnd.bytes, as: UTF8.self).contains("\"reports\":["))
        }
    }

    @Test("requests are recorded as they came: target, header case, order, repeats, time, connection")
    func recording() async throws {
        try await withSimulator { rig async throws in
            let connection = try await rig.connect()
            try await connection.send(
                "GET \(rig.base)/Reports?%24top=1&x=%c3%A9 HTTP/1.1\r\nhOST: x\r\nX-Two: b\r\nX-two: a\r\n\r\n")
            _ = await connection.response()
            let recorded = try #require(rig.simulator.recorded.first)
            #expect(recorded.target == "\(rig.base)/Reports?%24top=1&x=%c3%A9")
            #expect(
                recorded.headers == [HeaderField("hOST", "x"), HeaderField("X-Two", "b"), HeaderField("X-two", "a")])
            #expect(recorded.version == "HTTP/1.1")
            #expect(recorded.time == rig.clock.now)
            #expect(!recorded.onTokenListener)
            rig.simulator.clearRecorded()
            #expect(rig.simulator.recorded.isEmpty)
        }
    }

    @Test("what is no HTTP is refused with 400 and a close")
    func nonsense() async throws {
        try await withSimulator { rig async throws in
            let connection = try await rig.connect()
            try await connection.send("\u{16}\u{3}\u{1} hello\r\n\r\n")
            let end = await connection.end()
            #expect(String(decoding: end.bytes, as: UTF8.self).hasPrefix("HTTP/1.1 400 "))
        }
    }

    @Test("a waiter is told when its request has come, and let go when the simulator stops")
    func waiting() async throws {
        try await withSimulator { rig async throws in
            async let came = rig.simulator.waitForRequests(2, where: RequestFilter(target: "/reports"))
            _ = try await rig.get("\(rig.base)/reports")
            _ = try await rig.get("\(rig.base)/tests")
            _ = try await rig.get("\(rig.base)/reports")
            #expect(await came)
            async let never = rig.simulator.waitForRequests(99)
            await rig.simulator.stop()
            #expect(await never == false)
        }
    }

    @Test("a cancelled waiter returns")
    func cancelledWaiter() async throws {
        try await withSimulator { rig async throws in
            let waiter = Task { await rig.simulator.waitForRequests(1) }
            waiter.cancel()
            #expect(await waiter.value == false)
        }
    }

    @Test("a second start is refused, and so is a port in use")
    func starting() async throws {
        try await withSimulator { rig async throws in
            await #expect(throws: SimulatorError.self) { try await rig.simulator.start() }
            var taken = SimulatorConfiguration()
            taken.apiPort = rig.addresses.apiPort
            let second = Simulator(taken)
            await #expect(throws: SimulatorError.self) { try await second.start() }
        }
    }
}
