// What a tool asks of the cache for one request: more freshness, never less.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct CacheDirectiveTests {
    @Test(
        "no-cache asks upstream in spite of a fresh page, and what it brings is kept for all",
        arguments: [
            ("Cache-Control", "no-cache"), ("cache-control", "max-age=1000, No-Cache"), ("Pragma", "no-cache"),
        ])
    func noCache(header: (String, String)) async throws {
        try await withNumberedPages { rig, origin async throws in
            let cold = try await rig.get(Path.reports, [header])
            #expect(cold.number == 1 && cold.cacheStatus.hasPrefix("clash-proxy; fwd=uri-miss; stored"))
            let again = try await rig.get(Path.reports, [header])
            again.expectForwarded("request; stored; detail=request-no-cache", number: 2)
            let watch = Stopwatch()
            (try await rig.get(Path.reports)).expectHit(lifetime: 30, watch, number: 2)
            #expect(origin.count == 2)
        }
    }

    @Test("Pragma is not looked at beside Cache-Control")
    func pragma() async throws {
        try await withNumberedPages { rig, _ async throws in
            let watch = Stopwatch()
            _ = try await rig.get(Path.reports)
            let headers = [("Pragma", "no-cache"), ("Cache-Control", "max-age=20")]
            (try await rig.get(Path.reports, headers)).expectHit(lifetime: 30, watch, number: 1)
        }
    }

    @Test("no-store is neither answered from the cache nor kept, and does not touch what is kept")
    func noStore() async throws {
        try await withNumberedPages { rig, origin async throws in
            let noStore = [("Cache-Control", "no-store")]
            let watch = Stopwatch()
            (try await rig.get(Path.reports, noStore)).expectForwarded("request; detail=request-no-store", number: 1)
            (try await rig.get(Path.reports)).expectForwarded("uri-miss; stored", number: 2)
            (try await rig.get(Path.reports, noStore)).expectForwarded("request; detail=request-no-store", number: 3)
            (try await rig.get(Path.reports)).expectHit(lifetime: 30, watch, number: 2)
            #expect(origin.count == 3)
        }
    }

    @Test("max-age and min-fresh are obeyed by age and remaining time")
    func bounds() async throws {
        try await withNumberedPages(["cache.ttl_list=10m"]) { rig, _ async throws in
            let watch = Stopwatch()
            func get(_ directive: String) async throws -> RawResponse {
                try await rig.get(Path.reports, [("Cache-Control", directive)])
            }
            _ = try await rig.get(Path.reports)
            rig.clock.advance(by: .seconds(200))
            (try await get("max-age=300")).expectHit(lifetime: 600, age: 200, watch, number: 1)
            (try await get("min-fresh=300")).expectHit(lifetime: 600, age: 200, watch, number: 1)
            (try await get("max-age=300, min-fresh=300")).expectHit(lifetime: 600, age: 200, watch, number: 1)
            (try await get("max-age=100")).expectForwarded("request; stored; detail=request-max-age", number: 2)
            rig.clock.advance(by: .seconds(200))
            (try await get("min-fresh=500")).expectForwarded("request; stored; detail=request-min-fresh", number: 3)
            (try await get("max-age=0")).expectForwarded("request; stored; detail=request-max-age", number: 4)
            (try await get("max-age=nonsense")).expectForwarded("request; stored; detail=request-max-age", number: 5)
        }
    }

    @Test("a tool cannot stretch what the operator has promised: max-stale and stale-if-error are not looked at")
    func stretching() async throws {
        let flags = ["cache.stale_while_revalidate=0s", "cache.stale_if_error=0s"]
        try await withNumberedPages(flags) { rig, origin async throws in
            _ = try await rig.get(Path.reports)
            rig.clock.advance(by: .seconds(60))
            origin.become(always: json("{}", status: "500 Internal Server Error"))
            for directive in ["max-stale", "max-stale=1000", "stale-if-error=1000"] {
                let answer = try await rig.get(Path.reports, [("Cache-Control", directive)])
                #expect(answer.status == 500, "\(directive)")
            }
        }
    }

    @Test("only-if-cached is answered from the cache or with 504, and never asks upstream")
    func onlyIfCached() async throws {
        try await withNumberedPages { rig, origin async throws in
            let only = [("Cache-Control", "only-if-cached")]
            let cold = try await rig.get(Path.reports, only)
            cold.expectError(504, "NotCached", reason: "not-cached")
            #expect(origin.count == 0)
            let watch = Stopwatch()
            _ = try await rig.get(Path.reports)
            (try await rig.get(Path.reports, only)).expectHit(lifetime: 30, watch, number: 1)
            let tooOld = try await rig.get(Path.reports, [("Cache-Control", "only-if-cached, max-age=0")])
            #expect(tooOld.status == 504)
            rig.clock.advance(by: .seconds(4_000))
            #expect(try await rig.get(Path.reports, only).status == 504)
            #expect(origin.count == 1)
        }
    }

    @Test("only-if-cached is 504 where no cache stands before the call, too")
    func onlyIfCachedWithoutCache() async throws {
        try await withNumberedPages(["cache.enabled=false"]) { rig, origin async throws in
            let only = [("Cache-Control", "max-age=60, only-if-cached")]
            (try await rig.get(Path.reports, only)).expectError(504, "NotCached", reason: "not-cached")
            #expect(origin.count == 0)
            #expect(try await rig.get(Path.reports).status == 200)
        }
    }

    @Test("only-if-cached never asks upstream, whatever else the request says")
    func onlyIfCachedAndMore() async throws {
        try await withNumberedPages { rig, origin async throws in
            let only = ("Cache-Control", "only-if-cached")
            for (target, extra) in [
                (Path.reports, ("If-Match", "\"x\"")), (Path.reports, ("If-Unmodified-Since", httpDate(rig))),
                ("/clash-detection/unknown", ("X-Own", "1")), ("/clash-detection/unknown", ("Cookie", "a=b")),
            ] {
                let none = try await rig.get(target, [only, extra])
                none.expectError(504, "NotCached", reason: "not-cached")
            }
            let body = try await rig.call("GET", Path.reports, [only], body: "{}")
            body.expectError(504, "NotCached", reason: "not-cached")
            #expect(origin.count == 0)
        }
    }

    @Test("an answer that is asked for anew beside a fetch wins over what that brings, whichever comes first")
    func newBesideAFetch() async throws {
        for isFirst in [true, false] {
            let (old, new, watch) = (Latch(), Latch(), Stopwatch())
            try await withCache { number, _ in
                (number == 1 ? old : new).waitBlocking()
                return .bytes(json(#"{"count":\#(number),"reports":[\#(report("r\(number)"))],"number":\#(number)}"#))
            } _: { rig, origin async throws in
                async let older = rig.get(Path.reports)
                try await eventually("the fetch is under way") { origin.count == 1 }
                async let newer = rig.get(Path.reports, [("Cache-Control", "no-cache")])
                try await eventually("so is the other") { origin.count == 2 }
                if isFirst { new.open() } else { old.open() }
                if isFirst { _ = try await newer } else { _ = try await older }
                old.open()
                new.open()
                #expect(try await older.number == 1)
                let answer = try await newer
                #expect(answer.number == 2)
                #expect(answer.cacheStatus == "clash-proxy; fwd=request; stored; detail=request-no-cache")
                (try await rig.get(Path.reports)).expectHit(lifetime: 30, watch, number: 2)
            }
        }
    }

    @Test("a page that must not be given stale is asked for anew by max-age and min-fresh alike")
    func expiredAndBounded() async throws {
        try await withNumberedPages { rig, _ async throws in
            _ = try await rig.get(Path.reports)
            rig.clock.advance(by: .seconds(40))
            let fresh = try await rig.get(Path.reports, [("Cache-Control", "max-age=600")])
            #expect(fresh.number == 2, "\(fresh.cacheStatus)")
        }
    }

    // MARK: Ranges

    @Test("a range is no part of the key: what it brings is whole, and pages stay whole for others")
    func range() async throws {
        try await withCache { number, request in
            guard request.values("Range").isEmpty else {
                let head = "HTTP/1.1 206 Partial Content\r\nContent-Type: application/json\r\n"
                return .bytes(head + "Content-Range: bytes 0-1/90\r\nContent-Length: 2\r\n\r\n{\"")
            }
            return .bytes(numbered(number))
        } _: { rig, _ async throws in
            let range = [("Range", "bytes=0-1"), ("If-Range", "\"x\"")]
            for target in [Path.reports, "\(Path.reports)/a", "/clashdetection/results/a"] {
                let cold = try await rig.get(target, range)
                #expect(cold.status == 200 && cold.number > 0, "\(target) \(cold.statusLine)")
                let hit = try await rig.get(target)
                #expect(hit.number == cold.number && hit["Content-Range"] == nil)
                #expect(hit.cacheStatus.hasPrefix("clash-proxy; hit; "), "\(target) \(hit.cacheStatus)")
                let ranged = try await rig.get(target, range)
                #expect(ranged.status == 200 && ranged.body == hit.body, "\(target)")
            }
        }
    }
}
