// The proxy's own strong ETag towards tools, and the links of a stored page, which each tool gets with the base it knows.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct CacheValidatorTests {
    // MARK: Own ETags

    @Test("every stored page has a strong ETag of the proxy's own, from the first answer on")
    func ownTag() async throws {
        let headers = "ETag: W/\"upstream\"\r\n"
        try await withNumberedPages(headers: headers) { rig, _ async throws in
            let miss = try await rig.get(Path.reports)
            let hit = try await rig.get(Path.reports)
            let tag = try #require(miss["ETag"])
            #expect(tag.hasPrefix("\"") && tag.hasSuffix("\"") && tag.count > 10 && !tag.contains("upstream"))
            #expect(miss.values("ETag") == [tag] && hit.values("ETag") == [tag])
            let other = try await rig.get(Path.reports + "?x")
            #expect(other.number == 2 && other["ETag"] != tag, "another body, another tag")
        }
    }

    @Test("the tag covers the bytes as answered: another Host, another tag where there are links, the same where not")
    func tagByHost() async throws {
        try await withCache { _, request in
            request.requestLine.contains("/results/") ? .bytes(json(#"{"result":[]}"#)) : .bytes(numbered(1))
        } _: { rig, _ async throws in
            let watch = Stopwatch()
            let here = try await rig.get(Path.reports)
            let there = try await rig.get(Path.reports, [("Host", "localhost:9")])
            there.expectHit(lifetime: 30, watch, number: 1)
            #expect(here.body != there.body && here["ETag"] != there["ETag"])
            #expect(try await rig.get(Path.reports, [("Host", "localhost:9")])["ETag"] == there["ETag"])
            let result = try await rig.get("/clashdetection/results/r")
            let same = try await rig.get("/clashdetection/results/r", [("Host", "localhost:9")])
            #expect(result.body == same.body && result["ETag"] == same["ETag"])
        }
    }

    @Test("the same body fetched again has the same tag, and a tool keeps its copy")
    func sameBodySameTag() async throws {
        try await withCache(["cache.stale_while_revalidate=0s"]) { _, _ in
            .bytes(numbered(7))
        } _: { rig, origin async throws in
            let first = try await rig.get(Path.reports)
            rig.clock.advance(by: .seconds(31))
            let again = try await rig.get(Path.reports, [("If-None-Match", first["ETag"] ?? "")])
            #expect(again.status == 304 && again.cacheStatus == "clash-proxy; fwd=stale; stored")
            #expect(again["ETag"] == first["ETag"] && origin.count == 2)
            #expect(origin.received.all[1].values("If-None-Match").isEmpty)
        }
    }

    @Test(
        "a tool that has the page already gets 304, however it lists its tags",
        arguments: [
            "TAG", "W/TAG", "\"a\", TAG", "TAG, \"b\"", "W/\"x\" , W/TAG", "\"with, comma\",TAG", "*", " TAG",
        ])
    func notModified(list: String) async throws {
        try await withNumberedPages(headers: "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n") {
            rig, origin async throws in
            let watch = Stopwatch()
            let page = try await rig.get(Path.reports)
            let value = list.replacing("TAG", with: page["ETag"] ?? "none")
            let client = try rig.connect()
            for method in ["GET", "HEAD", "GET"] {
                let answer = try await client.exchange(rig.request(method, Path.reports, [("If-None-Match", value)]))
                answer.expectHit(lifetime: 30, watch, status: 304, "\(method) \(value)")
                #expect(answer.statusLine == "HTTP/1.1 304 Not Modified")
                #expect(answer.values("ETag") == [page["ETag"] ?? "none"])
                #expect(answer["Content-Type"] == nil && answer["Content-Length"] == nil && answer.body.isEmpty)
                #expect(answer["Transfer-Encoding"] == nil)
            }
            // The connection is in step: what follows is whole.
            let whole = try await client.exchange(rig.request("GET", Path.reports))
            #expect(whole.status == 200 && whole.body == page.body)
            client.close()
            #expect(origin.count == 1)
        }
    }

    @Test(
        "a tool with another copy gets the page",
        arguments: ["\"other\"", "W/\"other\"", "\"a\", \"b\"", "UNQUOTED", "\"UNQUOTED", "", "\"\"", "\"*\""])
    func modified(list: String) async throws {
        try await withNumberedPages { rig, _ async throws in
            let watch = Stopwatch()
            let page = try await rig.get(Path.reports)
            let bare = (page["ETag"] ?? "").filter { $0 != "\"" }
            let value = list.replacing("UNQUOTED", with: bare)
            let answer = try await rig.get(Path.reports, [("If-None-Match", value)])
            answer.expectHit(lifetime: 30, watch, number: 1)
        }
    }

    @Test("several lines of If-None-Match are one list")
    func severalLines() async throws {
        try await withNumberedPages { rig, _ async throws in
            let tag = try await rig.get(Path.reports)["ETag"] ?? ""
            let answer = try await rig.get(Path.reports, [("If-None-Match", "\"a\""), ("If-None-Match", tag)])
            #expect(answer.status == 304)
        }
    }

    @Test("the tag that a tool got under another Host does not give it 304: the links differ")
    func tagOfAnotherHost() async throws {
        try await withNumberedPages { rig, _ async throws in
            let there = try await rig.get(Path.reports, [("Host", "localhost:9")])
            let here = try await rig.get(Path.reports, [("If-None-Match", there["ETag"] ?? "")])
            #expect(here.status == 200 && here.number == 1)
            #expect(here.link("self") == "http://\(rig.host)\(Path.reports)")
        }
    }

    @Test("If-Modified-Since counts where upstream gave a date and there is no If-None-Match")
    func modifiedSince() async throws {
        let date = "Thu, 01 Jan 2026 00:00:00 GMT"
        try await withNumberedPages(headers: "Last-Modified: \(date)\r\n") { rig, _ async throws in
            #expect(try await rig.get(Path.reports)["Last-Modified"] == date)
            let later = ("If-Modified-Since", "Fri, 02 Jan 2026 00:00:00 GMT")
            #expect(try await rig.get(Path.reports, [("If-Modified-Since", date)]).status == 304)
            #expect(try await rig.get(Path.reports, [later]).status == 304)
            #expect(try await rig.get(Path.reports, [later, ("If-None-Match", "\"other\"")]).status == 200)
            let earlier = ("If-Modified-Since", "Wed, 31 Dec 2025 23:59:59 GMT")
            #expect(try await rig.get(Path.reports, [earlier]).status == 200)
            #expect(try await rig.get(Path.reports, [("If-Modified-Since", "yesterday")]).status == 200)
        }
    }

    @Test("errors get no tag and no 304")
    func errorsHaveNoTag() async throws {
        try await withCache { _, _ in
            .bytes(json("{}", status: "404 Not Found"))
        } _: { rig, _ async throws in
            let answer = try await rig.get(Path.reports, [("If-None-Match", "*")])
            #expect(answer.status == 404 && answer["ETag"] == nil && answer.text == "{}")
        }
    }

    // MARK: Links

    @Test("links of a stored page lead each tool back to the proxy by the name it knows, with the right length")
    func linksByHost() async throws {
        try await withCachedWorld { rig async throws in
            let watch = Stopwatch()
            for host in [rig.host, "localhost:81", "[::1]:8080", "a.very.long.name.localhost:12345", "127.0.0.1"] {
                let page = try await rig.get(rig.list, [("Host", host)])
                if host != rig.host { page.expectHit(lifetime: 30, watch, host) }
                #expect(page.link("next")?.hasPrefix("http://\(host)/clash-detection/itwins/") == true)
                #expect(!page.text.contains("bentley.com/clash"), "\(page.text)")
                #expect(page["Content-Length"] == "\(page.body.count)" && page.ending == .complete)
                let head = try await rig.call("HEAD", rig.list, [("Host", host)])
                #expect(head["Content-Length"] == "\(page.body.count)" && head["ETag"] == page["ETag"])
            }
            #expect(rig.simulator.recorded(RequestFilter(target: "/reports")).count == 1)
        }
    }

    @Test("with public_url all tools get the same bytes under one tag")
    func publicURL() async throws {
        try await withCachedWorld(["listen.public_url=https://clash.example.com/"]) { rig async throws in
            let first = try await rig.get(rig.list)
            let second = try await rig.get(rig.list, [("Host", "clash.example.com")])
            #expect(first.link("next")?.hasPrefix("https://clash.example.com/clash-detection/itwins/") == true)
            #expect(first.body == second.body && first["ETag"] == second["ETag"])
            #expect(second.cacheStatus.hasPrefix("clash-proxy; hit; "))
        }
    }

    @Test("a client that follows next verbatim through stored pages sees every row once")
    func walk() async throws {
        try await withCachedWorld { rig async throws in
            for round in 1...2 {
                var ids: [String] = []
                var next: String? = "http://\(rig.host)\(rig.v2)/reports"
                var pages = 0
                while let url = next, pages < 20 {
                    let page = try await rig.get(String(url.dropFirst("http://\(rig.host)".count)))
                    #expect(page.cacheStatus.hasPrefix("clash-proxy; hit; ") == (round == 2))
                    ids += page.rowIDs("reports")
                    next = page.link("next")
                    pages += 1
                }
                #expect(pages == 3 && ids.count == 25 && Set(ids).count == 25)
            }
            #expect(rig.simulator.recorded(RequestFilter(target: "/reports")).count == 3)
        }
    }

    @Test("other bytes of a stored page stay as they were")
    func otherBytes() async throws {
        let body =
            #"{"reports": [ {"id":"a\u0041","status":1,"x":1.0e-7,"url":"https://api.bentley.com/clashdetection/x"} ],"#
            + #" "_links":{"self":{"href":"https://api.bentley.com/clash-detection/itwins/i/reports"},"prev":null}}"#
        try await withCache { _, _ in
            .bytes(json(body))
        } _: { rig, _ async throws in
            let expected = body.replacing(
                "https://api.bentley.com/clash-detection/", with: "http://\(rig.host)/clash-detection/")
            for _ in 0..<2 {
                #expect(try await rig.get(Path.reports).text == expected)
            }
        }
    }
}
