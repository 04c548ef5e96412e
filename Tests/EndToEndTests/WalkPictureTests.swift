// A walk shows one picture of its list, as long as that is kept; and whatever a token says, it leads nowhere else.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct WalkPictureTests {
    private static let first = "\(Path.reports)?$top=10"

    private func ids(_ rows: [String]) -> [String] {
        rows.map { String($0.dropFirst(7).prefix { $0 != "\"" }) }
    }

    /// Makes the list a walked one.
    private func warm(_ rig: Rig) async throws -> RawResponse {
        _ = try await rig.walk(Self.first, "reports", mostPages: 2)
        return try await rig.get(Self.first)
    }

    // MARK: Pictures

    @Test("changes elsewhere in mid-walk: a walk that fits one fetch is one state, and new walks are of the new one")
    func onePicture() async throws {
        try await withList(ListOrigin(60)) { rig, origin async throws in
            _ = try await warm(rig)
            let walk = try await rig.walk(Self.first, "reports") { page in
                guard page == 2 else { return }
                var other = ListOrigin(55)
                other.state = "-new"
                origin.become(other.script)
                // Somebody else finds out.
                let page = try await rig.get("\(Path.reports)?$top=20", [("Cache-Control", "no-cache")])
                #expect(page.count == "55")
            }
            #expect(ids(walk.rows) == (0..<60).map { "r\($0)" })
            #expect(walk.counts == ["60"])
            let new = try await rig.walk(Self.first, "reports")
            #expect(ids(new.rows) == (0..<55).map { "r\($0)-new" })
        }
    }

    @Test("a picture is kept for its walkers for sixty seconds after a newer one came, then they go on in the newer")
    func sixtySeconds() async throws {
        try await withList(ListOrigin(60)) { rig, origin async throws in
            let token = try #require(try await warm(rig).next(at: rig.host))
            origin.become(ListOrigin(60, "n").script)
            _ = try await rig.get("\(Path.reports)?$top=20", [("Cache-Control", "no-cache")])
            rig.clock.advance(by: .seconds(50))
            #expect(ids(try await rig.get(token).rows("reports")).first == "r10")
            rig.clock.advance(by: .seconds(11))
            #expect(ids(try await rig.get(token).rows("reports")).first == "n10")
        }
    }

    @Test("a write through the proxy ends a picture at once, and its tokens answer with the same offset of the new one")
    func written() async throws {
        try await withList(ListOrigin(60)) { rig, origin async throws in
            let token = try #require(try await warm(rig).next(at: rig.host))
            origin.become(ListOrigin(60, "n").script)
            #expect(ids(try await rig.get(token).rows("reports")).first == "r10", "nobody knows yet")
            #expect(try await rig.call("POST", Path.deletion, body: job("r3")).status == 202)
            let page = try await rig.get(token)
            #expect(ids(page.rows("reports")) == (10..<20).map { "n\($0)" })
            #expect(ids(try await rig.get(Self.first).rows("reports")).first == "n0")
        }
    }

    @Test("a fetch that shows the same rows and count keeps the picture: links and tags stay")
    func same() async throws {
        try await withList(ListOrigin(60)) { rig, origin async throws in
            let page = try await warm(rig)
            rig.clock.advance(by: .seconds(40))
            let count = origin.count
            let again = try await rig.get(Self.first, [("If-None-Match", page["ETag"] ?? "")])
            #expect(again.status == 304 && origin.count == count + 1 && again["ETag"] == page["ETag"])
            #expect(try await rig.get(Self.first).text == page.text)
        }
    }

    @Test("a list that has shrunk below a token has no rows there")
    func shrunk() async throws {
        try await withList(ListOrigin(60)) { rig, origin async throws in
            let walk = try await rig.walk(Self.first, "reports")
            let token = try #require(walk.pages[4].next(at: rig.host))
            origin.become(ListOrigin(12).script)
            #expect(try await rig.call("POST", Path.deletion, body: job("r3")).status == 202)
            let page = try await rig.get(token)
            #expect(page.status == 200 && page.rows("reports").isEmpty && page.count == "12")
            #expect(page.link("next") == nil && page.text.contains("\"next\":null"))
        }
    }

    // MARK: Fetches

    @Test("a gateway that gives fewer rows than asked for is walked all the same", arguments: [7, 10, 25])
    func fewerRows(most: Int) async throws {
        var list = ListOrigin(60)
        list.most = most
        try await withList(list) { rig, _ async throws in
            _ = try await warm(rig)
            let walk = try await rig.walk("\(Path.reports)?$top=20", "reports")
            #expect(ids(walk.rows) == (0..<60).map { "r\($0)" } && walk.pages.count == 3)
        }
    }

    @Test("of a hundred thousand rows only what is asked for is fetched, and it goes on where it stopped")
    func large() async throws {
        try await withList(ListOrigin(100_000), ["cache.max_bytes=4MiB", "cache.max_entry_bytes=1MiB"]) {
            rig, origin async throws in
            let walk = try await rig.walk("\(Path.reports)?$top=50", "reports", mostPages: 400)
            #expect(ids(walk.rows) == (0..<20_000).map { "r\($0)" })
            #expect((200...210).contains(origin.count), "\(origin.count) calls")
            let size = try await rig.metrics()["clash_proxy_cache_bytes"] ?? 0
            #expect(size > 0 && size <= 4 << 20)
            // The fetch that it needs is in the token, whatever is still here.
            let count = origin.count
            let token = try #require(walk.pages[399].next(at: rig.host))
            rig.clock.advance(by: .seconds(7200))
            #expect(ids(try await rig.get(token).rows("reports")).first == "r20000")
            #expect(origin.count <= count + 2)
        }
    }

    @Test(
        "the next fetch of a walk is begun before it is asked for, while the budget idles, and not else",
        arguments: [false, true])
    func prefetch(isBusy: Bool) async throws {
        let windows = isBusy ? ["rate.windows=5/1h", "rate.observe=true"] : ["rate.windows=100000/1s"]
        try await withList(ListOrigin(300), ["cache.prefetch=true"] + windows) { rig, origin async throws in
            _ = try await rig.walk(Self.first, "reports", mostPages: 7)
            #expect(origin.count == 2)
            if isBusy { _ = try await rig.get("\(Path.tests)?x=1") }
            let count = origin.count
            _ = try await rig.walk(Self.first, "reports", mostPages: 9)
            if isBusy {
                #expect(origin.count == count)
            } else {
                try await eventually("what follows has been fetched") { origin.count == count + 1 }
                let walk = try await rig.walk(Self.first, "reports", mostPages: 12)
                #expect(ids(walk.rows) == (0..<120).map { "r\($0)" } && origin.count == count + 1)
            }
        }
    }

    @Test("what nothing can be cut out of passes as it is")
    func unfit() async throws {
        try await withCache(["cache.walks=true"]) { number, _ in
            .bytes(json(#"{"count":60,"reports":[\#(report("a"))],"number":\#(number)}"#))
        } _: { rig, _ async throws in
            (try await rig.get("\(Path.reports)?$top=1")).expectForwarded("uri-miss; stored", number: 1)
            (try await rig.get("\(Path.reports)?$top=2")).expectForwarded("uri-miss; stored", number: 3)
            (try await rig.get("\(Path.reports)?$top=3")).expectForwarded("uri-miss; stored", number: 4)
        }
    }

    // MARK: Tokens

    @Test("a token that is garbled, of another list, or in a query that is not understood is refused and never sent on")
    func badTokens() async throws {
        try await withList(ListOrigin(60)) { rig, origin async throws in
            let token = try #require(try await warm(rig).next(at: rig.host))
            let count = origin.count
            let text = String(token.split(separator: "=").last ?? "")
            for target in [
                token.replacing("cp1.", with: "cp1.A"), String(token.dropLast()), "\(token)&x=1",
                "\(Path.tests)?$continuationToken=\(text)", token.replacing("/i/", with: "/j/"),
                "\(Path.reports)?$continuationToken=cp1.",
            ] {
                let answer = try await rig.get(target)
                #expect(answer.status == 400 && answer.text.contains("InvalidRequest"), "\(target)")
                #expect(answer.text.contains("first page"))
            }
            #expect(origin.count == count)
            #expect(try await rig.get(token).status == 200)
        }
    }

    @Test("with another $top a token goes on at its offset, without one in its own size; fields do not bind it")
    func otherSize() async throws {
        try await withList(ListOrigin(60)) { rig, _ async throws in
            let token = try #require(try await warm(rig).next(at: rig.host))
            let other = try await rig.get(token.replacing("$top=10", with: "$top=25"))
            #expect(ids(other.rows("reports")) == (10..<35).map { "r\($0)" })
            let own = try await rig.get(token.replacing("$top=10&", with: ""))
            #expect(ids(own.rows("reports")) == (10..<20).map { "r\($0)" })
            let plain = try await rig.get(token, [("Accept", "application/json"), ("Include-User-Metadata", "true")])
            #expect(plain.status == 200 && ids(plain.rows("reports")).first == "r10")
        }
    }

    @Test("upstream's own tokens still pass")
    func upstreamTokens() async throws {
        try await withList(ListOrigin(60)) { rig, origin async throws in
            _ = try await warm(rig)
            let page = try await rig.get("\(Path.reports)?$top=10&$continuationToken=o20")
            #expect(ids(page.rows("reports")).first == "r20")
            #expect(origin.received.all.last?.requestLine.contains("$top=10&$continuationToken=o20") == true)
            #expect(page.link("next")?.hasSuffix("$continuationToken=o30") == true)
        }
    }

    @Test(
        "HEAD is answered as GET, only-if-cached from what is here, and browsers and other hosts get links of their own"
    )
    func methods() async throws {
        try await withList(ListOrigin(60)) { rig, origin async throws in
            let page = try await warm(rig)
            let count = origin.count
            let head = try await rig.call("HEAD", "\(Path.reports)?$top=15")
            #expect(head.status == 200 && head.text.isEmpty && head["Content-Length"] != nil)
            let cached = try await rig.get("\(Path.reports)?$top=16", [("Cache-Control", "only-if-cached")])
            #expect(cached.status == 200 && cached.rows("reports").count == 16)
            let other = try await rig.get(Self.first, [("Host", "localhost:\(rig.port)")])
            #expect(other.link("next")?.hasPrefix("http://localhost:\(rig.port)/") == true)
            #expect(other["ETag"] != page["ETag"] && origin.count == count)
            rig.clock.advance(by: .seconds(7200))
            #expect(try await rig.get("\(Path.reports)?$top=16", [("Cache-Control", "only-if-cached")]).status == 504)
            #expect(origin.count == count)
        }
    }

    @Test("while upstream is in trouble a walk is served from what is stored, and says so")
    func stale() async throws {
        try await withList(ListOrigin(60)) { rig, origin async throws in
            _ = try await warm(rig)
            rig.clock.advance(by: .seconds(100))
            origin.become(always: json("{}", status: "500 Internal Server Error"))
            let page = try await rig.get("\(Path.reports)?$top=12")
            #expect(page.status == 200 && page.rows("reports").count == 12)
            #expect(page.cacheStatus.hasSuffix("; detail=upstream-error"), "\(page.cacheStatus)")
        }
    }

    // MARK: Whose they are

    @Test("in pass-through mode each token walks pictures of its own")
    func passThrough() async throws {
        try await withList(ListOrigin(60), ["token.mode=passthrough"]) { rig, origin async throws in
            let (one, other) = ([("Authorization", "Bearer one")], [("Authorization", "Bearer other")])
            let walk = try await rig.walk(Self.first, "reports", one)
            #expect(walk.pages.count == 6 && origin.count == 2)
            let token = try #require(walk.pages[0].next(at: rig.host))
            let cached = [("Cache-Control", "only-if-cached")]
            #expect(try await rig.get(token, one + cached).status == 200)
            #expect(try await rig.get(token, other + cached).status == 504)
            #expect(ids(try await rig.get(token, other).rows("reports")).first == "r10" && origin.count == 3)
            let sent = Set(origin.received.all.flatMap { $0.values("Authorization") })
            #expect(sent == ["Bearer one", "Bearer other"])
        }
    }

    @Test("a walk whose answers upstream forbids to keep is walked as upstream has it")
    func notKept() async throws {
        let list = ListOrigin(30)
        try await withCache(["cache.walks=true"]) { number, request in
            guard case .bytes(let text) = list.script(number, request) else { return .silence }
            return .bytes(text.replacing("\r\n\r\n", with: "\r\nCache-Control: no-store\r\n\r\n"))
        } _: { rig, _ async throws in
            let walk = try await rig.walk("\(Path.reports)?$top=10", "reports")
            #expect(ids(walk.rows) == (0..<30).map { "r\($0)" })
        }
    }
}
