// Calls whose caller's key is withdrawn hear of it once; the others never.

import Ground
import RateLimiting
import Synchronization
import Testing

@testable import Configuration
@testable import Proxy

@Suite struct WaitingCallsTests {
    private final class Heard: Sendable {
        private let names = Mutex([String]())
        var all: [String] { names.withLock { $0.sorted() } }
        func hear(_ name: String) { names.withLock { $0.append(name) } }
    }

    private let heard = Heard()
    private let waiting = WaitingCalls()

    private func callers(_ names: String...) -> [Config.Caller] {
        names.map { Config.Caller(name: $0, credential: .user($0), allow: [.read]) }
    }

    private func enter(_ name: String, as user: String? = nil) -> WaitingCalls.ID? {
        waiting.enter(.credential(.user(user ?? name))) { [heard] in heard.hear(name) }
    }

    @Test("what is withdrawn is told, each once; who has left is not")
    func withdrawn() throws {
        waiting.keep(callers("a", "b"))
        #expect(enter("a") != nil)
        let left = try #require(enter("a2", as: "a"))
        #expect(enter("b") != nil)
        waiting.leave(left)
        waiting.keep(callers("b"))
        #expect(heard.all == ["a"])
        waiting.keep(callers("b"))
        #expect(heard.all == ["a"])
    }

    @Test("who comes under the former configuration with a key that is gone by now is told at once")
    func late() {
        waiting.keep(callers("b"))
        #expect(enter("a") == nil)
        #expect(heard.all == ["a"])
        waiting.keep(callers("a", "b"))
        #expect(enter("a3", as: "a") != nil)
        #expect(heard.all == ["a"])
    }

    @Test("an issuer that is taken out takes the calls of its persons along, and nobody else's")
    func issuers() throws {
        func issuer(_ host: String) -> Config.Issuer {
            var issuer = Config.Issuer()
            issuer.url = IssuerURL(BaseURL(scheme: .https, host: host))
            return issuer
        }
        waiting.keep(callers("key"), [issuer("a"), issuer("b")])
        #expect(enter("key") != nil)
        for host in ["a", "b"] {
            let entry = waiting.enter(.token(issuer: "https://\(host)")) { [heard] in heard.hear(host) }
            #expect(entry != nil)
        }
        waiting.keep(callers("key"), [issuer("b")])
        #expect(heard.all == ["a"])
        waiting.keep([], [issuer("b")])
        #expect(heard.all == ["a", "key"], "with an issuer left nobody comes in unasked")
    }

    @Test("where nobody is asked for a key any more, none is withdrawn")
    func open() {
        waiting.keep(callers("a"))
        #expect(enter("a") != nil)
        waiting.keep([])
        #expect(heard.all == [])
    }

    @Test("a renamed caller keeps its key, and its calls")
    func renamed() {
        waiting.keep(callers("a"))
        #expect(enter("a") != nil)
        waiting.keep([Config.Caller(name: "z", credential: .user("a"), allow: [.read])])
        #expect(heard.all == [])
    }

    @Test("another budget of deletes keeps what was taken, and learns from the log what came before")
    func budget() {
        let (start, hour) = (ContinuousClock.now, Duration.seconds(3_600))
        var state = DeleteBudgetState(GateWindow(limit: 3, span: .seconds(60)))
        #expect(state.take("a", now: start + .seconds(3_000)) == nil)
        #expect(state.take("a", now: start + .seconds(3_001)) == nil)
        // The log has these two, too, with times of its own.
        let recorded = [
            ("a", start + .seconds(10)), ("a", start + .seconds(3_000) + .milliseconds(2)),
            ("a", start + .seconds(3_001) + .milliseconds(2)),
        ]
        let now = start + .seconds(3_002)
        state.change(to: GateWindow(limit: 4, span: hour), recorded: recorded, now: now)
        #expect(state.take("a", now: now) == nil)
        #expect(state.take("a", now: now) == .seconds(10) + hour - .seconds(3_002), "one of old, two, and this")
        state.change(to: GateWindow(limit: 2, span: .seconds(60)), recorded: [], now: now)
        #expect(state.take("a", now: now) != nil)
        #expect(state.take("a", now: now + .seconds(61)) == nil)
    }
}
