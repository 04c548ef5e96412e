// Reads that wait for a change: If-None-Match and Prefer: wait=N.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct WaitingReadTests {
    private static let report = "\(Path.reports)/r"

    private static func page(_ state: Int, _ mark: String) -> ChangingOrigin.Script {
        { _, request in
            if request.requestLine.hasPrefix("POST") { return .bytes(json("{}", status: "202 Accepted")) }
            return .bytes(json(#"{"metadata":{"id":"r","configurationId":"t","status":\#(state)},"mark":"\#(mark)"}"#))
        }
    }

    private func wait(_ tag: String, _ seconds: Int = 60) -> [(String, String)] {
        [("If-None-Match", tag), ("Prefer", "wait=\(seconds)")]
    }

    private func waiting(_ count: Int, _ rig: Rig) async throws {
        for _ in 0..<2_000 {
            if try await rig.metrics()["clash_proxy_waiting_reads"] == count { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("\(count) should wait")
    }

    @Test("a read is answered when the page changes, however many wait for one poll, and not before")
    func changes() async throws {
        try await withCache([], Self.page(0, "a")) { rig, origin async throws in
            let tag = try #require(try await rig.get(Self.report)["ETag"])
            try await withThrowingTaskGroup(of: RawResponse.self) { group in
                for _ in 0..<30 { group.addTask { try await rig.get(Self.report, wait(tag)) } }
                try await waiting(30, rig)
                for polls in 2...4 {
                    rig.clock.advance(by: .seconds(6))
                    try await eventually("one poll") { origin.count >= polls }
                    try await waiting(30, rig)
                    #expect(origin.count == polls)
                }
                origin.become(Self.page(1, "b"))
                rig.clock.advance(by: .seconds(6))
                for try await answer in group {
                    #expect(answer.status == 200 && answer.text.contains("\"b\""))
                    #expect(answer["Preference-Applied"] == "wait" && answer["ETag"] != tag)
                    #expect(answer.cacheStatus.hasSuffix("; detail=wait"))
                }
                #expect(origin.count == 5)
            }
            let saved = try await rig.metrics()["clash_proxy_upstream_saved_total{by=\"wait\"}"]
            #expect(saved == 30)
        }
    }

    @Test(
        "304 after the time that was asked for, and a sixteenth more at most; more than a minute is a minute",
        arguments: [10, 600])
    func unchanged(seconds: Int) async throws {
        try await withCache([], Self.page(1, "a")) { rig, origin async throws in
            let tag = try #require(try await rig.get(Self.report)["ETag"])
            async let answer = rig.get(Self.report, wait(tag, seconds))
            try await waiting(1, rig)
            rig.clock.advance(by: .seconds(min(seconds, 60) - 3))
            try await waiting(1, rig)
            rig.clock.advance(by: .seconds(8))
            let reply = try await answer
            #expect(reply.status == 304 && reply["ETag"] == tag && reply["Preference-Applied"] == "wait")
            #expect(reply.text.isEmpty && origin.count == 1, "it is fresh for ten minutes")
        }
    }

    @Test("who has another page is answered at once, and who names no page of this proxy's does not wait")
    func atOnce() async throws {
        try await withCache([], Self.page(1, "a")) { rig, _ async throws in
            _ = try await rig.get(Self.report)
            let other = try await rig.get(Self.report, wait("\"cp-000000000000000000000000\""))
            #expect(other.status == 200 && other["Preference-Applied"] == "wait")
            let foreign = try await rig.get(Self.report, wait("W/\"x\""))
            #expect(foreign.status == 200 && foreign["Preference-Applied"] == nil)
            let any = try await rig.get(Self.report, wait("*"))
            #expect(any.status == 304 && any["Preference-Applied"] == nil)
        }
    }

    @Test("trouble is no change: a read waits on, and then hears of it; gone is one")
    func trouble() async throws {
        try await withCache(["cache.stale_if_error=0s"], Self.page(0, "a")) { rig, origin async throws in
            let tag = try #require(try await rig.get(Self.report)["ETag"])
            async let troubled = rig.get(Self.report, wait(tag, 30))
            try await waiting(1, rig)
            origin.become(always: json("{}", status: "500 Internal Server Error"))
            rig.clock.advance(by: .seconds(6))
            try await eventually("it has been looked at") { origin.count > 1 }
            try await waiting(1, rig)
            rig.clock.advance(by: .seconds(40))
            #expect(try await troubled.status == 500)
            origin.become(Self.page(0, "a"))
            let again = try await rig.get(Self.report)
            async let gone = rig.get(Self.report, wait(again["ETag"] ?? "", 30))
            try await waiting(1, rig)
            origin.become(always: json(#"{"error":{"code":"x","message":"y"}}"#, status: "404 Not Found"))
            rig.clock.advance(by: .seconds(6))
            #expect(try await gone.status == 404)
        }
    }

    @Test("a write through the proxy is seen at once by who waits for a list")
    func written() async throws {
        try await withList(ListOrigin(60)) { rig, origin async throws in
            let target = "\(Path.reports)?$top=10"
            _ = try await rig.walk(target, "reports", mostPages: 2)
            let tag = try #require(try await rig.get(target)["ETag"])
            async let answer = rig.get(target, wait(tag))
            try await waiting(1, rig)
            origin.become(ListOrigin(59, "n").script)
            #expect(try await rig.call("POST", Path.deletion, body: job("r3")).status == 202)
            let reply = try await answer
            #expect(reply.status == 200 && reply.count == "59" && reply["Preference-Applied"] == "wait")
        }
    }

    @Test("a list is looked at at least every five seconds")
    func list() async throws {
        try await withList(ListOrigin(60)) { rig, origin async throws in
            let target = "\(Path.reports)?$top=100"
            let tag = try #require(try await rig.get(target)["ETag"])
            async let answer = rig.get(target, wait(tag))
            try await waiting(1, rig)
            for polls in 2...3 {
                rig.clock.advance(by: .seconds(5))
                try await eventually("it has been looked at") { origin.count == polls }
                try await waiting(1, rig)
            }
            origin.become(ListOrigin(61).script)
            rig.clock.advance(by: .seconds(5))
            #expect(try await answer.count == "61")
        }
    }

    @Test("a drain answers who waits with 304 at once")
    func drain() async throws {
        try await withCache([], Self.page(1, "a")) { rig, _ async throws in
            let tag = try #require(try await rig.get(Self.report)["ETag"])
            async let answer = rig.get(Self.report, wait(tag))
            try await waiting(1, rig)
            #expect(await rig.drain())
            let reply = try await answer
            #expect(reply.status == 304 && reply["Preference-Applied"] == "wait" && reply["Connection"] == "close")
        }
    }

    @Test("who leaves is waited for no more, and with the last the polls end")
    func leaves() async throws {
        try await withCache([], Self.page(0, "a")) { rig, origin async throws in
            let tag = try #require(try await rig.get(Self.report)["ETag"])
            let client = try rig.connect()
            try await client.send(rig.request("GET", Self.report, wait(tag) + [("x-correlation-id", "leaver")]))
            try await waiting(1, rig)
            client.close()
            try await waiting(0, rig)
            rig.clock.advance(by: .seconds(30))
            #expect(try await rig.accessLog.line(with: "leaver").contains(" 499 "))
            #expect(origin.count == 1)
        }
    }

    @Test("over HTTP/2 streams wait as connections do, beside others that do not")
    func http2() async throws {
        try await withCache(["listen.h2c=true"], Self.page(1, "a")) { rig, origin async throws in
            let client = try await rig.connect2()
            let tag = try #require(try await client.get(Self.report)["etag"])
            let fields = [("if-none-match", tag), ("prefer", "wait=60")]
            var streams: [UInt32] = []
            for _ in 0..<20 { streams.append(try await client.begin("GET", Self.report, fields)) }
            try await waiting(20, rig)
            #expect(try await client.get(Self.report).status == 200)
            origin.become(Self.page(1, "b"))
            #expect(try await rig.call("POST", Path.deletion, body: job("r")).status == 202)
            for answer in try await client.answers(on: streams).values {
                #expect(answer.status == 200 && answer["preference-applied"] == "wait" && answer.text.contains("\"b\""))
            }
            #expect(origin.count == 3)
        }
    }
}
