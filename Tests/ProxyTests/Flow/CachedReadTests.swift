// Reads through the cache, branch by branch, without a socket.

import Configuration
import CurlTransport
import HTTPTypes
import NIOHTTP1
import RateLimiting
import Synchronization
import TestSupport
import Testing

@testable import Proxy

@Suite(.timeLimit(.minutes(2))) struct CachedReadTests {
    private static let reports = "/clash-detection/itwins/i/reports"
    private static let deletion = "/clash-detection/itwins/i/reports/jobs/deletion"
    private static let deleteBody = #"{"jobs":["r"],"operation":"delete"}"#

    /// A page of reports that says which request it answers.
    private static func page(_ number: Int) -> UpstreamResponse {
        .json(#"{"count":1,"reports":[{"id":"a","status":1}],"_links":{"prev":null},"number":\#(number)}"#)
    }

    private func rig(_ change: (inout Config) -> Void = { _ in }) async throws -> FlowRig {
        try await FlowRig(FakeUpstream { _, number in Self.page(number) }, change)
    }

    @Test("what was fetched is stored, and answers the next without a call")
    func hit() async throws {
        let rig = try await rig()
        let first = try await rig.get(Self.reports)
        #expect(first.status == 200 && first.cacheStatus == "clash-proxy; fwd=uri-miss; stored")
        let second = try await rig.get(Self.reports)
        #expect(second.body == first.body && second.cacheStatus.hasPrefix("clash-proxy; hit; ttl="))
        #expect(rig.upstream.requests.count == 1 && second["Age"] == "0" && second["Server-Timing"] == nil)
        let lines = rig.accessLines()
        #expect(lines[0].contains(" cache=stored") && lines[1].contains(" 200 cache answered "))
        #expect(lines[1].contains(" cache=hit") && lines[1].contains(" attempts=0"))
    }

    @Test("those who ask at the same time share one fetch")
    func shared() async throws {
        let (arrived, goOn) = (Latch(), Latch())
        let rig = try await rig()
        rig.upstream.answer { _, number in
            arrived.open()
            await goOn.wait()
            return Self.page(number)
        }
        let leader = try await rig.begin(.GET, Self.reports)
        await arrived.wait()
        let follower = try await rig.begin(.GET, Self.reports)
        goOn.open()
        let (first, second) = (try await leader.value(), try await follower.value())
        #expect(first.cacheStatus.hasSuffix("stored") && second.cacheStatus == "clash-proxy; fwd=uri-miss; collapsed")
        #expect(first.body == second.body && rig.upstream.requests.count == 1)
    }

    @Test("a leader that leaves does not take its fetch along")
    func leaderLeaves() async throws {
        let (arrived, goOn) = (Latch(), Latch())
        let rig = try await rig()
        rig.upstream.answer { _, number in
            arrived.open()
            await goOn.wait()
            return Self.page(number)
        }
        let leader = try await rig.begin(.GET, Self.reports)
        await arrived.wait()
        let follower = try await rig.begin(.GET, Self.reports)
        leader.leave()
        #expect(try await leader.value().status == 0)
        goOn.open()
        #expect(try await follower.value().status == 200)
        #expect(await rig.quiet())
        #expect(rig.accessLines().first?.contains(" caller-left:sent ") == true)
    }

    @Test("who wants nothing kept gets an answer of its own, which nobody else is given")
    func noStore() async throws {
        let rig = try await rig()
        let reply = try await rig.get(Self.reports, [("Cache-Control", "no-store")])
        #expect(reply.cacheStatus == "clash-proxy; fwd=request; detail=request-no-store")
        #expect(try await rig.get(Self.reports).cacheStatus == "clash-proxy; fwd=uri-miss; stored")
    }

    @Test("who wants nothing but stored answers hears that there is none")
    func onlyIfCached() async throws {
        let rig = try await rig()
        #expect(try await rig.get(Self.reports, [("Cache-Control", "only-if-cached")]).status == 504)
        #expect(rig.upstream.requests.isEmpty)
    }

    @Test("an expired answer is asked about, and a 304 makes it new")
    func revalidated() async throws {
        let rig = try await rig { $0.cache.staleWhileRevalidate = .zero }
        rig.upstream.answer { request, _ in
            request.fields[.ifNoneMatch] == "\"u\""
                ? .with(304, ["ETag": "\"u\""])
                : .json(#"{"reports":[]}"#, 200, ["ETag": "\"u\""])
        }
        let first = try await rig.get(Self.reports)
        rig.clock.advance(by: .seconds(600))
        let second = try await rig.get(Self.reports)
        #expect(second.body == first.body && second.cacheStatus == "clash-proxy; fwd=stale; fwd-status=304; stored")
        #expect(try await rig.get(Self.reports).cacheStatus.contains("hit"))
        #expect(rig.upstream.requests.count == 2)
    }

    @Test("a 304 that nobody asked for is no answer")
    func notAsked() async throws {
        let rig = try await rig()
        rig.upstream.answer { _, _ in .with(304) }
        let reply = try await rig.get(Self.reports)
        #expect(reply.status == 502 && reply.body.contains("UpstreamInvalidResponse"))
        #expect(rig.upstream.requests.count == 2, "once more for the answer itself")
    }

    @Test("within stale_if_error an expired answer stands for upstream's error, and says so")
    func staleIfError() async throws {
        let rig = try await rig { $0.cache.staleWhileRevalidate = .zero }
        let first = try await rig.get(Self.reports)
        rig.clock.advance(by: .seconds(600))
        rig.upstream.answer { _, _ in .json("{}", 500) }
        let second = try await rig.get(Self.reports)
        #expect(second.status == 200 && second.body == first.body)
        #expect(second.cacheStatus.hasSuffix("; detail=upstream-error") && second.cacheStatus.contains("ttl=-"))
        #expect(try await rig.get("/clash-detection/itwins/j/reports").status == 500, "nothing is stored of it")
    }

    @Test("while an expired answer may be given it goes out at once, and one fetch renews it behind it")
    func revalidating() async throws {
        let rig = try await rig { $0.cache.staleWhileRevalidate = .seconds(60) }
        let first = try await rig.get(Self.reports)
        rig.clock.advance(by: .seconds(35))
        let second = try await rig.get(Self.reports)
        #expect(second.body == first.body && second.cacheStatus.hasSuffix("; detail=revalidating"))
        #expect(await rig.quiet())
        let third = try await rig.get(Self.reports)
        #expect(third.body.contains(#""number":2"#) && third.cacheStatus.contains("hit"))
        #expect(rig.upstream.requests.count == 2)
    }

    @Test("a fetch that was sent before a delete was answered is neither stored nor joined")
    func race() async throws {
        let (arrived, goOn) = (Latch(), Latch())
        let rig = try await rig { $0.audit.snapshot = false }
        rig.upstream.answer { request, number in
            if request.method == .post { return .json("{}", 202) }
            if number == 1 {
                arrived.open()
                await goOn.wait()
            }
            return Self.page(number)
        }
        let slow = try await rig.begin(.GET, Self.reports)
        await arrived.wait()
        #expect(try await rig.call(.POST, Self.deletion, body: Self.deleteBody).status == 202)
        let after = try await rig.get(Self.reports)
        #expect(after.body.contains(#""number":3"#) && after.cacheStatus.hasSuffix("stored"))
        goOn.open()
        let old = try await slow.value()
        #expect(old.body.contains(#""number":1"#) && !old.cacheStatus.hasSuffix("stored"))
        #expect(try await rig.get(Self.reports).body.contains(#""number":3"#))
    }

    @Test("an answer for one tool goes to that tool as it comes, and everybody else fetches alone")
    func alone() async throws {
        let rig = try await rig()
        rig.upstream.answer { _, number in .json(#"{"reports":[]}"#, 200, ["Set-Cookie": "a=\(number)"]) }
        let first = try await rig.get(Self.reports)
        #expect(first["Set-Cookie"] == "a=1" && first.cacheStatus == "clash-proxy; fwd=uri-miss; detail=set-cookie")
        #expect(try await rig.get(Self.reports)["Set-Cookie"] == "a=2")
        #expect(await rig.quiet(), "the place goes back once the tool has all of it")
    }

    @Test("an answer that is too large is passed on; a tool that leaves it ends the transfer and frees its place")
    func large() async throws {
        let rig = try await rig { $0.cache.maxEntryBytes = 1 << 10 }
        let body = FakeBody([Array(repeating: 0x20, count: 600), Array(repeating: 0x20, count: 600), Array("{}".utf8)])
        rig.upstream.answer { _, _ in .with(200, ["Content-Type": "application/json"], body: body) }
        let reply = try await rig.get(Self.reports)
        #expect(reply.status == 200 && reply.body.utf8.count == 1_202)
        #expect(reply.cacheStatus.hasSuffix("detail=too-large"))
        #expect(await rig.quiet() && !body.isCancelled)

        let (arrived, goOn) = (Latch(), Latch())
        let left = FakeBody([Array(repeating: 0x20, count: 2_000)], declaresLength: false)
        rig.upstream.answer { _, _ in
            arrived.open()
            await goOn.wait()
            return .with(200, ["Content-Type": "application/json"], body: left)
        }
        let call = try await rig.begin(.GET, Self.reports)
        await arrived.wait()
        call.leave()
        _ = try await call.value()
        goOn.open()
        #expect(await rig.quiet() && left.isCancelled)
    }

    @Test("a read whose turn cannot come in time is told at once, and costs no call")
    func late() async throws {
        let rig = try await rig {
            $0.rate.windows = [GateWindow(limit: 1, span: .seconds(60))]
            $0.rate.maxWait = .seconds(5)
        }
        #expect(try await rig.get(Self.reports).status == 200)
        let reply = try await rig.get("/clash-detection/itwins/j/reports")
        #expect(reply.status == 429 && reply["RateLimit"] != nil && rig.upstream.requests.count == 1)
    }

    @Test("upstream's refusal for now is not waited for where an answer is at hand")
    func heldWithAnswer() async throws {
        let rig = try await rig { $0.cache.staleWhileRevalidate = .zero }
        let first = try await rig.get(Self.reports)
        rig.clock.advance(by: .seconds(600))
        rig.upstream.answer { _, _ in .json("{}", 429, ["Retry-After": "20"]) }
        let second = try await rig.get(Self.reports)
        #expect(second.body == first.body && second.cacheStatus.hasSuffix("; detail=rate-limited"))
    }
}
