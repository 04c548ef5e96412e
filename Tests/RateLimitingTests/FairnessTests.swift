// Who goes next.

import TestSupport
import Testing

@testable import RateLimiting

@Suite("Fairness")
struct FairnessTests {
    /// Callers that always have `depth` calls waiting; how often each was served in so many turns.
    private func serve(_ callers: [GateRequest], turns: Int, depth: (Int) -> Int = { _ in 8 }) -> [Double] {
        let desk = GateDesk(permits: 1)
        desk.come(call("first"))
        for (index, request) in callers.enumerated() { for _ in 0..<depth(index) { desk.come(request) } }
        var served: [String: Double] = [:]
        for _ in 0..<turns {
            desk.firstLeaves()
            let request = desk.inside[0].request
            served[request.caller, default: 0] += 1
            desk.come(request)
        }
        return callers.map { served[$0.caller] ?? 0 }
    }

    @Test("equal callers get equal shares, however many calls each has waiting")
    func equalWeights() {
        let callers = (0..<30).map { call("tool \($0)") }
        let shares = serve(callers, turns: 30_000) { 1 + $0 * 10 }
        #expect(jainIndex(shares) >= 0.99, "\(shares)")
    }

    @Test("shares follow the weights within five in a hundred")
    func weights() {
        let weights = [1, 2, 3, 5, 8, 13]
        let shares = serve(weights.map { call("tool \($0)", weight: $0) }, turns: 20_000)
        for (share, weight) in zip(shares, weights) {
            let expected = 20_000 * Double(weight) / Double(weights.reduce(0, +))
            #expect(abs(share - expected) <= expected * 0.05, "\(weight): \(share)")
        }
    }

    @Test("each caller's calls go in the order of their coming")
    func order() {
        let desk = GateDesk(permits: 1)
        desk.come(call("first"))
        var random = SeededGenerator(seed: 5)
        var came: [String: [UInt64]] = [:]
        for _ in 0..<300 {
            let caller = "tool \(Int.random(in: 0..<4, using: &random))"
            came[caller, default: []].append(desk.come(call(caller)))
        }
        var went: [String: [UInt64]] = [:]
        while desk.waiting > 0 {
            desk.firstLeaves()
            went[desk.inside[0].request.caller, default: []].append(desk.inside[0].id)
        }
        #expect(went == came)
    }

    @Test("whoever was away has saved up no turns")
    func noSavings() {
        let desk = GateDesk(permits: 1)
        desk.come(call("first"))
        desk.come(call("back"))
        for _ in 0..<100 { desk.come(call("busy")) }
        for _ in 0..<50 { desk.firstLeaves() }
        for _ in 0..<50 { desk.come(call("back")) }
        var next: [String] = []
        for _ in 0..<20 {
            desk.firstLeaves()
            next += desk.callersInside
        }
        #expect(next.filter { $0 == "back" }.count == 10)
    }

    @Test("a caller whose lane was closed goes on as an equal, not with the turns that it missed")
    func parkedCallers() {
        let desk = GateDesk(permits: 2)
        let sender = desk.come(call("closed", operation: "closed"))
        desk.come(call("first"))
        desk.send(sender)
        _ = desk.refuseUpstream(sender, .operation, .told(.seconds(10)))
        desk.leave(sender)
        desk.come(call("second"))
        for _ in 0..<100 { desk.come(call("closed", operation: "closed")) }
        for _ in 0..<100 { desk.come(call("open")) }
        for _ in 0..<50 { desk.firstLeaves() }
        #expect(!desk.callersInside.contains("closed"))
        desk.pass(.seconds(30))
        var next: [String] = []
        for _ in 0..<20 {
            desk.firstLeaves()
            next.append(desk.inside[desk.inside.count - 1].request.caller)
        }
        #expect((9...11).contains(next.filter { $0 == "closed" }.count), "\(next)")
    }

    @Test("interactive goes before batch before background, and each lower class keeps its share")
    func classes() {
        let desk = GateDesk(permits: 1)
        desk.come(call("first"))
        for _ in 0..<2000 {
            for priority in [GateRequest.Priority.background, .batch, .interactive] {
                desk.come(call("tool", priority))
            }
        }
        var served: [GateRequest.Priority: Int] = [:]
        var longestGap: [GateRequest.Priority: Int] = [:]
        var lastServed: [GateRequest.Priority: Int] = [:]
        for turn in 0..<1000 {
            desk.firstLeaves()
            let priority = desk.inside[0].request.priority
            served[priority, default: 0] += 1
            longestGap[priority] = max(longestGap[priority] ?? 0, turn - (lastServed[priority] ?? 0))
            lastServed[priority] = turn
        }
        #expect((840...870).contains(served[.interactive] ?? 0), "\(served)")
        #expect(longestGap[.batch] ?? 0 <= 11 && longestGap[.background] ?? 0 <= 21, "\(longestGap)")
    }

    @Test("a caller's deletes and writes go before its reads, and its reads still go")
    func changes() {
        let desk = GateDesk(permits: 1)
        desk.come(call("first"))
        for _ in 0..<500 { desk.come(call()) }
        let delete = desk.come(call(operation: "v2.reports.delete", changes: true))
        desk.firstLeaves()
        #expect(desk.inside.map(\.id) == [delete])
        for _ in 0..<500 { desk.come(call(operation: "v2.reports.delete", changes: true)) }
        var reads = 0
        for _ in 0..<100 {
            desk.firstLeaves()
            if !desk.inside[0].request.changes { reads += 1 }
        }
        #expect(reads == 25)
    }

    @Test("a batch tool's delete goes within ten turns of an interactive crowd's reads")
    func deleteAgainstCrowd() {
        let desk = GateDesk(permits: 1)
        desk.come(call("first"))
        for number in 0..<1000 { desk.come(call("dashboard \(number % 10)")) }
        let delete = desk.come(call("cleaner", .batch, operation: "v1.runs.delete", changes: true))
        var turns = 0
        while !desk.isInside(delete), turns < 100 {
            desk.firstLeaves()
            turns += 1
        }
        #expect(turns <= 10)
    }

    @Test("callers that have gone are forgotten")
    func memory() {
        var queue = ClassQueue()
        var id: UInt64 = 0
        for number in 0..<10_000 {
            id += 1
            let place = queue.add(id, call("tool \(number)"), back: false)
            let next = queue.next(opening: { _ in 0 }, ownOpening: { _ in 0 }, now: 0)
            #expect(next?.id == id)
            queue.remove(slot: place.slot, position: place.position) { _ in false }
            queue.served(slot: place.slot, now: 0)
        }
        #expect(queue.remembered <= 200)
    }
}
