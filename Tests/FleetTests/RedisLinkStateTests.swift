// Which server is used, and when one is looked for: by hand-moved time, without a socket.

import Ground
import Testing

@testable import Fleet

extension RedisGreeting {
    fileprivate static func of(_ role: String, epoch: Int = 0, seq: Int = 0, run: String = "r") throws -> RedisGreeting
    {
        try RedisGreeting([
            .success(.bulk(Array("# Server\r\nredis_version:7.0.15\r\nrun_id:\(run)\r\n".utf8))),
            .success(.array([.bulk(Array(role.utf8))])), .success(.bulk([])),
            .success(.bulk(Array("maxmemory_policy:noeviction\r\n".utf8))),
            .success(.array([.bulk(Array("\(epoch)".utf8)), .bulk(Array("\(seq)".utf8))])),
        ])
    }
}

@Suite struct RedisLinkStateTests {
    private let start = ContinuousClock.now

    @Test("the one primary is used as soon as all have answered")
    func primary() throws {
        var state = RedisLinkState(servers: 3)
        #expect(state.handle(.begin, now: start, random: 0) == .look(round: 1))
        let (replica, primary) = (try RedisGreeting.of("slave"), try RedisGreeting.of("master"))
        #expect(state.handle(.answered(round: 1, server: 0, .success(replica)), now: start, random: 0) == .none)
        #expect(state.handle(.answered(round: 1, server: 1, .success(primary)), now: start, random: 0) == .none)
        let dead = RedisLinkState.Event.answered(round: 1, server: 2, .failure(.unreachable("refused")))
        #expect(state.handle(dead, now: start, random: 0) == .use(server: 1, primary))
        #expect(state.deadline == nil && state.trouble == nil)
    }

    @Test("of two primaries the one is used that knows most of the fleet, whatever their order")
    func twoPrimaries() throws {
        let empty = try RedisGreeting.of("master")
        let behind = try RedisGreeting.of("master", epoch: 1, seq: 900)
        let latest = try RedisGreeting.of("master", epoch: 950, seq: 960)
        for order in [[empty, latest, behind], [latest, behind, empty], [behind, empty, latest]] {
            var state = RedisLinkState(servers: 3)
            _ = state.handle(.begin, now: start, random: 0)
            var last = RedisLinkState.Action.none
            for (index, greeting) in order.enumerated() {
                last = state.handle(.answered(round: 1, server: index, .success(greeting)), now: start, random: 0)
            }
            #expect(last == .use(server: try #require(order.firstIndex(of: latest)), latest))
        }
    }

    @Test("a server that does not answer holds up the others for a quarter of a second")
    func settle() throws {
        var state = RedisLinkState(servers: 2)
        _ = state.handle(.begin, now: start, random: 0)
        #expect(state.deadline == start + .seconds(2))
        let primary = try RedisGreeting.of("master")
        _ = state.handle(.answered(round: 1, server: 1, .success(primary)), now: start, random: 0)
        #expect(state.deadline == start + .milliseconds(250))
        #expect(state.handle(.timer, now: start + .milliseconds(249), random: 0) == .none)
        #expect(state.handle(.timer, now: start + .milliseconds(250), random: 0) == .use(server: 1, primary))
    }

    @Test("without a primary it rests longer and longer, up to a bound, and says what is most worth mending")
    func rests() throws {
        var state = RedisLinkState(servers: 2)
        var now = start
        _ = state.handle(.begin, now: now, random: 0.5)
        var rests: [Duration] = []
        for round in 1...8 {
            _ = state.handle(
                .answered(round: round, server: 0, .failure(.unreachable("refused"))), now: now, random: 0.5)
            let action = state.handle(
                .answered(round: round, server: 1, .failure(.passwordRefused)), now: now, random: 0.5)
            #expect(action == .rest(.passwordRefused))
            let due = try #require(state.deadline)
            rests.append(due - now)
            now = due
            #expect(state.handle(.timer, now: now, random: 0.5) == .look(round: round + 1))
        }
        #expect(rests == [25, 50, 100, 200, 200, 200, 200, 200].map { .milliseconds($0) })
    }

    @Test("a lost link is looked for at once, but one that breaks as soon as it is there is not")
    func lost() throws {
        var state = RedisLinkState(servers: 1)
        let primary = try RedisGreeting.of("master")
        _ = state.handle(.begin, now: start, random: 0)
        _ = state.handle(.answered(round: 1, server: 0, .success(primary)), now: start, random: 0)
        let later = start + .seconds(5)
        #expect(state.handle(.lost(round: 1, .readOnly), now: later, random: 0) == .look(round: 2))
        #expect(state.trouble == .readOnly)
        _ = state.handle(.answered(round: 2, server: 0, .success(primary)), now: later, random: 0)
        #expect(state.handle(.lost(round: 1, .closed), now: later, random: 0) == .none, "of a link before")
        #expect(state.handle(.lost(round: 2, .closed), now: later, random: 0) == .rest(.closed))
        #expect(state.handle(.end, now: later, random: 0) == .rest(.closed))
        #expect(state.handle(.timer, now: later + .seconds(9), random: 0) == .none)
    }

    @Test("only replicas: said so, and looked again")
    func replicas() throws {
        var state = RedisLinkState(servers: 2)
        _ = state.handle(.begin, now: start, random: 0)
        let replica = try RedisGreeting.of("slave")
        _ = state.handle(.answered(round: 1, server: 0, .success(replica)), now: start, random: 0)
        let action = state.handle(.answered(round: 1, server: 1, .success(replica)), now: start, random: 0)
        #expect(action == .rest(.noPrimary))
    }

    @Test("what a server says of itself is taken from INFO where ROLE is forbidden")
    func forbidden() throws {
        func greeting(_ version: String, role: String, mode: String = "standalone") throws -> RedisGreeting {
            try RedisGreeting([
                .success(.bulk(Array("redis_version:\(version)\r\nredis_mode:\(mode)\r\nrun_id:abc\r\n".utf8))),
                .failure(.notPermitted("NOPERM")), .success(.bulk(Array("role:\(role)\r\n".utf8))),
                .success(.bulk(Array("maxmemory_policy:allkeys-lru\r\n".utf8))),
                .success(.array([.null, .null])),
            ])
        }
        let primary = try greeting("5.0.14", role: "master")
        #expect(primary.isPrimary && primary.evictionPolicy == "allkeys-lru" && primary.epoch == 0)
        #expect(try !greeting("7.2.5", role: "slave").isPrimary)
        #expect(throws: RedisTrouble.tooOld("4.0.9")) { try greeting("4.0.9", role: "master") }
        #expect(throws: RedisTrouble.sentinel) { try greeting("7.0.0", role: "sentinel") }
        #expect(throws: RedisTrouble.sentinel) { try greeting("7.0.0", role: "x", mode: "sentinel") }
    }
}

@Suite struct RedisNewsStateTests {
    private let asked = ContinuousClock.now

    private func entry(_ number: Int, _ tags: [UInt64] = [7]) -> RedisNewsState.Entry {
        RedisNewsState.Entry(
            place: "\(number)-0", number: number, kind: .invalidated(tags: tags, everything: false))
    }

    private func watch(_ number: Int, server: String = "s", born: String = "b") -> RedisNewsState.Watch {
        RedisNewsState.Watch(server: server, born: born, number: number, place: "\(number)-0")
    }

    private func reader(at number: Int) -> RedisNewsState {
        var state = RedisNewsState()
        _ = state.take(watch(number), [], asked: asked)
        return state
    }

    @Test("the first answer is a gap, and no lease before the stream was read from there")
    func first() {
        var state = RedisNewsState()
        #expect(state.take(watch(5), [], asked: asked) == [.gap])
        #expect(state.place == "5-0")
        #expect(state.take(watch(5), [], asked: asked) == [.current(asOf: asked)])
    }

    @Test("news come in order, then the lease")
    func order() {
        var state = reader(at: 5)
        let news = state.take(watch(6), [entry(6), entry(7, [8])], asked: asked)
        #expect(
            news == [
                .invalidated(id: "6@b", tags: [7], everything: false),
                .invalidated(id: "7@b", tags: [8], everything: false), .current(asOf: asked),
            ])
    }

    @Test("what was trimmed is a gap, wherever it is noticed, and there is no lease until the stream was read anew")
    func gaps() {
        var state = reader(at: 5)
        #expect(state.take(watch(9), [entry(8), entry(9)], asked: asked) == [.gap])
        #expect(state.take(watch(9), [], asked: asked) == [.gap])
        #expect(state.take(watch(9), [], asked: asked) == [.current(asOf: asked)])
        // All of it was trimmed, or is somewhere else.
        state = reader(at: 5)
        #expect(state.take(watch(6), [], asked: asked) == [.gap])
    }

    @Test(
        "another server, another birth and a smaller number are other streams",
        arguments: [("t", "b", 5), ("s", "c", 5), ("s", "b", 4)])
    func others(server: String, born: String, number: Int) {
        var state = reader(at: 5)
        let news = state.take(watch(number, server: server, born: born), [entry(6)], asked: asked)
        #expect(news == [.gap])
        #expect(state.place == "\(number)-0")
    }

    @Test("a full batch is no lease: there is more")
    func batch() {
        var state = reader(at: 0)
        let news = state.take(watch(900), (1...500).map { entry($0) }, asked: asked)
        #expect(news.count == 500 && !news.contains(.current(asOf: asked)))
        #expect(state.take(watch(900), (501...900).map { entry($0) }, asked: asked).last == .current(asOf: asked))
    }
}
