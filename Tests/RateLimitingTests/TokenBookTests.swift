// Tools that bring their own tokens: what a token claims costs nobody else anything until upstream has accepted it.

import Ground
import TestSupport
import Testing

@testable import RateLimiting

@Suite("Passed tokens")
struct TokenBookTests {
    private static let window = GateWindow(limit: 100, span: .seconds(60))

    private func desk(_ window: GateWindow = window, permits: Int = 1000, wait: Duration = .seconds(3600)) -> GateDesk {
        GateDesk(GateLimits(windows: [window], maxInFlight: permits, maxWait: wait), passesTokens: true)
    }

    /// A call with a token of a client, from an address.
    private func call(_ token: String, of client: String, from peer: String = "1", wait: Duration? = nil) -> GateRequest
    {
        GateRequest(
            caller: "token:" + token, operation: "v2.reports.list", wait: wait, peer: peer,
            token: .init(id: token, client: "client:" + client))
    }

    /// Lets a token in that upstream accepts, and time pass until the next newcomer may go.
    private func accept(_ token: String, of client: String, _ desk: GateDesk) {
        defer { desk.pass(.seconds(8)) }
        let id = desk.come(call(token, of: client))
        #expect(desk.send(id))
        desk.accept(id)
        desk.leave(id)
    }

    /// Whether such a call would go now.
    private func goes(_ request: GateRequest, _ desk: GateDesk) -> Bool {
        var request = request
        request.wait = .zero
        let id = desk.come(request)
        let goes = desk.isInside(id)
        if goes { desk.leave(id) }
        return goes
    }

    /// Sends as many calls as may go at once.
    @discardableResult
    private func spend(_ request: GateRequest, _ desk: GateDesk) -> Int {
        var sent = 0
        var request = request
        request.wait = .zero
        while true {
            let id = desk.come(request)
            guard desk.isInside(id), desk.send(id) else { return sent }
            desk.leave(id)
            sent += 1
        }
    }

    private func spent(_ client: String, _ desk: GateDesk) -> Int? {
        let index = desk.state.books.index(of: .init(id: client, client: ""))
        return index > 1 ? desk.state.books.books[index].windows.windows[0].window.spent : nil
    }

    @Test("made-up tokens that claim somebody's client take none of its windows, and cost it no turn")
    func madeUp() {
        let desk = desk()
        accept("victim", of: "v", desk)
        // The first call counts, and five of the burst for whoever was here before.
        #expect(spent("victim", desk) == 6)
        for number in 0..<200 {
            let id = desk.come(call("made-up \(number)", of: "v", wait: .zero))
            if desk.isInside(id) {
                #expect(desk.send(id))
                // Upstream says 401.
                desk.leave(id)
            }
        }
        #expect(spent("victim", desk) == 6)
        #expect(spend(call("victim", of: "v"), desk) == 10, "its burst is untouched")
    }

    @Test("all tokens that were not accepted yet share a tenth of every window, at least one call")
    func newcomers() {
        for (limit, most) in [(1000, 100), (100, 10), (5, 1)] {
            let desk = desk(GateWindow(limit: limit, span: .seconds(60)), wait: .seconds(600))
            var sent: [Nanoseconds] = []
            for number in 0..<300 { desk.come(call("t \(number)", of: "c \(number)", from: "\(number)")) }
            for _ in 0..<1200 {
                for ticket in desk.inside {
                    #expect(desk.send(ticket.id))
                    sent.append(desk.now)
                    desk.leave(ticket.id)
                }
                desk.pass(.milliseconds(100))
            }
            let crowd = sent.indices.map { last in sent[...last].count { sent[last] - $0 <= 60 * .oneSecond } }.max()
            #expect(crowd ?? 0 <= most && sent.count >= most, "\(limit): \(crowd ?? 0)")
        }
    }

    @Test("a 429 to a token that was not accepted yet closes that token alone, else it closes its client")
    func refused() {
        let desk = desk()
        accept("victim", of: "v", desk)
        desk.pass(.seconds(120))
        let liar = desk.come(call("liar", of: "v"))
        #expect(desk.send(liar))
        _ = desk.refuseUpstream(liar, .tier, .told(.seconds(300)))
        desk.leave(liar)
        desk.pass(.seconds(8))
        #expect(goes(call("victim", of: "v"), desk))
        #expect(!goes(call("liar", of: "v"), desk))
        #expect(goes(call("other", of: "v"), desk))
        let victim = desk.come(call("victim", of: "v"))
        #expect(desk.send(victim))
        _ = desk.refuseUpstream(victim, .tier, .told(.seconds(30)))
        desk.leave(victim)
        #expect(desk.closed == ["token:liar", "client:v"])
        for token in ["victim", "other"] { #expect(!goes(call(token, of: "v"), desk), "\(token)") }
        #expect(goes(call("stranger", of: "w"), desk))
        desk.pass(.seconds(40))
        #expect(goes(call("victim", of: "v"), desk))
        #expect(!goes(call("liar", of: "v"), desk))
    }

    @Test(
        "the first call of a token counts in its client's windows once it is accepted, and later ones spend only those")
    func firstCall() {
        let desk = desk()
        accept("one", of: "c", desk)
        accept("two", of: "c", desk)
        #expect(spent("one", desk) == 7)
        #expect(desk.state.books.index(of: .init(id: "one", client: "")) > 1)
        #expect(spend(call("one", of: "c"), desk) == 10)
        #expect(goes(call("new", of: "c"), desk) == false, "its client has to wait, and so has it")
        #expect(goes(call("new", of: "d"), desk), "nothing of that was the newcomers'")
    }

    @Test(
        "a client's windows hold at upstream however many of its tokens are new, and whatever else they claim",
        arguments: 0..<20)
    func windowsHold(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let limit = Int.random(in: 1...40, using: &random)
        let desk = desk(GateWindow(limit: limit, span: .seconds(10)), permits: 4, wait: .seconds(30))
        var sent: [Nanoseconds] = []
        var under: [UInt64] = []
        for step in 0..<4000 {
            let token = Int.random(in: 0..<160, using: &random)
            desk.come(call("t \(token)", of: "c", from: "\(token % 3)"))
            if step % 3 == 0, let ticket = desk.inside.first(where: { $0.phase == .reserved }) {
                #expect(desk.send(ticket.id))
                sent.append(desk.now)
                under.append(ticket.id)
            }
            if Bool.random(using: &random), let id = under.randomElement(using: &random) {
                under.removeAll { $0 == id }
                desk.accept(id)
                desk.leave(id)
            }
            desk.pass(.milliseconds(Int.random(in: 0...20, using: &random)))
        }
        for last in sent.indices.dropFirst(limit) where sent[last] - sent[last - limit] <= 10 * .oneSecond {
            Issue.record("\(limit) a 10 s, and one more after \(sent[last] - sent[last - limit]) ns")
            return
        }
        #expect(sent.count > limit)
    }

    @Test("places are for all clients together, fairly between addresses first and then between tokens")
    func fair() {
        let desk = desk(GateWindow(limit: 1_000_000, span: .seconds(1)), permits: 1)
        let first = desk.come(call("first", of: "f", from: "0"))
        // One address with a hundred tokens, one with two of which one is greedy.
        for number in 0..<100 { desk.come(call("many \(number)", of: "m", from: "1")) }
        for _ in 0..<50 { desk.come(call("greedy", of: "g", from: "2")) }
        for _ in 0..<10 { desk.come(call("modest", of: "h", from: "2")) }
        desk.leave(first)
        var served: [String: Int] = [:]
        for _ in 0..<40 {
            guard let ticket = desk.inside.first else { break }
            let name = ticket.request.caller.hasPrefix("token:many") ? "many" : ticket.request.caller
            served[name, default: 0] += 1
            desk.leave(ticket.id)
        }
        #expect(served == ["many": 20, "token:greedy": 10, "token:modest": 10])
    }

    @Test("one client's pause or full window holds up nobody else's calls")
    func independent() {
        let desk = desk(permits: 2)
        accept("a", of: "a", desk)
        accept("b", of: "b", desk)
        spend(call("a", of: "a"), desk)
        for _ in 0..<50 { desk.come(call("a", of: "a")) }
        #expect(spend(call("b", of: "b"), desk) == 10)
        let waiting = desk.waiting
        desk.pass(.seconds(2))
        #expect(desk.waiting < waiting, "and it goes on by its own pace")
    }

    @Test("books and tokens are bounded: idle clients make room, busy ones do not, and then clients share one")
    func bounded() {
        var books = ClientBooks(
            GateLimits(windows: [Self.window]), passesTokens: true, now: 0, capacity: 3, tokenCapacity: 5)
        var id: UInt64 = 0
        func lane(_ token: String) -> Lane { call(token, of: token).lane }
        func accept(_ token: String, now: Nanoseconds) -> Int {
            id += 1
            let book = books.reserve(id, lane(token), now: now, paced: true)
            books.send(from: book, lane(token), now: now)
            _ = books.accepted(id, book, lane(token), now: now)
            books.left(id, book, lane(token))
            return books.index(of: lane(token).token)
        }
        let first = (0..<3).map { accept("\($0)", now: 0) }
        #expect(Set(first).count == 3 && first.allSatisfy { $0 > 1 })
        #expect(accept("3", now: 0) == ClientBooks.own, "what the others have sent still counts")
        let later = 61 * Nanoseconds.oneSecond
        #expect(accept("4", now: later) == first[0], "the one that was used least lately")
        #expect(books.index(of: lane("0").token) == 1, "whose tokens are as new again")
        for number in 10..<100 { _ = accept("\(number)", now: later) }
        #expect(books.known.clients == 3 && books.known.tokens <= 5)
        for number in 200..<300 {
            let closing = books.refused(
                lane("\(number)"), cause: .tier, told: .oneSecond * 60, sentAt: later, now: later, jitter: 0)
            #expect(closing.whose == "token:\(number)")
        }
        #expect(books.known.tokens <= 5)
    }

    @Test("a tool's fields show the windows that hold for its token")
    func fields() {
        let desk = desk()
        desk.pass(.seconds(120))
        let lane = call("t", of: "c").lane
        #expect(desk.fields(for: lane)?.policy == "\"10/1m\";q=10;w=60")
        accept("t", of: "c", desk)
        #expect(desk.fields(for: lane)?.policy == "\"100/1m\";q=100;w=60")
    }

    @Test("calls without a token of their own are newcomers for ever")
    func noToken() {
        let desk = desk()
        let request = GateRequest(caller: "anonymous", operation: "x", peer: "1")
        for _ in 0..<3 {
            let id = desk.come(request)
            #expect(desk.send(id))
            desk.accept(id)
            desk.leave(id)
            desk.pass(.seconds(8))
        }
        #expect(desk.state.books.known == (0, 0))
        let id = desk.come(request)
        #expect(desk.send(id))
        _ = desk.refuseUpstream(id, .tier, .told(.seconds(60)))
        desk.pass(.seconds(8))
        #expect(!goes(request, desk))
        #expect(goes(call("t", of: "c"), desk))
    }
}
