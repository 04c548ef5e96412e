// Who goes first when not all can: interactive before batch, callers by their weight, changes before reads.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct RateFairnessTests {
    /// One call a second.
    private static let slow = ["rate.windows=60/1m"]

    /// Queues so many calls of a caller, one after the other.
    private func queue(
        _ rig: Rig, _ count: Int, _ key: (String, String), tag: String, method: String = "GET", after waiting: inout Int
    ) async throws -> [RawClient] {
        var clients: [RawClient] = []
        for number in 0..<count {
            clients.append(try await rig.begin(method, "\(Path.tests)/\(tag)?n=\(number)", [key]))
            waiting += 1
            try await rig.waitForQueue(waiting)
        }
        return clients
    }

    private func finish(_ clients: [RawClient], _ rig: Rig, _ origin: LimitedOrigin) async throws {
        let before = origin.count
        try await rig.pass(.seconds(200), step: .milliseconds(200)) { origin.count - before < clients.count }
        for client in clients { #expect(try await client.answer().status == 200) }
    }

    /// The tags of the arrivals of tests, in their order.
    private func tags(_ origin: LimitedOrigin) -> [String] {
        origin.arrivals(Path.tests).map { arrival in
            let path = arrival.request.requestLine.split(separator: " ")[1].split(separator: "?")[0]
            return String(path.split(separator: "/").last ?? "")
        }
    }

    @Test("interactive calls overtake batch calls, which still get each tenth turn")
    func priorities() async throws {
        let callers = try RateCallers([("person", ""), ("script", "priority = \"batch\"")])
        try await withLimits(Self.slow, file: callers.tables) { rig, origin async throws in
            try await rig.spendBurst([callers.key("person")])
            var waiting = 0
            let batch = try await queue(rig, 4, callers.key("script"), tag: "batch", after: &waiting)
            let interactive = try await queue(rig, 21, callers.key("person"), tag: "person", after: &waiting)
            #expect(try await rig.figure(#"queue_depth{class="batch"}"#) == 4)
            try await finish(batch + interactive, rig, origin)
            let order = tags(origin)
            #expect(order.count == 25)
            let places = order.indices.filter { order[$0] == "batch" }
            #expect(places == [9, 19, 23, 24], "\(places)")
        }
    }

    @Test("callers share by their weight, however many calls each has waiting")
    func weights() async throws {
        let callers = try RateCallers([("one", "weight = 1"), ("three", "weight = 3"), ("many", "weight = 1")])
        try await withLimits(Self.slow, file: callers.tables) { rig, origin async throws in
            try await rig.spendBurst([callers.key("one")])
            var waiting = 0
            var clients = try await queue(rig, 20, callers.key("many"), tag: "many", after: &waiting)
            clients += try await queue(rig, 5, callers.key("one"), tag: "one", after: &waiting)
            clients += try await queue(rig, 15, callers.key("three"), tag: "three", after: &waiting)
            try await finish(clients, rig, origin)
            let first = tags(origin).prefix(25)
            #expect((14...15).contains(first.count { $0 == "three" }), "\(first)")
            #expect((4...6).contains(first.count { $0 == "one" }))
            #expect((4...6).contains(first.count { $0 == "many" }))
            let numbers = origin.arrivals("/many?").map { arrival in
                Int(arrival.request.requestLine.split(separator: " ")[1].split(separator: "=")[1]) ?? -1
            }
            #expect(numbers == Array(0..<20), "first come, first served")
        }
    }

    @Test("a delete does not wait behind the reads of its own caller", arguments: ["", "priority = \"batch\""])
    func deletes(row: String) async throws {
        let callers = try RateCallers([("tool", row)])
        try await withLimits(Self.slow, file: callers.tables) { rig, origin async throws in
            try await rig.spendBurst([callers.key("tool")])
            var waiting = 0
            let reads = try await queue(rig, 12, callers.key("tool"), tag: "read", after: &waiting)
            let deletes = try await queue(rig, 2, callers.key("tool"), tag: "delete", method: "DELETE", after: &waiting)
            try await finish(reads + deletes, rig, origin)
            #expect(Array(tags(origin).prefix(3)) == ["delete", "delete", "read"])
        }
    }

    @Test("a call that is held after a 429 goes before those of its caller that came later")
    func keepsItsPlace() async throws {
        let callers = try RateCallers([("tool", "")])
        try await withLimits(Self.slow, file: callers.tables) { rig, origin async throws in
            origin.refuseOnce(tooMany("30"))
            let held = try await rig.begin("GET", "\(Path.tests)/first", [callers.key("tool")])
            try await rig.waitForQueue(1)
            var waiting = 1
            let later = try await queue(rig, 3, callers.key("tool"), tag: "later", after: &waiting)
            try await finish([held] + later, rig, origin)
            #expect(tags(origin) == ["first", "first", "later", "later", "later"])
            #expect(origin.gaps[0] >= .seconds(30))
            // The pace starts at a tenth and doubles each second.
            #expect(origin.gaps[1] >= .seconds(2), "\(origin.gaps)")
        }
    }
}
