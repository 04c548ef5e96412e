// When an issuer is asked for its keys, and how long they are good.

import Ground
import Testing

@testable import Proxy

@Suite struct IssuerKeysStateTests {
    private let start = ContinuousClock.now
    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    private func set(_ kid: String = "k") throws -> KeySet {
        try TokenForge.keySet(try TokenForge.jwk(.es256, kid: kid))
    }

    /// What a look says, in a word.
    private func look(_ state: inout IssuerKeysState, _ seconds: Double) throws -> String {
        try look(&state, "k", seconds)
    }

    private func look(_ state: inout IssuerKeysState, _ kid: String, _ seconds: Double) throws -> String {
        switch state.look(try TokenForge.header(.es256, kid: kid), now: at(seconds)) {
        case .keys: "keys"
        case .wait(.fetch): "fetch"
        case .wait(.none): "wait"
        case .refuse(let fault): "\(fault)"
        case .unavailable(_, _, let wait): "unavailable \(wait.components.seconds)"
        }
    }

    /// What a doubt about a signature brings, in a word.
    private func doubt(_ state: inout IssuerKeysState, _ seconds: Double, generation: UInt64 = 1) throws -> String {
        switch state.doubt(try TokenForge.header(.es256), generation: generation, now: at(seconds)) {
        case .keys: "keys"
        case .wait(.fetch): "fetch"
        case .wait(.none): "wait"
        case .refuse(let fault): "\(fault)"
        case .unavailable(_, _, let wait): "unavailable \(wait.components.seconds)"
        }
    }

    private func fetched(_ seconds: Double = 0) throws -> IssuerKeysState {
        var state = IssuerKeysState()
        #expect(state.start() == .fetch)
        state.fetched(.success(try set()), now: at(seconds))
        return state
    }

    @Test("the first fetch begins at start, or with the first token; who comes meanwhile waits")
    func first() throws {
        var state = IssuerKeysState()
        #expect(state.start() == .fetch && state.start() == .none)
        #expect(try look(&state, 1) == "wait")
        state.fetched(.success(try set()), now: at(2))
        #expect(try look(&state, 2) == "keys")
        var other = IssuerKeysState()
        #expect(try look(&other, 0) == "fetch")
        #expect(try look(&other, 0) == "wait" && other.start() == .none)
    }

    @Test("hourly, and again an hour after that")
    func hourly() throws {
        var state = try fetched()
        #expect(state.wakeUp == at(3600) && state.due(now: at(3599)) == .none)
        #expect(state.due(now: at(3600)) == .fetch && state.due(now: at(3601)) == .none)
        #expect(try look(&state, 3602) == "keys", "the old ones are good meanwhile")
        state.fetched(.success(try set()), now: at(3610))
        #expect(state.wakeUp == at(7210) && state.generation == 1)
    }

    @Test("an unknown key asks at once, the next one not before a minute")
    func unknown() throws {
        var state = try fetched()
        #expect(try look(&state, "new", 10) == "fetch")
        #expect(try look(&state, "other", 10.1) == "wait", "the answer may name it too")
        #expect(try look(&state, 10.2) == "keys", "known ones need not wait")
        state.fetched(.success(try set("new")), now: at(11))
        #expect(try look(&state, "new", 11) == "keys" && state.generation == 2)
        #expect(try look(&state, "k", 11) == "keyUnknown", "it is gone from the set")
        for second in stride(from: 11.0, to: 70, by: 1) { #expect(try look(&state, "other", second) == "keyUnknown") }
        #expect(try look(&state, "other", 70) == "fetch")
    }

    @Test("a signature by none of the keys that are named asks too: they may be others under the same name")
    func replaced() throws {
        var state = try fetched()
        #expect(try doubt(&state, 10) == "fetch" && doubt(&state, 10.1) == "wait")
        #expect(try look(&state, "new", 10.2) == "wait" && look(&state, 10.3) == "keys")
        state.fetched(
            .success(try TokenForge.keySet(TokenForge.jwk(.es256, of: TokenForge.nextP256))), now: at(11))
        #expect(state.generation == 2)
        #expect(try doubt(&state, 11) == "keys", "those that it was held against are gone")
        #expect(try doubt(&state, 11, generation: 2) == "signatureWrong")
        #expect(try doubt(&state, 69, generation: 2) == "signatureWrong" && look(&state, "new", 69) == "keyUnknown")
        #expect(try doubt(&state, 70, generation: 2) == "fetch")
    }

    @Test("a token without a name of its key, of which several fit, makes nobody ask")
    func unclear() throws {
        var state = IssuerKeysState()
        _ = state.start()
        state.fetched(
            .success(try TokenForge.keySet(TokenForge.jwk(.es256, kid: "a"), TokenForge.jwk(.es256, kid: "b"))),
            now: at(0))
        for second in [1.0, 2, 100] {
            guard case .refuse(.keyUnclear) = state.look(try TokenForge.header(.es256, kid: nil), now: at(second))
            else {
                Issue.record("\(second)")
                continue
            }
        }
    }

    @Test("an issuer that hangs is waited for by the one who asks it, and by nobody else once it has failed")
    func hanging() throws {
        var state = try fetched()
        #expect(try look(&state, "new", 10) == "fetch" && look(&state, "other", 19) == "wait")
        state.fetched(.failure(.unreachable("hangs")), now: at(20))
        #expect(try look(&state, "new", 21) == "unavailable 49")
        #expect(try doubt(&state, 21) == "signatureWrong", "the key that it names is there")
        #expect(state.due(now: at(80)) == .fetch)
        for second in [80.0, 85, 89] {
            #expect(try look(&state, "new", second) == "unavailable 1", "nobody waits for the next try")
            #expect(try doubt(&state, second) == "signatureWrong" && look(&state, second) == "keys")
        }
        state.fetched(.failure(.unreachable("hangs")), now: at(90))
        #expect(try look(&state, "new", 91) == "fetch", "it may be back")
        #expect(try look(&state, "other", 92) == "unavailable 1" && doubt(&state, 92) == "signatureWrong")
        state.fetched(.success(try set("new")), now: at(93))
        #expect(try look(&state, "new", 93) == "keys")
    }

    @Test("however many unknown keys and wrong signatures come, they cause one fetch a minute")
    func storm() throws {
        var (state, fetches) = (try fetched(), 0)
        for tick in 0..<60_000 {
            let now = Double(tick) / 100
            let word = try tick.isMultiple(of: 2) ? look(&state, "evil", now) : doubt(&state, now)
            if word == "fetch" {
                fetches += 1
                state.fetched(.success(try set()), now: at(now))
            }
        }
        #expect(fetches == 10)
    }

    @Test("an issuer that is down keeps its keys for a day, and not a second longer")
    func down() throws {
        var state = try fetched()
        var now = 3600.0
        var tries = 0
        while now < 86_400 {
            #expect(state.due(now: at(now)) == .fetch)
            state.fetched(.failure(.unreachable("is down")), now: at(now))
            tries += 1
            #expect(try look(&state, now) == "keys")
            now += 60
        }
        #expect(tries == 1380, "once a minute")
        #expect(try look(&state, 86_399.9) == "keys" && state.generation == 1)
        #expect(try look(&state, 86_400).hasPrefix("unavailable"))
        #expect(!state.hasKeys && state.generation == 2, "what was decided with them is void")
    }

    @Test("an unknown key of an issuer that is down cannot be told from a new one")
    func unknownWhileDown() throws {
        var state = try fetched()
        #expect(try look(&state, "new", 10) == "fetch")
        state.fetched(.failure(.unreachable("is down")), now: at(11))
        #expect(try look(&state, "new", 20) == "unavailable 50")
        #expect(try look(&state, 20) == "keys")
        #expect(state.due(now: at(71)) == .fetch)
        state.fetched(.success(try set()), now: at(72))
        #expect(try look(&state, "new", 72) == "fetch")
    }

    @Test("an issuer that never answered: refused at once, asked again with growing pauses up to a minute")
    func never() throws {
        var state = IssuerKeysState()
        _ = state.start()
        var (now, pauses) = (0.0, [Int64]())
        for _ in 0..<9 {
            state.fetched(.failure(.unreachable("is down")), now: at(now))
            let next = try #require(state.wakeUp)
            pauses.append((next - at(now)).components.seconds)
            #expect(try look(&state, now) == "unavailable \(pauses.last ?? 0)")
            now = (next - start) / .seconds(1)
            #expect(state.due(now: next) == .fetch)
            #expect(try look(&state, now) == "unavailable 1", "only the first is waited for")
        }
        #expect(pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60])
        state.fetched(.success(try set()), now: at(now))
        #expect(try look(&state, now) == "keys")
    }

    @Test("a set in which nothing verifies takes the keys away; one that is none does not")
    func emptySet() throws {
        var state = try fetched()
        #expect(state.due(now: at(3600)) == .fetch)
        state.fetched(.failure(.keySet("is no JSON")), now: at(3601))
        #expect(try look(&state, 3602) == "keys")
        #expect(state.due(now: at(3661)) == .fetch)
        state.fetched(.failure(.noUsableKey), now: at(3662))
        #expect(!state.hasKeys && state.generation == 2)
        #expect(try look(&state, 3662).hasPrefix("unavailable"))
    }

    @Test("the same set again makes no decision void")
    func same() throws {
        var state = try fetched()
        _ = state.due(now: at(3600))
        state.fetched(.success(try set()), now: at(3601))
        #expect(state.generation == 1)
    }
}
