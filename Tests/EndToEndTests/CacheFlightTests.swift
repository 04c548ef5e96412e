// One fetch for all who want the same at the same time: who may share it, who may leave, what is shared.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct CacheFlightTests {
    @Test("500 requests at once for one cold page make one upstream call, and all get the same answer")
    func herd() async throws {
        let gate = Latch()
        try await withCache { number, _ in
            gate.waitBlocking()
            return .bytes(numbered(number))
        } _: { rig, origin async throws in
            let clients = try (0..<500).map { _ in try rig.connect() }
            defer { clients.forEach { $0.close() } }
            for (index, client) in clients.enumerated() {
                try await client.send(rig.request("GET", Path.reports, [("x-correlation-id", "h-\(index)")]))
            }
            try await eventually("upstream is asked") { origin.count > 0 }
            gate.open()
            var statuses: [String: Int] = [:]
            var tags: Set<String> = []
            for (index, client) in clients.enumerated() {
                let answer = try await client.response()
                #expect(answer.status == 200 && answer.number == 1)
                #expect(answer.values("x-correlation-id") == ["h-\(index)"])
                tags.insert(answer["ETag"] ?? "none")
                statuses[answer.cacheStatus.hasPrefix("clash-proxy; hit; ") ? "hit" : answer.cacheStatus, default: 0] +=
                    1
            }
            #expect(origin.count == 1 && tags.count == 1)
            #expect(statuses["clash-proxy; fwd=uri-miss; stored"] == 1)
            #expect(statuses["clash-proxy; fwd=uri-miss; collapsed", default: 0] > 0, "\(statuses)")
        }
    }

    @Test(
        "in a herd only the one that asked upstream says that it was forwarded and stored")
    func herdStatus() async throws {
        let gate = Latch()
        try await withCache { number, _ in
            gate.waitBlocking()
            return .bytes(numbered(number))
        } _: { rig, origin async throws in
            let clients = try (0..<500).map { _ in try rig.connect() }
            defer { clients.forEach { $0.close() } }
            for client in clients { try await client.send(rig.request("GET", Path.reports)) }
            try await eventually("upstream is asked") { origin.count > 0 }
            gate.open()
            var stored = 0
            for client in clients {
                let status = try await client.response().cacheStatus
                if status == "clash-proxy; fwd=uri-miss; stored" {
                    stored += 1
                } else {
                    let isHit = status.hasPrefix("clash-proxy; hit; ")
                    #expect(isHit || status == "clash-proxy; fwd=uri-miss; collapsed", "\(status)")
                }
            }
            #expect(stored == 1 && origin.count == 1)
        }
    }

    @Test("tools with keys, codings, HEAD and other Hosts share one fetch, each answered in its own way")
    func mixedHerd() async throws {
        let gate = Latch()
        try await withCache { number, _ in
            gate.waitBlocking()
            return .bytes(numbered(number))
        } _: { rig, origin async throws in
            async let first = rig.get(Path.reports)
            try await eventually("upstream is asked") { origin.count == 1 }
            async let head = rig.call("HEAD", Path.reports)
            async let other = rig.get("/Clash-Detection/itwins/i/reports", [("Host", "localhost:7")])
            async let coded = rig.get(Path.reports, [("Accept-Encoding", "br"), ("User-Agent", "x")])
            // Their requests are sent by now or later; both ways there is one call.
            _ = try await rig.call("OPTIONS", "/nowhere")
            gate.open()
            #expect(try await first.link("self") == "http://\(rig.host)\(Path.reports)")
            #expect(try await head.body.isEmpty)
            #expect(try await other.link("self") == "http://localhost:7\(Path.reports)")
            #expect(try await coded.number == 1)
            #expect(origin.count == 1)
        }
    }

    // MARK: Leaving

    @Test("the one who began a fetch leaves: the others get its answer, and upstream is asked once")
    func leaderLeaves() async throws {
        let gate = Latch()
        try await withCache { number, _ in
            gate.waitBlocking()
            return .bytes(numbered(number))
        } _: { rig, origin async throws in
            let leader = try rig.connect()
            try await leader.send(rig.request("GET", Path.reports, [("x-correlation-id", "leader")]))
            try await eventually("upstream is asked") { origin.count == 1 }
            let follower = try rig.connect()
            try await follower.send(rig.request("GET", Path.reports))
            leader.reset()
            _ = try await rig.accessLog.line(with: " leader ", "caller-left")
            gate.open()
            let answer = try await follower.response()
            #expect(answer.status == 200 && answer.number == 1)
            follower.close()
            #expect(try await rig.number(Path.reports) == 1)
            #expect(origin.count == 1)
        }
    }

    @Test("a fetch that is upstream is finished and kept although everybody has left")
    func nobodyWaits() async throws {
        let gate = Latch()
        try await withCache { number, _ in
            gate.waitBlocking()
            return .bytes(numbered(number))
        } _: { rig, origin async throws in
            let leader = try rig.connect()
            try await leader.send(rig.request("GET", Path.reports, [("x-correlation-id", "leader")]))
            try await eventually("upstream is asked") { origin.count == 1 }
            leader.close()
            _ = try await rig.accessLog.line(with: " leader ", "caller-left")
            gate.open()
            // Joins what is left of it, or finds what it brought.
            #expect(try await rig.number(Path.reports) == 1)
            #expect(origin.count == 1)
        }
    }

    @Test(
        "the log tells that the request of a tool that left was sent")
    func logOfLeader() async throws {
        let gate = Latch()
        try await withCache { number, _ in
            gate.waitBlocking()
            return .bytes(numbered(number))
        } _: { rig, origin async throws in
            let leader = try rig.connect()
            try await leader.send(rig.request("GET", Path.reports, [("x-correlation-id", "leader")]))
            try await eventually("upstream is asked") { origin.count == 1 }
            leader.close()
            let line = try await rig.accessLog.line(with: " leader ")
            gate.open()
            #expect(line.contains(" caller-left:sent "), "\(line)")
        }
    }

    @Test("a fetch that still queues is dropped when nobody waits for it any more")
    func droppedWhileQueued() async throws {
        let gate = Latch()
        try await withCache(["rate.max_in_flight=1"]) { number, request in
            if request.requestLine.contains("/blocker") { gate.waitBlocking() }
            return .bytes(numbered(number))
        } _: { rig, origin async throws in
            async let blocker = rig.get("\(Path.tests)/blocker")
            try await eventually("the only turn is taken") { origin.count == 1 }
            let leader = try rig.connect()
            try await leader.send(rig.request("GET", Path.reports, [("x-correlation-id", "leader")]))
            // Behind it on the same connection: once this is answered, the leader's request has been taken up.
            try await Self.settled(rig)
            leader.close()
            _ = try await rig.accessLog.line(with: " leader ", "caller-left")
            gate.open()
            #expect(try await blocker.status == 200)
            #expect(try await rig.number(Path.tests) == 2)
            #expect(origin.count("/reports") == 0, "nobody wanted it any more")
        }
    }

    @Test("a fetch that still queues goes on when its leader leaves and another waits")
    func queuedLeaderLeaves() async throws {
        let gate = Latch()
        try await withCache(["rate.max_in_flight=1"]) { number, request in
            if request.requestLine.contains("/blocker") { gate.waitBlocking() }
            return .bytes(numbered(number))
        } _: { rig, origin async throws in
            async let blocker = rig.get("\(Path.tests)/blocker")
            try await eventually("the only turn is taken") { origin.count == 1 }
            let leader = try rig.connect()
            try await leader.send(rig.request("GET", Path.reports, [("x-correlation-id", "leader")]))
            try await Self.settled(rig)
            let follower = try rig.connect()
            try await follower.send(rig.request("GET", Path.reports))
            try await Self.settled(rig)
            leader.close()
            _ = try await rig.accessLog.line(with: " leader ", "caller-left")
            gate.open()
            #expect(try await blocker.status == 200)
            let answer = try await follower.response()
            #expect(answer.status == 200)
            follower.close()
            #expect(origin.count("/reports") == 1)
        }
    }

    /// Lets what was sent before be taken up: some rounds through all event loops.
    private static func settled(_ rig: Rig) async throws {
        for _ in 0..<20 { _ = try await rig.call("OPTIONS", "/nowhere") }
    }

    // MARK: Deadlines

    @Test("a follower waits for its turn as long as it said itself, and the others go on waiting")
    func followersDeadline() async throws {
        let gate = Latch()
        try await withCache(["rate.max_in_flight=1"]) { number, request in
            if request.requestLine.contains("/blocker") { gate.waitBlocking() }
            return .bytes(numbered(number))
        } _: { rig, origin async throws in
            async let blocker = rig.get("\(Path.tests)/blocker")
            try await eventually("the only turn is taken") { origin.count == 1 }
            async let leader = rig.get(Path.reports)
            try await Self.settled(rig)
            let impatient = try await rig.get(Path.reports, [("Prefer", "wait=0")])
            impatient.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 1...60)
            gate.open()
            #expect(try await leader.status == 200)
            #expect(try await blocker.status == 200)
            #expect(origin.count("/reports") == 1)
        }
    }

    @Test("a leader with little time does not take its followers along")
    func leadersDeadline() async throws {
        let gate = Latch()
        try await withCache(["rate.max_in_flight=1"]) { number, request in
            if request.requestLine.contains("/blocker") { gate.waitBlocking() }
            return .bytes(numbered(number))
        } _: { rig, origin async throws in
            async let blocker = rig.get("\(Path.tests)/blocker")
            try await eventually("the only turn is taken") { origin.count == 1 }
            async let leader = rig.get(Path.reports, [("Prefer", "wait=1")])
            try await Self.settled(rig)
            async let follower = rig.get(Path.reports)
            #expect(try await leader.status == 429)
            gate.open()
            #expect(try await follower.status == 200)
            #expect(try await blocker.status == 200)
            #expect(origin.count("/reports") == 1)
        }
    }

    // MARK: What is shared

    @Test(
        "an error is shared by those who wait for it, and not kept",
        arguments: ["404 Not Found", "500 Internal Server Error", "403 Forbidden"])
    func sharedError(status: String) async throws {
        let gate = Latch()
        try await withCache { number, _ in
            gate.waitBlocking()
            return .bytes(json(#"{"error":{},"number":\#(number)}"#, status: status, headers: "X-Note: \(number)\r\n"))
        } _: { rig, origin async throws in
            let clients = try (0..<20).map { _ in try rig.connect() }
            defer { clients.forEach { $0.close() } }
            for client in clients { try await client.send(rig.request("GET", Path.reports)) }
            try await eventually("upstream is asked") { origin.count > 0 }
            try await Self.settled(rig)
            gate.open()
            var collapsed = 0
            for client in clients {
                let answer = try await client.response()
                #expect(answer.statusLine == "HTTP/1.1 \(status)" && answer.number == 1, "\(answer.cacheStatus)")
                #expect(answer.values("X-Note") == ["1"] && answer["Age"] == nil)
                if answer.cacheStatus == "clash-proxy; fwd=uri-miss; collapsed" { collapsed += 1 }
            }
            #expect(collapsed == 19 && origin.count == 1)
            #expect(try await rig.number(Path.reports) == 2, "it was not kept")
        }
    }

    @Test("an unreachable upstream is told to all who wait, after one row of tries")
    func sharedFailure() async throws {
        let gate = Latch()
        try await withCache { _, _ in
            gate.waitBlocking()
            return .reset
        } _: { rig, origin async throws in
            let clients = try (0..<20).map { _ in try rig.connect() }
            defer { clients.forEach { $0.close() } }
            for client in clients { try await client.send(rig.request("GET", Path.reports)) }
            try await eventually("upstream is asked") { origin.count > 0 }
            try await Self.settled(rig)
            gate.open()
            for client in clients {
                let answer = try await client.response()
                answer.expectError(502, "UpstreamUnreachable", reason: "upstream-unreachable")
            }
            #expect(origin.count == 3)
        }
    }

    // MARK: What cannot be shared

    @Test(
        "an answer for one only is not given to those who wait beside it: each gets its own",
        arguments: ["Cache-Control: private", "Set-Cookie: a=b", "Cache-Control: no-store", "Vary: *"])
    func notShared(line: String) async throws {
        let gate = Latch()
        try await withCache { number, _ in
            gate.waitBlocking()
            return .bytes(numbered(number, "\(line)\r\n"))
        } _: { rig, origin async throws in
            let clients = try (0..<8).map { _ in try rig.connect() }
            defer { clients.forEach { $0.close() } }
            for client in clients { try await client.send(rig.request("GET", Path.reports)) }
            try await eventually("upstream is asked") { origin.count > 0 }
            try await Self.settled(rig)
            gate.open()
            var numbers: [Int] = []
            for client in clients {
                let answer = try await client.response()
                #expect(answer.status == 200)
                numbers.append(answer.number)
            }
            #expect(numbers.sorted() == Array(1...8))
        }
    }

    @Test("a key found uncacheable is not queued behind for a while, and shared again when its answers can be")
    func remembered() async throws {
        let both = Latch()
        try await withCache { number, _ in
            if (2...3).contains(number) { both.waitBlocking() }
            return .bytes(numbered(number, number <= 3 ? "Cache-Control: private\r\n" : ""))
        } _: { rig, origin async throws in
            (try await rig.get(Path.reports)).expectForwarded("uri-miss; detail=private", number: 1)
            async let one = rig.get(Path.reports)
            async let two = rig.get(Path.reports)
            try await eventually("both are upstream side by side") { origin.count == 3 }
            both.open()
            #expect(try await Set([one.number, two.number]) == [2, 3])
            (try await rig.get(Path.reports)).expectForwarded("uri-miss; stored", number: 4)
            #expect(try await rig.number(Path.reports) == 4)
        }
    }

    @Test("a request that wants a new answer does not join a fetch that was sent before it")
    func wantsNew() async throws {
        let gate = Latch()
        try await withCache { number, _ in
            if number == 1 { gate.waitBlocking() }
            return .bytes(numbered(number))
        } _: { rig, origin async throws in
            async let old = rig.get(Path.reports)
            try await eventually("upstream is asked") { origin.count == 1 }
            let new = try await rig.get(Path.reports, [("Cache-Control", "no-cache")])
            #expect(new.number == 2)
            gate.open()
            #expect(try await old.number == 1)
            #expect(origin.count == 2)
        }
    }

    @Test("who joins a fetch gets 304 by its own precondition, and a line in the log that says so")
    func followersPrecondition() async throws {
        let gate = Latch()
        try await withCache(["cache.stale_while_revalidate=0s"]) { number, _ in
            if number == 2 { gate.waitBlocking() }
            return .bytes(numbered(7))
        } _: { rig, origin async throws in
            let tag = try await rig.get(Path.reports)["ETag"] ?? ""
            rig.clock.advance(by: .seconds(31))
            async let leader = rig.get(Path.reports)
            try await eventually("upstream is asked") { origin.count == 2 }
            let client = try rig.connect()
            let headers = [("If-None-Match", tag), ("x-correlation-id", "joined")]
            try await client.send(rig.request("GET", Path.reports, headers))
            try await Self.settled(rig)
            gate.open()
            let follower = try await client.response()
            #expect(follower.status == 304 && follower.cacheStatus == "clash-proxy; fwd=stale; collapsed")
            #expect(try await leader.status == 200)
            let line = try await rig.accessLog.line(with: " joined ")
            #expect(line.contains(" 304 upstream answered ") && line.contains(" cache=collapsed"), "\(line)")
            client.close()
            #expect(origin.count == 2)
        }
    }
}
