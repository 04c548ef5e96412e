// The source with its tasks, lock and timer: many callers, cancelled callers, a stop in the middle.

import Synchronization
import TestSupport
import Testing

@testable import Tokens

/// A source over a hand-moved clock, with its parts.
private struct Rig<Endpoint: TokenEndpoint> {
    let clock = TestClock()
    let log = EventLog()
    let endpoint: Endpoint
    let source: TokenSource

    init(_ endpoint: Endpoint) {
        self.endpoint = endpoint
        source = TokenSource(
            configuration: .init(clientID: "client", clientSecret: ClientSecret("secret")),
            endpoint: endpoint, time: .hand(clock), log: log.record)
    }
}

@Suite("The token source", .timeLimit(.minutes(8)))
struct TokenSourceTests {
    @Test("a thousand callers that wait share one request and get the same token")
    func thousand() async throws {
        let rig = Rig(HandEndpoint())
        // Immediate tasks: each waits inside the source before the next begins.
        let callers = (0..<1000).map { _ in Task.immediate { try await rig.source.current() } }
        let request = try await rig.endpoint.next()
        request.answer(.success(granting("abc")))
        for caller in callers {
            let token = try await caller.value
            #expect(token.headerValue == "Bearer abc")
            #expect(token.generation == 1)
        }
        #expect(rig.endpoint.requestCount == 1)
        #expect(rig.source.currentIfUsable()?.headerValue == "Bearer abc")
        await rig.source.stop()
    }

    @Test("two hundred first calls from many threads at once cause one request")
    func twoHundred() async throws {
        let rig = Rig(AutomaticEndpoint { .success(granting("token-\($0)")) })
        let values = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<200 {
                group.addTask { @concurrent in try await rig.source.current().headerValue }
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(values == ["Bearer token-1"])
        #expect(rig.endpoint.requestCount == 1)
        await rig.source.stop()
    }

    @Test("the first caller's cancellation ends its own wait at once and not the request")
    func leaderCancelled() async throws {
        let rig = Rig(HandEndpoint())
        let leader = Task.immediate { try await rig.source.current() }
        let follower = Task.immediate { try await rig.source.current() }
        let request = try await rig.endpoint.next()
        leader.cancel()
        // Ends before the request is answered, so it cannot have waited for it.
        await #expect(throws: TokenFailure.cancelled) { try await leader.value }
        request.answer(.success(granting("abc")))
        #expect(try await follower.value.headerValue == "Bearer abc")
        #expect(rig.endpoint.requestCount == 1)
        await rig.source.stop()
    }

    @Test("when every caller has left, the request still brings a token for the next")
    func allCancelled() async throws {
        let rig = Rig(HandEndpoint())
        let callers = (0..<10).map { _ in Task.immediate { try await rig.source.current() } }
        let request = try await rig.endpoint.next()
        for caller in callers { caller.cancel() }
        for caller in callers { await #expect(throws: TokenFailure.cancelled) { try await caller.value } }
        request.answer(.success(granting("abc")))
        #expect(try await rig.source.current().headerValue == "Bearer abc")
        #expect(rig.endpoint.requestCount == 1)
        await rig.source.stop()
    }

    @Test("a caller that is cancelled before it asks does not wait")
    func cancelledBefore() async throws {
        let rig = Rig(HandEndpoint())
        let caller = Task.immediate {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await rig.source.current()
        }
        await #expect(throws: TokenFailure.cancelled) { try await caller.value }
        await rig.source.stop()
    }

    @Test("started, it fetches at once and renews ahead of the end while the old token serves")
    func renewal() async throws {
        let rig = Rig(HandEndpoint())
        rig.source.start()
        try await rig.endpoint.next().answer(.success(granting("one")))
        // Chance one half: the margin of 300 s and half of the 30 s of jitter.
        try await rig.clock.waitForSleeper(until: rig.clock.instant(.seconds(3285)))
        #expect(rig.source.currentIfUsable()?.headerValue == "Bearer one")
        rig.clock.advance(by: .seconds(3285))
        let second = try await rig.endpoint.next()
        #expect(rig.source.status.isRefreshing)
        #expect(rig.source.currentIfUsable()?.headerValue == "Bearer one")
        second.answer(.success(granting("two")))
        try await rig.clock.waitForSleeper(until: rig.clock.instant(.seconds(3285 * 2)))
        #expect(rig.source.currentIfUsable()?.headerValue == "Bearer two")
        #expect(
            rig.log.all == [
                .requested, .fetched(generation: 1, life: .seconds(3600), refreshIn: .seconds(3285)),
                .requested, .fetched(generation: 2, life: .seconds(3600), refreshIn: .seconds(3285)),
            ])
        await rig.source.stop()
        // The timers that were replaced on the way are gone too.
        try await rig.clock.waitForNoSleepers()
    }

    @Test("down for longer than the token's life: old token, then failures that say when, then a token again")
    func outage() async throws {
        let rig = Rig(HandEndpoint())
        rig.source.start()
        try await rig.endpoint.next().answer(.success(granting("first", life: "60")))
        let first = try await rig.source.current()
        // Half of the life.
        try await rig.clock.waitForSleeper(until: rig.clock.instant(.seconds(30)))
        rig.clock.advance(by: .seconds(30))
        while rig.clock.elapsed < .seconds(200) {
            try await rig.endpoint.next().answer(.failure(.timeout))
            let failure = try await rig.log.nextFailure()
            #expect(failure.retryAfter >= .seconds(1) && failure.retryAfter <= .seconds(30))
            if rig.clock.elapsed < .seconds(60) {
                #expect(rig.source.currentIfUsable() == first)
            } else {
                await #expect(throws: failure) { try await rig.source.current() }
            }
            let due = rig.clock.now.advanced(by: failure.retryAfter)
            try await rig.clock.waitForSleeper(until: due)
            rig.clock.advance(to: due)
        }
        #expect(!rig.source.status.isUsable)
        #expect(rig.source.status.expiresIn == .zero)
        #expect(rig.endpoint.requestCount < 15)
        try await rig.endpoint.next().answer(.success(granting("back")))
        #expect(try await rig.source.current().generation == 2)
        #expect(rig.source.status.isUsable)
        await rig.source.stop()
    }

    @Test("refusals of the old and the new token interleaved cause one refresh")
    func interleavedRefusals() async throws {
        let rig = Rig(HandEndpoint())
        rig.source.start()
        try await rig.endpoint.next().answer(.success(granting("one")))
        let old = try await rig.source.current()
        rig.clock.advance(by: .seconds(10))
        let refused = (0..<100).map { _ in Task.immediate { try await rig.source.refused(old) } }
        let asking = (0..<100).map { _ in Task.immediate { try await rig.source.current() } }
        try await rig.endpoint.next().answer(.success(granting("two")))
        for caller in refused { #expect(try await caller.value?.generation == 2) }
        for caller in asking { #expect(try await caller.value.generation == 2) }
        let new = try await rig.source.current()
        for _ in 0..<50 {
            #expect(try await rig.source.refused(old) == new)
            #expect(try await rig.source.refused(new) == nil)
        }
        #expect(rig.endpoint.requestCount == 2)
        await rig.source.stop()
    }

    @Test("a refusal whose refresh fails says why, and the old token is used on")
    func refusalFails() async throws {
        let rig = Rig(AutomaticEndpoint { $0 == 1 ? .success(granting("one")) : .success(json("", status: 503)) })
        let token = try await rig.source.current()
        rig.clock.advance(by: .seconds(10))
        let failure = try await #require(throws: TokenFailure.self) { try await rig.source.refused(token) }
        #expect(failure.reason == .serverError)
        #expect(rig.source.currentIfUsable() == token)
        await rig.source.stop()
    }

    @Test("a failed first request fails all who wait, each with the same reason")
    func firstFails() async throws {
        let rig = Rig(HandEndpoint())
        let callers = (0..<50).map { _ in Task.immediate { try await rig.source.current() } }
        try await rig.endpoint.next().answer(.success(json(#"{"error":"invalid_client"}"#, status: 401)))
        for caller in callers {
            let failure = try await #require(throws: TokenFailure.self) { try await caller.value }
            #expect(failure.reason == .invalidClient)
            #expect(failure.retryAfter == .milliseconds(7500))
        }
        let again = try await #require(throws: TokenFailure.self) { try await rig.source.current() }
        #expect(again.reason == .invalidClient)
        #expect(rig.endpoint.requestCount == 1)
        #expect(rig.source.status.counters.failed == [.invalidClient: 1])
        await rig.source.stop()
    }

    @Test("an endpoint that ignores everything is given up after the limit; its late answer is not used")
    func silent() async throws {
        let rig = Rig(HandEndpoint(heedsCancellation: false))
        let caller = Task.immediate { try await rig.source.current() }
        let silent = try await rig.endpoint.next()
        try await rig.clock.waitForSleeper(until: rig.clock.instant(.seconds(30)))
        rig.clock.advance(by: .seconds(30))
        let failure = try await #require(throws: TokenFailure.self) { try await caller.value }
        #expect(failure.reason == .endpointTimeout)
        try await rig.clock.waitForSleeper(until: rig.clock.instant(.seconds(31)))
        rig.clock.advance(by: .seconds(1))
        let second = try await rig.endpoint.next()
        silent.answer(.success(granting("late")))
        second.answer(.success(granting("good")))
        #expect(try await rig.source.current().headerValue == "Bearer good")
        await rig.source.stop()
    }

    @Test("the stop fails those who wait, ends the request and the timer, and refuses from then on")
    func stop() async throws {
        let rig = Rig(HandEndpoint())
        let caller = Task.immediate { try await rig.source.current() }
        _ = try await rig.endpoint.next()
        await rig.source.stop()
        await #expect(throws: TokenFailure.stopped) { try await caller.value }
        await #expect(throws: TokenFailure.stopped) { try await rig.source.current() }
        rig.source.start()
        #expect(rig.endpoint.requestCount == 1)
        #expect(rig.clock.sleeperCount == 0)
    }

    @Test("an answer that arrives after the stop is not used")
    func answerAfterStop() async throws {
        let rig = Rig(HandEndpoint(heedsCancellation: false))
        let caller = Task.immediate { try await rig.source.current() }
        let request = try await rig.endpoint.next()
        let stopping = Task.immediate { await rig.source.stop() }
        await #expect(throws: TokenFailure.stopped) { try await caller.value }
        request.answer(.success(granting("late")))
        await stopping.value
        #expect(rig.source.currentIfUsable() == nil)
        #expect(rig.log.all == [.requested])
    }

    @Test("a secret that was changed while the request was on its way is tried after a second")
    func secretChanged() async throws {
        let secret = Mutex("old")
        let endpoint = HandEndpoint()
        let clock = TestClock()
        let source = TokenSource(
            configuration: .init(
                clientID: "c", clientSecret: ClientSecret(reading: { secret.withLock { $0 } }), clientAuth: .post),
            endpoint: endpoint, time: .hand(clock), log: { _ in })
        source.start()
        let first = try await endpoint.next()
        #expect(String(decoding: first.request.form, as: UTF8.self).hasSuffix("client_secret=old"))
        secret.withLock { $0 = "new" }
        first.answer(.success(json(#"{"error":"invalid_client"}"#, status: 401)))
        try await clock.waitForSleeper(until: clock.instant(.seconds(1)))
        clock.advance(by: .seconds(1))
        let second = try await endpoint.next()
        #expect(String(decoding: second.request.form, as: UTF8.self).hasSuffix("client_secret=new"))
        second.answer(.success(granting("abc")))
        #expect(try await source.current().headerValue == "Bearer abc")
        await source.stop()
    }

    @Test("a secret that is changed later is believed at the next try, without a restart")
    func secretChangedLater() async throws {
        let secret = Mutex("old")
        let endpoint = HandEndpoint()
        let clock = TestClock()
        let source = TokenSource(
            configuration: .init(
                clientID: "c", clientSecret: ClientSecret(reading: { secret.withLock { $0 } }), clientAuth: .post),
            endpoint: endpoint, time: .hand(clock), log: { _ in })
        source.start()
        try await endpoint.next().answer(.success(json(#"{"error":"invalid_client"}"#, status: 401)))
        try await clock.waitForSleeper(until: clock.instant(.milliseconds(7500)))
        secret.withLock { $0 = "new" }
        clock.advance(by: .seconds(8))
        let second = try await endpoint.next()
        #expect(String(decoding: second.request.form, as: UTF8.self).hasSuffix("client_secret=new"))
        second.answer(.success(granting("abc")))
        #expect(try await source.current().headerValue == "Bearer abc")
        await source.stop()
    }

    @Test("callers, refusals, cancellations and renewals from many threads: everybody is answered, no storm")
    func churn() async throws {
        let rig = Rig(AutomaticEndpoint { $0 % 3 == 0 ? .failure(.timeout) : .success(granting("t\($0)", life: "8")) })
        rig.source.start()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<400 {
                group.addTask { @concurrent in
                    let token = try? await rig.source.current()
                    if number % 4 == 0, let token { _ = try? await rig.source.refused(token) }
                    if number % 5 == 0 { rig.clock.advance(by: .milliseconds(700)) }
                }
                if number % 7 == 0 {
                    group.addTask { @concurrent in
                        let caller = Task { try? await rig.source.current() }
                        caller.cancel()
                        _ = await caller.value
                    }
                }
            }
        }
        // 80 steps of 0.7 seconds.
        #expect(rig.endpoint.requestCount <= 57)
        await rig.source.stop()
    }
}
