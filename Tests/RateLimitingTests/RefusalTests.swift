// Who is turned away, when, and what he is told.

import Ground
import TestSupport
import Testing

@testable import RateLimiting

@Suite("Refusals")
struct RefusalTests {
    private static let second = Nanoseconds.oneSecond

    /// Ten calls a second at most, and none of a burst left.
    private func busy(queue: Int = 1000, wait: Duration = .seconds(30)) -> GateDesk {
        let desk = GateDesk(
            GateLimits(
                windows: [GateWindow(limit: 600, span: .seconds(60))], maxInFlight: 100_000, maxQueue: queue,
                maxWait: wait))
        for _ in 0..<30 { desk.come(call("first")) }
        for ticket in desk.inside { desk.send(ticket.id) }
        return desk
    }

    @Test("a wait that cannot end in time is refused at once, one that can is not")
    func atOnce() throws {
        let desk = busy()
        for _ in 0..<100 { desk.come(call("greedy")) }
        #expect(desk.refused.isEmpty && desk.waiting == 100)
        // The caller's next one would wait for a hundred others; somebody else's for one.
        let refusal = try desk.refusal(call("greedy", wait: .seconds(5)))
        #expect(refusal.reason == .deadline && refusal.retryAfter ?? .zero >= .seconds(9))
        let other = desk.come(call("modest", wait: .seconds(5)))
        #expect(desk.refused[other] == nil)
        desk.pass(.seconds(1))
        #expect(desk.isInside(other))
    }

    @Test("whoever does not want to wait is not made to")
    func noWait() throws {
        let desk = busy()
        #expect(try desk.refusal(call(wait: .zero)).reason == .deadline)
        #expect(try desk.refusal(call(wait: .seconds(-1))).reason == .deadline)
        #expect(desk.waiting == 0)
    }

    @Test(
        "a second send that need not wait goes, however late it is, and one that must wait is refused",
        arguments: [false, true])
    func lateSecondSend(isFull: Bool) {
        let windows = isFull ? [GateWindow(limit: 1, span: .seconds(3600))] : []
        let desk = GateDesk(GateLimits(windows: windows, maxInFlight: 1))
        let id = desk.come(call(wait: .zero))
        #expect(desk.send(id))
        desk.come(call("next", wait: .seconds(60)))
        desk.pass(.seconds(2))
        desk.again(id)
        #expect(desk.isInside(id) != isFull)
        #expect((desk.refused[id]?.reason == .deadline) == isFull)
    }

    @Test("nobody waits longer than the gate's longest wait, whatever he asks for")
    func longestWait() {
        let desk = GateDesk(permits: 1, wait: .seconds(30))
        desk.come(call("first"))
        let id = desk.come(call(wait: .seconds(3600)))
        desk.pass(.seconds(29))
        #expect(desk.refused[id] == nil)
        desk.pass(.seconds(1))
        #expect(desk.refused[id]?.reason == .places && desk.waiting == 0)
    }

    @Test("waits end in the order of their deadlines, not of their coming")
    func deadlines() {
        let desk = GateDesk(permits: 1)
        desk.come(call("first"))
        let waits = [30, 10, 20].map { desk.come(call(wait: .seconds($0))) }
        desk.pass(.seconds(10))
        #expect(desk.refused.keys.sorted() == [waits[1]])
        desk.pass(.seconds(10))
        #expect(desk.refused.keys.sorted() == [waits[1], waits[2]])
        desk.firstLeaves()
        #expect(desk.isInside(waits[0]))
    }

    @Test("each refused call is told a wait of its own, and never less than the pause")
    func personal() throws {
        let desk = busy(queue: 0)
        var told: Set<Duration> = []
        for number in 0..<200 {
            let refusal = try desk.refusal(call("tool \(number % 5)"))
            told.insert(try #require(refusal.retryAfter))
        }
        #expect(told.count == 200 && told.min() ?? .zero >= .seconds(1))
        #expect(told.max() ?? .zero < .seconds(30), "two hundred calls take twenty seconds")
        _ = desk.refuseUpstream(1, .tier, .told(.seconds(60)))
        for number in 0..<50 {
            let refusal = try desk.refusal(call("tool \(number % 5)"))
            #expect(refusal.retryAfter ?? .zero >= .seconds(60))
            told.insert(try #require(refusal.retryAfter))
        }
        #expect(told.count == 250)
    }

    @Test("one who hammers on makes only his own wait longer")
    func hammering() throws {
        let desk = busy(queue: 0)
        for _ in 0..<2000 { _ = try desk.refusal(call("hammer")) }
        #expect(try desk.refusal(call("modest")).retryAfter ?? .zero < .seconds(2))
        #expect(try desk.refusal(call("hammer")).retryAfter ?? .zero < .seconds(310))
    }

    @Test("one who asks again and again is told no later time for it, nor is anybody else", arguments: [1, 2, 5])
    func polling(every seconds: Int) throws {
        let desk = GateDesk(GateLimits(windows: [GateWindow(limit: 60, span: .seconds(60))], maxInFlight: 100))
        #expect(desk.send(desk.come(call("first"))))
        _ = desk.refuseUpstream(1, .tier, .told(.seconds(1000)))
        var told: [Nanoseconds] = []
        for _ in 0..<60 {
            for caller in ["poller", "other"] {
                var request = call(caller, wait: .zero)
                request.peer = "address"
                let wait = try #require(try desk.refusal(request).retryAfter)
                told.append(desk.now + wait.clampedNanoseconds)
            }
            desk.pass(.seconds(seconds))
        }
        let spread = (told.max() ?? 0) - (told.min() ?? 0)
        #expect(spread < 10 * Self.second, "\(spread / Self.second) s")
    }

    @Test("what was told is forgotten after a second, however many ask")
    func promises() {
        var book = PromiseBook()
        for number in 0..<10_000 {
            let now = Nanoseconds(number) * Self.second / 10
            let told = book.promise("caller \(number)", content: nil, first: now, spacing: Self.second, now: now)
            #expect(told == now && book.count <= 100)
        }
        let now = 2_000 * Self.second
        let together = (0..<3).map { _ in
            book.promise("a", content: nil, first: now, spacing: Self.second, now: now) - now
        }
        #expect(together == [0, 1, 2].map { $0 * Self.second })
        let later = now + Self.second
        #expect(book.promise("a", content: nil, first: later, spacing: Self.second, now: later) == later)
    }

    @Test("a call that is refused again is told its own former time, different ones one time after the other")
    func again() {
        var book = PromiseBook()
        func ask(_ content: Int, _ now: Nanoseconds, first: Nanoseconds) -> Nanoseconds {
            book.promise("a", content: content, first: first, spacing: Self.second, jitter: 7, now: now)
        }
        #expect(ask(1, 0, first: 100) == 107)
        #expect(ask(2, 1, first: 101) == 107 + Self.second)
        for now in 2..<500 {
            #expect(ask(1, Nanoseconds(now), first: 100) == 107)
            #expect(ask(2, Nanoseconds(now), first: 100) == 107 + Self.second)
        }
        #expect(ask(3, 500, first: 100) == 107 + 2 * Self.second, "no more than two were before it")
        #expect(ask(1, 501, first: 9 * Self.second) == 9 * Self.second, "a pause has begun since")
        book.forget()
        #expect(ask(3, 502, first: 100) == 107)
        for content in 4..<10_000 { _ = ask(content, 503, first: 100) }
        #expect(ask(3, 504, first: 100) == 107, "however many there are")
    }

    @Test(
        "one poller of a coarse window is told the one time at which there is room, however fast it asks",
        arguments: [1, 20, 100, 250])
    func poller(milliseconds: Int) throws {
        let desk = GateDesk(GateLimits(windows: [GateWindow(limit: 10, span: .seconds(10))], maxInFlight: 100))
        var request = call("poller", wait: .zero)
        request.content = 7
        while true {
            let id = desk.come(request)
            guard desk.refused[id] == nil else { break }
            desk.send(id)
        }
        let wait = try #require(try desk.refusal(request).retryAfter)
        let first = desk.now + wait.clampedNanoseconds
        #expect(first - desk.now < 3 * Self.second)
        var id: UInt64 = 0
        repeat {
            desk.pass(.milliseconds(milliseconds))
            id = desk.come(request)
            guard let told = desk.refused[id]?.retryAfter else { continue }
            #expect(desk.now + told.clampedNanoseconds <= max(first, desk.now + 5 * Self.second / 2), "\(told)")
        } while desk.refused[id] != nil
        #expect(desk.now <= first + Nanoseconds(milliseconds) * 1_000_000, "it goes when it was told, or sooner")
    }

    @Test("what was told under other limits is forgotten with them")
    func reloaded() throws {
        let desk = busy(queue: 0)
        for _ in 0..<100 { _ = try desk.refusal(call("tool")) }
        #expect(try desk.refusal(call("tool")).retryAfter ?? .zero > .seconds(9))
        desk.change(
            to: GateLimits(windows: [GateWindow(limit: 6000, span: .seconds(60))], maxInFlight: 100_000, maxQueue: 0))
        if let told = desk.refused[desk.come(call("tool"))]?.retryAfter { #expect(told < .seconds(3)) }
    }

    @Test("whoever comes back when he was told to is let in")
    func honest() throws {
        var random = SeededGenerator(seed: 3)
        let desk = busy(queue: 20, wait: .seconds(1))
        var coming: [(at: Nanoseconds, caller: String)] = []
        for number in 0..<100 {
            let caller = "tool \(number % 10)"
            let id = desk.come(call(caller))
            if let wait = desk.refused[id]?.retryAfter {
                coming.append((desk.now + wait.clampedNanoseconds, caller))
            }
            desk.pass(.milliseconds(Int.random(in: 0...10, using: &random)))
        }
        #expect(coming.count > 50)
        var refusedAgain = 0
        for (at, caller) in coming.sorted(by: { $0.at < $1.at }) {
            desk.pass(.nanoseconds(max(at - desk.now, 0)))
            for ticket in desk.inside { desk.send(ticket.id) }
            let id = desk.come(call(caller))
            if desk.refused[id] != nil { refusedAgain += 1 }
        }
        #expect(refusedAgain <= 2, "of those who crowd in the same second one may be unlucky")
    }

    @Test("a full queue refuses, and one caller alone cannot fill it")
    func queue() throws {
        let desk = GateDesk(permits: 1, queue: 100)
        desk.come(call("first"))
        var waiting = 0
        while desk.come(call("greedy")) > 0, desk.refused.isEmpty { waiting += 1 }
        #expect(waiting == 90 && desk.refused.values.first?.reason == .queueFull)
        for number in 0..<10 { desk.come(call("other \(number)")) }
        #expect(desk.waiting == 100)
        #expect(try desk.refusal(call("last")).reason == .queueFull)
        #expect(desk.state.counts.refusedQueueFull == 2)
    }

    @Test("a small queue is for anybody")
    func smallQueue() throws {
        let desk = GateDesk(permits: 1, queue: 3)
        desk.come(call())
        for _ in 0..<3 { desk.come(call()) }
        #expect(desk.waiting == 3)
        #expect(try desk.refusal(call()).reason == .queueFull)
    }

    @Test("with slow answers a wait of many turns is known to be hopeless")
    func slowAnswers() throws {
        let desk = GateDesk(permits: 2, wait: .seconds(30))
        for _ in 0..<2 { desk.come(call()) }
        desk.pass(.seconds(20))
        for _ in 0..<2 { desk.firstLeaves() }
        for _ in 0..<2 { desk.come(call()) }
        var waiting = 0
        while desk.refused.isEmpty, waiting < 100 {
            desk.come(call())
            waiting += 1
        }
        // Ten seconds a turn: the sixth would wait sixty. When a place will be free is a guess that nobody is told.
        #expect((4...7).contains(waiting), "\(waiting)")
        #expect(desk.refused.values.first == Gate.Refusal(reason: .places, retryAfter: .seconds(1)))
    }
}
