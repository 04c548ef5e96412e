// Who gets what is stored: those who may read, in every mode, and nobody else. A stored page opens no door.

import Proxy
import Simulator
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct CacheAccessTests {
    // MARK: Callers

    /// Callers with these rights, in front of numbered pages; `keys` by name.
    private func withCallers(
        _ callers: [String: String], _ flags: [String] = [],
        _ body: (Rig, ChangingOrigin, [String: String]) async throws -> Void
    ) async throws {
        var keys: [String: String] = [:]
        var tables = ""
        for (name, rights) in callers {
            let made = try KeyGenerator.make(name: name, allow: rights)
            keys[name] = made.key.withValue { $0 }
            tables += made.table
        }
        let known = keys
        try await withCache(flags, file: tables) { number, _ in
            .bytes(numbered(number))
        } _: { rig, origin in
            try await body(rig, origin, known)
        }
    }

    @Test("callers who may read share what is stored, whatever else they may do")
    func shared() async throws {
        try await withCallers(["reader": "read", "all": "read,write,run,delete"]) { rig, origin, keys async throws in
            let watch = Stopwatch()
            let reader = [("X-Api-Key", keys["reader"] ?? "")]
            let all = [("Authorization", "Bearer \(keys["all"] ?? "")"), ("x-correlation-id", "of-all")]
            (try await rig.get(Path.reports, reader)).expectForwarded("uri-miss; stored", number: 1)
            (try await rig.get(Path.reports, all)).expectHit(lifetime: 30, watch, number: 1)
            let line = try await rig.accessLog.line(with: " of-all ")
            #expect(line.contains(" all v2.reports.list GET \(Path.reports) 200 cache answered "), "\(line)")
            #expect(origin.count == 1)
        }
    }

    @Test("a caller who may not read gets 403 also for a stored page")
    func noRead() async throws {
        try await withCallers(["reader": "read", "deleter": "delete,write,run"]) { rig, origin, keys async throws in
            let reader = [("X-Api-Key", keys["reader"] ?? "")]
            _ = try await rig.get(Path.reports, reader)
            for method in ["GET", "HEAD"] {
                for extra in [[], [("Cache-Control", "only-if-cached")], [("If-None-Match", "*")]] {
                    let answer = try await rig.call(
                        method, Path.reports, [("X-Api-Key", keys["deleter"] ?? "")] + extra)
                    #expect(answer.status == 403 && answer.number == 0 && answer["ETag"] == nil, "\(method)")
                    #expect(!answer.cacheStatus.contains("hit"))
                }
            }
            #expect(origin.count == 1)
        }
    }

    @Test("without a key, or with an unknown one, there is no stored page either")
    func strangers() async throws {
        try await withCallers(["reader": "read"]) { rig, origin, keys async throws in
            _ = try await rig.get(Path.reports, [("X-Api-Key", keys["reader"] ?? "")])
            let missing = try await rig.get(Path.reports)
            missing.expectError(401, "HeaderNotFound", reason: "caller-key-missing", target: "Authorization")
            for header in [("X-Api-Key", "cpk_wrong"), ("Authorization", "Bearer cpk_wrong")] {
                let answer = try await rig.get(Path.reports, [header, ("If-None-Match", "*")])
                answer.expectError(401, "InvalidCallerKey", reason: "caller-key-unknown")
            }
            #expect(origin.count == 1)
        }
    }

    // MARK: Browsers

    @Test("a foreign page gets 403 also for a stored page, and so does a foreign Host")
    func foreign() async throws {
        try await withNumberedPages { rig, origin async throws in
            _ = try await rig.get(Path.reports)
            for header in [
                ("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site"),
                ("Host", "evil.example"),
            ] {
                let answer = try await rig.get(Path.reports, [header])
                #expect(answer.status == 403 && answer.text.contains("OriginNotAllowed"), "\(header)")
                #expect(answer["Access-Control-Allow-Origin"] == nil && answer.number == 0)
            }
            #expect(origin.count == 1)
        }
    }

    @Test("an allowed page may read stored answers: each origin gets a grant of its own, tools get upstream's words")
    func grants() async throws {
        let origins = ["https://one.example", "https://two.example"]
        try await withCache(["listen.cors_origins=\(origins.joined(separator: ","))"]) { number, _ in
            .bytes(numbered(number, "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: x\r\n"))
        } _: { rig, origin async throws in
            let watch = Stopwatch()
            let first = try await rig.get(Path.reports, [("Origin", origins[0])])
            for name in origins + origins {
                let hit = try await rig.get(Path.reports, [("Origin", name)])
                hit.expectHit(lifetime: 30, watch, number: 1)
                #expect(hit.values("Access-Control-Allow-Origin") == [name])
                #expect(hit["Access-Control-Expose-Headers"]?.contains("Cache-Status") == true)
                #expect(hit.values("Vary").joined(separator: ",").contains("Origin"))
                #expect(hit["ETag"] == first["ETag"])
                let known = try await rig.get(
                    Path.reports, [("Origin", name), ("If-None-Match", hit["ETag"] ?? "")])
                #expect(known.status == 304 && known.values("Access-Control-Allow-Origin") == [name])
            }
            #expect(first.values("Access-Control-Allow-Origin") == [origins[0]])
            let tool = try await rig.get(Path.reports)
            tool.expectHit(lifetime: 30, watch, number: 1)
            #expect(tool.values("Access-Control-Allow-Origin") == ["*"])
            #expect(origin.count == 1)
        }
    }

    // MARK: Pass-through

    @Test("in pass-through mode tokens share nothing: no page, no fetch, no 304, no stale copy")
    func passthrough() async throws {
        let gate = Latch()
        try await withCache(["token.mode=passthrough", "cache.stale_while_revalidate=0s"]) { number, request in
            if request.requestLine.contains("/slow") { gate.waitBlocking() }
            let owner = request.values("Authorization").first ?? "nobody"
            return .bytes(json(#"{"reports":[],"owner":"\#(owner)","number":\#(number)}"#))
        } _: { rig, origin async throws in
            let tokens = ["Bearer one", "Bearer two"].map { [("Authorization", $0)] }
            let watch = Stopwatch()
            let first = try await rig.get(Path.reports, tokens[0])
            first.expectForwarded("uri-miss; stored", number: 1)
            let second = try await rig.get(Path.reports, tokens[1] + [("If-None-Match", first["ETag"] ?? "")])
            second.expectForwarded("uri-miss; stored", number: 2)
            #expect(second.text.contains("Bearer two"))
            (try await rig.get(Path.reports, tokens[0])).expectHit(lifetime: 30, watch, number: 1)
            (try await rig.get(Path.reports, tokens[1])).expectHit(lifetime: 30, watch, number: 2)
            let only = try await rig.get(
                Path.reports, [("Authorization", "Bearer three"), ("Cache-Control", "only-if-cached")])
            #expect(only.status == 504)

            async let slowOne = rig.get("\(Path.tests)/slow", tokens[0])
            async let slowTwo = rig.get("\(Path.tests)/slow", tokens[1])
            try await eventually("both are upstream") { origin.count == 4 }
            gate.open()
            #expect(try await slowOne.text.contains("Bearer one"))
            #expect(try await slowTwo.text.contains("Bearer two"))

            rig.clock.advance(by: .seconds(60))
            origin.become(always: json("{}", status: "500 Internal Server Error"))
            (try await rig.get(Path.reports, tokens[0])).expectStale(
                "upstream-error", lifetime: 30, age: 60, watch, number: 1)
            #expect(try await rig.get(Path.reports, [("Authorization", "Bearer three")]).status == 500)
        }
    }

    @Test("in pass-through mode the same token spelled the same way shares, and none has no part in the cache")
    func passthroughWithoutToken() async throws {
        try await withCache(["token.mode=passthrough"]) { number, _ in
            .bytes(numbered(number))
        } _: { rig, origin async throws in
            #expect(try await rig.number(Path.reports) == 1)
            let again = try await rig.get(Path.reports)
            #expect(again.number == 2 && !again.cacheStatus.contains("stored"), "\(again.cacheStatus)")
            let token = [("authorization", "Bearer a.b.c")]
            #expect(try await rig.number(Path.reports, token) == 3)
            #expect(try await rig.number(Path.reports, token + [("User-Agent", "x")]) == 3)
            #expect(origin.received.all[2].values("Authorization") == ["Bearer a.b.c"])
        }
    }

    @Test("in pass-through mode a delete by one token drops the pages of all")
    func passthroughDelete() async throws {
        try await withCache(["token.mode=passthrough"]) { number, request in
            request.requestLine.hasPrefix("GET ")
                ? .bytes(numbered(number)) : .bytes(json("{}", status: "202 Accepted"))
        } _: { rig, _ async throws in
            let tokens = ["Bearer one", "Bearer two"].map { [("Authorization", $0)] }
            for token in tokens { _ = try await rig.get(Path.reports, token) }
            #expect(try await rig.call("POST", Path.deletion, tokens[0], body: job("a")).status == 202)
            for token in tokens {
                #expect(try await rig.get(Path.reports, token).cacheStatus == "clash-proxy; fwd=uri-miss; stored")
            }
        }
    }
}
