// Places upstream: as long as their calls, no more for a caller than its share, and half of them at most for answers that
// are too large to hold.

import Synchronization
import TestSupport
import Testing

@testable import RateLimiting

@Suite("Places upstream")
struct PlaceTests {
    @Test("a place that was sent from lasts until its transfer ends, whatever becomes of the permit, and ends once")
    func lastsAsItsCall() async throws {
        let gate = Gate(limits: GateLimits(windows: [], maxInFlight: 1), seed: 1)
        var places: [Gate.Place] = []
        do {
            var permit = try await gate.admit(call())
            places.append(try await permit.send())
        }
        #expect(gate.statistics.inFlight == 1 && !gate.isOpen, "the permit has ended, the call has not")
        for _ in 0..<3 { places[0].end() }
        #expect(gate.statistics.inFlight == 0)
        let next = try await gate.admit(call())
        places[0].end()
        places.removeAll()
        #expect(gate.statistics.inFlight == 1, "and it takes no place from the next")
        next.release()
        #expect(gate.isIdle)
    }

    @Test("a place that nobody can end any more ends by itself")
    func forgotten() async throws {
        let gate = Gate(limits: GateLimits(windows: [], maxInFlight: 1), seed: 1)
        do {
            var permit = try await gate.admit(call())
            try await permit.send()
            #expect(gate.statistics.inFlight == 1)
        }
        #expect(gate.statistics.inFlight == 0)
    }

    @Test("a call that is sent again takes a place again, whether or not the former transfer was told to be over")
    func again() async throws {
        for isTold in [false, true] {
            let gate = Gate(limits: GateLimits(windows: [], maxInFlight: 2), seed: 1)
            var permit = try await gate.admit(call())
            let first = try await permit.send()
            if isTold { first.end() }
            let second = try await permit.send()
            #expect(gate.statistics.inFlight == 1)
            first.end()
            #expect(gate.statistics.inFlight == 1, "the first has nothing to give back any more")
            second.end()
            #expect(gate.isIdle)
        }
    }

    @Test("of a thousand transfers that end on other threads, some twice, each gives its place back once")
    func conservation() async {
        let gate = Gate(limits: GateLimits(windows: [], maxInFlight: 4), seed: 1)
        await withTaskGroup { group in
            for number in 0..<1000 {
                group.addTask { @concurrent in
                    guard var permit = try? await gate.admit(call("tool \(number % 5)", places: 3)) else { return }
                    for _ in 0...number % 2 {
                        guard let place = try? await permit.send() else { return }
                        if number % 3 == 0 { _ = permit.becomesLong() }
                        Task.detached { place.end() }
                        if number % 7 == 0 { place.end() }
                    }
                }
            }
        }
        while gate.statistics.inFlight > 0 { await Task.yield() }
        #expect(gate.isIdle && gate.isOpen)
    }

    // MARK: Shares

    @Test("no caller holds more than its share: three quarters, at least one, or what it was given")
    func shares() {
        for (places, given, most) in [(16, 0, 12), (16, 3, 3), (16, 100, 16), (2, 0, 1), (1, 0, 1)] {
            let desk = GateDesk(permits: places)
            for _ in 0..<60 { desk.come(call("greedy", places: given)) }
            #expect(desk.inside.count == most, "\(places), \(given)")
            for _ in 0..<20 {
                desk.firstLeaves()
                #expect(desk.inside.count == most)
            }
        }
        let desk = GateDesk(permits: 4)
        for _ in 0..<20 { desk.come(call("anonymous")) }
        #expect(desk.inside.count == 4, "who cannot be told apart has no share")
    }

    @Test("a caller at its share holds up nobody, and its own calls go on as it gives places back")
    func atShare() {
        let desk = GateDesk(permits: 4)
        for _ in 0..<10 { desk.come(call("greedy", places: 0)) }
        #expect(desk.callersInside == ["greedy", "greedy", "greedy"])
        let modest = desk.come(call("modest", places: 0))
        #expect(desk.isInside(modest), "one place is left for others")
        let second = desk.come(call("modest", places: 0))
        #expect(!desk.isInside(second))
        desk.leave(modest)
        #expect(desk.isInside(second), "the greedy ones that came before may not")
        desk.firstLeaves()
        #expect(desk.callersInside == ["greedy", "greedy", "modest", "greedy"])
    }

    @Test("a share that a reload changes holds for calls that wait already, and newcomers stay behind them")
    func changedShare() {
        let desk = GateDesk(permits: 8)
        let old = (0..<6).map { _ in desk.come(call("tool", places: 1)) }
        desk.change(shares: ["tool": 3, "stranger": 5])
        #expect(desk.inside.map(\.id) == Array(old.prefix(3)))
        let late = desk.come(call("tool", places: 3))
        #expect(!desk.isInside(late))
        desk.firstLeaves()
        #expect(desk.inside.map(\.id) == Array(old[1...3]))
        desk.change(shares: ["tool": 1])
        for _ in 0..<2 { desk.firstLeaves() }
        #expect(desk.inside.map(\.id) == [old[3]])
        desk.firstLeaves()
        #expect(desk.inside.map(\.id) == [old[4]], "one at a time now")
    }

    @Test("a newcomer with a larger share brings it to those who wait, and does not overtake them")
    func newcomersShare() {
        let desk = GateDesk(permits: 8)
        let old = (0..<3).map { _ in desk.come(call("tool", places: 1)) }
        let late = desk.come(call("tool", places: 2))
        #expect(desk.inside.map(\.id) == Array(old.prefix(2)))
        #expect(!desk.isInside(late))
    }

    @Test("a share holds over all classes and operations of a caller")
    func shareOverClasses() {
        let desk = GateDesk(permits: 4)
        for priority in [GateRequest.Priority.interactive, .batch, .background] {
            for number in 0..<4 { desk.come(call("tool", priority, operation: "v2.x.\(number)", places: 2)) }
        }
        #expect(desk.inside.count == 2)
        for _ in 0..<10 {
            desk.firstLeaves()
            #expect(desk.inside.count == 2)
        }
    }

    @Test("who is refused for want of a place is told so, and one second; who is refused for the rate hears of that")
    func causes() throws {
        let desk = GateDesk(permits: 2)
        desk.come(call("greedy", places: 1))
        #expect(
            try desk.refusal(call("greedy", wait: .zero, places: 1))
                == .init(reason: .share, retryAfter: .seconds(1), limit: .init(caller: "greedy", window: nil)))
        desk.come(call("other", places: 1))
        #expect(
            try desk.refusal(call("third", wait: .zero, places: 1)) == .init(reason: .places, retryAfter: .seconds(1)))
        let late = desk.come(call("third", wait: .seconds(2), places: 1))
        desk.pass(.seconds(2))
        #expect(desk.refused[late] == .init(reason: .places, retryAfter: .seconds(1)))
        #expect(desk.state.counts.refusedPlaces == 3)

        let full = GateDesk(GateLimits(windows: [GateWindow(limit: 1, span: .seconds(60))], maxInFlight: 1))
        let id = full.come(call())
        #expect(full.send(id))
        #expect(try full.refusal(call(wait: .zero)).reason == .deadline, "the place is taken and the window is full")
    }

    // MARK: Answers too large to hold

    @Test("answers too large to hold take at most half of the places, at least one")
    func long() {
        for (places, most) in [(16, 8), (5, 2), (1, 1)] {
            let desk = GateDesk(permits: places)
            let ids = (0..<places).map { _ in desk.come(call()) }
            #expect(ids.filter { desk.becomesLong($0) }.count == most)
            #expect(desk.becomesLong(ids[0]), "once is enough")
            desk.leave(ids[0])
            if places > 1 { #expect(desk.becomesLong(ids[places - 1]), "one of them has ended") }
        }
    }

    @Test("a call whose answer is known to be too large waits for such a place, and holds up nobody")
    func knownToBeLong() {
        let desk = GateDesk(permits: 4)
        let long = (0..<3).map { _ in desk.come(call("reader", isLong: true)) }
        #expect(desk.inside.map(\.id) == [long[0], long[1]])
        let short = desk.come(call("reader"))
        #expect(desk.isInside(short))
        #expect(!desk.becomesLong(short))
        desk.leave(long[0])
        #expect(desk.isInside(long[2]))
    }

    @Test(
        "who lacks a place and nothing else is seen: waiting, or refused; at its own share, or by the rate, is not that"
    )
    func demand() throws {
        let desk = GateDesk(permits: 2)
        #expect(desk.demand == PlaceDemand(isWaitedFor: false, refused: 0))
        let first = desk.come(call("a", places: 1))
        desk.come(call("a", places: 1))
        #expect(desk.demand == PlaceDemand(isWaitedFor: false, refused: 0), "at its share")
        desk.come(call("b", places: 1))
        _ = try desk.refusal(call("c", wait: .zero, places: 1))
        #expect(desk.demand == PlaceDemand(isWaitedFor: false, refused: 1))
        desk.come(call("c", places: 1))
        #expect(desk.demand == PlaceDemand(isWaitedFor: true, refused: 1))
        desk.leave(first)
        #expect(desk.demand.isWaitedFor, "another has taken it")
        desk.firstLeaves()
        #expect(!desk.demand.isWaitedFor)

        let long = GateDesk(permits: 4)
        let longest = (0..<3).map { _ in long.come(call()) }
        #expect(longest.map { long.becomesLong($0) } == [true, true, false])
        #expect(long.demand == PlaceDemand(isWaitedFor: false, refused: 1))
        long.come(call("reader", isLong: true))
        #expect(long.demand == PlaceDemand(isWaitedFor: true, refused: 1))

        let paced = GateDesk(GateLimits(windows: [GateWindow(limit: 1, span: .seconds(60))], maxInFlight: 1))
        #expect(paced.send(paced.come(call())))
        paced.come(call())
        #expect(!paced.demand.isWaitedFor, "the window is full")
    }

    // MARK: Settling

    @Test("looks at lost calls go before everybody, ahead of the pace, and never over a hard window")
    func settling() {
        let desk = GateDesk(GateLimits(windows: [GateWindow(limit: 100, span: .seconds(60))], maxInFlight: 1))
        let first = desk.come(call())
        #expect(desk.send(first))
        for _ in 0..<20 { desk.come(call("tool", changes: true)) }
        let look = desk.come(call("clash-proxy", .settling, operation: "settle", wait: .seconds(5)))
        #expect(!desk.isInside(look), "the place is taken")
        desk.leave(first)
        #expect(desk.callersInside == ["clash-proxy"])
        #expect(desk.send(look))
        desk.leave(look)
        // Half of the burst is spent, and none of it by the looks.
        var sent = 1
        while let ticket = desk.inside.first {
            #expect(desk.send(ticket.id))
            desk.leave(ticket.id)
            sent += 1
        }
        #expect(sent == 5)
        var looks = 1
        while true {
            let look = desk.come(call("clash-proxy", .settling, operation: "settle", wait: .zero))
            guard desk.isInside(look) else { break }
            #expect(desk.send(look))
            desk.leave(look)
            looks += 1
        }
        // Five of the first burst count as spent by whoever was here before.
        #expect(looks + sent + 5 == 100)
    }

    @Test("a read waits no longer for forty looks than they take, and a batch tool's tenth turn is not before them")
    func looksFirst() {
        let desk = GateDesk(permits: 1)
        let first = desk.come(call())
        desk.come(call("reader"))
        for _ in 0..<40 { desk.come(call("clash-proxy", .settling, operation: "settle")) }
        for _ in 0..<20 { desk.come(call("script", .batch)) }
        desk.leave(first)
        var order: [String] = []
        while let ticket = desk.inside.first {
            order.append(ticket.request.caller)
            desk.leave(ticket.id)
        }
        #expect(order.prefix(40).allSatisfy { $0 == "clash-proxy" } && order[40] == "reader")
    }

    // MARK: Upstream is down

    @Test("while upstream is down nobody goes and nobody waits, and each hears when it is looked at again")
    func down() throws {
        let desk = GateDesk(permits: 2)
        let sent = desk.come(call())
        #expect(desk.send(sent))
        let ready = desk.come(call())
        let waiting = (0..<3).map { _ in desk.come(call()) }
        desk.shut(.upstreamHangs, next: .seconds(4))
        #expect(waiting.allSatisfy { desk.refused[$0] == .init(reason: .upstreamHangs, retryAfter: .seconds(4)) })
        #expect(!desk.send(ready), "it was let in before")
        desk.again(ready)
        #expect(desk.refused[ready]?.reason == .upstreamHangs)
        desk.pass(.milliseconds(3500))
        let late = try desk.refusal(call("other", .settling))
        #expect(late == .init(reason: .upstreamHangs, retryAfter: .seconds(1)), "at least a second")
        desk.shut(.upstreamRefuses, next: .seconds(60))
        #expect(try desk.refusal(call()) == .init(reason: .upstreamRefuses, retryAfter: .seconds(15)))
        desk.open()
        let back = desk.come(call())
        #expect(desk.isInside(back) && desk.send(back))
        desk.leave(sent)
        desk.leave(back)
        #expect(desk.state.isIdle(now: desk.now))
        #expect(desk.state.counts.refusedDown == 6)
    }
}
