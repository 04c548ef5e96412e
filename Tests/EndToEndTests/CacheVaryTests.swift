// Answers that depend on more than their key, as upstream's Vary says, and operations that only upstream knows.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3))) struct CacheVaryTests {
    @Test("what Vary names splits answers, each kept on its own")
    func vary() async throws {
        try await withNumberedPages(headers: "Vary: X-Flavour, accept\r\n") { rig, origin async throws in
            let watch = Stopwatch()
            let sweet = [("X-Flavour", "sweet")]
            let target = "\(Path.tests)/t"
            (try await rig.get(target, sweet)).expectForwarded("uri-miss; stored", number: 1)
            (try await rig.get(target, sweet)).expectHit(lifetime: 30, watch, number: 1)
            (try await rig.get(target, [("x-flavour", "sour")])).expectForwarded("vary-miss; stored", number: 2)
            (try await rig.get(target)).expectForwarded("vary-miss; stored", number: 3)
            (try await rig.get(target, [("X-Flavour", "")])).expectForwarded("vary-miss; stored", number: 4)
            #expect(try await rig.number(target, sweet) == 1)
            #expect(try await rig.number(target, [("X-Flavour", "sour")]) == 2)
            #expect(try await rig.number(target) == 3)
            #expect(origin.count == 4)
            #expect(origin.received.all[0].values("X-Flavour") == ["sweet"])
        }
    }

    @Test(
        "variants of a list's first page do not push each other out")
    func varyingLists() async throws {
        try await withNumberedPages(headers: "Vary: X-Flavour\r\n") { rig, origin async throws in
            let flavours = ["sweet", "sour", "bitter"]
            for (index, flavour) in flavours.enumerated() {
                #expect(try await rig.number(Path.reports, [("X-Flavour", flavour)]) == index + 1)
            }
            for (index, flavour) in flavours.enumerated() {
                #expect(try await rig.number(Path.reports, [("X-Flavour", flavour)]) == index + 1)
            }
            #expect(origin.count == 3)
        }
    }

    @Test(
        "a Vary that names what is in every key, or what upstream never sees of the tool, splits nothing",
        arguments: ["Accept-Encoding", "Authorization", "Accept, accept-encoding"])
    func varyByKey(names: String) async throws {
        try await withNumberedPages(headers: "Vary: \(names)\r\n") { rig, origin async throws in
            #expect(try await rig.number(Path.reports, [("Accept-Encoding", "gzip")]) == 1)
            let other = [("Accept-Encoding", "br"), ("Authorization", "Bearer x")]
            let hit = try await rig.get(Path.reports, other)
            #expect(hit.number == 1 && hit["Vary"] == names)
            #expect(origin.count == 1)
        }
    }

    @Test("requests at once whose answers turn out to vary each get their own")
    func varyInFlight() async throws {
        let gate = Latch()
        try await withCache { number, request in
            if number == 1 { gate.waitBlocking() }
            let flavour = request.values("X-Flavour").first ?? "none"
            return .bytes(json(#"{"reports":[],"flavour":"\#(flavour)"}"#, headers: "Vary: X-Flavour\r\n"))
        } _: { rig, origin async throws in
            async let sweet = rig.get(Path.reports, [("X-Flavour", "sweet")])
            try await eventually("the first is upstream") { origin.count == 1 }
            async let sour = rig.get(Path.reports, [("X-Flavour", "sour")])
            // Whether the second has come to wait already can not be seen from here; either way it must be right.
            _ = try await rig.get("/clash-detection/itwins/i/tests")
            gate.open()
            #expect(try await sweet.text.contains("sweet"))
            #expect(try await sour.text.contains("sour"))
        }
    }

    // MARK: Unknown operations

    @Test(
        "an operation that the table does not know is kept by upstream's word and permission only",
        arguments: [
            UpstreamsWord("X-Nothing: said", reason: "authorization"),
            UpstreamsWord("Cache-Control: max-age=100", reason: "authorization"),
            UpstreamsWord("Cache-Control: public", reason: "no-freshness"),
            UpstreamsWord("Cache-Control: public, max-age=100", lifetime: 100),
            UpstreamsWord("Cache-Control: s-maxage=100", lifetime: 100),
            UpstreamsWord("Cache-Control: must-revalidate, max-age=100", lifetime: 100),
            UpstreamsWord("Cache-Control: public, max-age=100, private", reason: "private"),
        ])
    func unknown(word: UpstreamsWord) async throws {
        for target in ["/clash-detection/itwins/i/news", "/clashdetection/news?projectId=p", "/clashdetection"] {
            try await withNumberedPages(headers: word.lines) { rig, _ async throws in
                let watch = Stopwatch()
                let first = try await rig.get(target)
                let second = try await rig.get(target)
                if let lifetime = word.lifetime {
                    first.expectForwarded("uri-miss; stored", number: 1, target)
                    second.expectHit(lifetime: lifetime, watch, number: 1, target)
                } else {
                    first.expectForwarded("uri-miss; detail=\(word.reason)", number: 1, target)
                    #expect(second.number == 2)
                }
            }
        }
    }
}
