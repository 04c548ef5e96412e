// The pages of a list are one picture of it: a walk through stored pages never mixes two.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct CacheListTests {
    private static let flags = ["cache.ttl_list=1h", "cache.stale_while_revalidate=0s"]
    private static let fresh = [("Cache-Control", "no-cache")]

    /// A list of three pages; what the first shows can be changed.
    private static func walk(_ version: String, _ ids: String..., count: Int = 6) -> ChangingOrigin.Script {
        { _, request in
            let page = request.requestLine.contains("=p2") ? 2 : request.requestLine.contains("=p3") ? 3 : 1
            let rows = ids.map { report("\($0)\(page)") }.joined(separator: ",")
            return .bytes(json(#"{"count":\#(count),"reports":[\#(rows)],"version":"\#(version)"}"#))
        }
    }

    private static let first = "\(Path.reports)?$top=2"
    private static let later = [
        "\(Path.reports)?$top=2&$continuationToken=p2", "\(Path.reports)?%24continuationToken=p3&$top=2",
    ]

    @Test("when the first page has changed, later pages of the picture before are fetched anew")
    func firstChanges() async throws {
        try await withCache(Self.flags, Self.walk("old", "a", "b")) { rig, origin async throws in
            for target in [Self.first] + Self.later { _ = try await rig.get(target) }
            let watch = Stopwatch()
            for target in [Self.first] + Self.later { (try await rig.get(target)).expectHit(lifetime: 3_600, watch) }
            origin.become(Self.walk("new", "c", "a"))
            #expect(try await rig.get(Self.first, Self.fresh).text.contains("new"))
            for target in Self.later {
                let page = try await rig.get(target)
                #expect(page.text.contains("new"), "\(target) \(page.cacheStatus)")
                #expect(!page.cacheStatus.contains("hit"))
            }
            for target in [Self.first] + Self.later {
                let page = try await rig.get(target)
                page.expectHit(lifetime: 3_600, watch)
                #expect(page.text.contains("new"))
            }
            #expect(origin.count == 6)
        }
    }

    @Test("when the first page comes back unchanged, later pages stay", arguments: [false, true])
    func firstStays(expires: Bool) async throws {
        try await withCache(Self.flags, Self.walk("same", "a")) { rig, origin async throws in
            for target in [Self.first] + Self.later { _ = try await rig.get(target) }
            if expires {
                rig.clock.advance(by: .seconds(3_590))
                _ = try await rig.get(Self.first, Self.fresh)
            } else {
                _ = try await rig.get(Self.first, Self.fresh)
            }
            for target in Self.later {
                #expect(try await rig.get(target).cacheStatus.hasPrefix("clash-proxy; hit; "))
            }
            #expect(origin.count == 4)
        }
    }

    @Test("when a later page has changed, the others are not mixed with it")
    func laterChanges() async throws {
        try await withCache(Self.flags, Self.walk("old", "a")) { rig, origin async throws in
            for target in [Self.first] + Self.later { _ = try await rig.get(target) }
            origin.become(Self.walk("new", "b"))
            #expect(try await rig.get(Self.later[0], Self.fresh).text.contains("new"))
            for target in [Self.first] + Self.later {
                #expect(try await rig.get(target).text.contains("new"), "\(target)")
            }
        }
    }

    @Test("a change of one list leaves other lists alone")
    func otherLists() async throws {
        try await withCache(Self.flags, Self.walk("old", "a")) { rig, origin async throws in
            let others = ["\(Path.reports)?$top=3&$continuationToken=p2", "\(Path.tests)?$top=2&$continuationToken=p2"]
            for target in [Self.first] + Self.later + others { _ = try await rig.get(target) }
            origin.become(Self.walk("new", "b"))
            _ = try await rig.get(Self.first, Self.fresh)
            for target in others {
                #expect(try await rig.get(target).cacheStatus.hasPrefix("clash-proxy; hit; "), "\(target)")
            }
        }
    }

    @Test("a later page that was on its way when the first changed is passed on and not kept")
    func pageInFlight() async throws {
        let gate = Latch()
        try await withCache(Self.flags, Self.walk("old", "a")) { rig, origin async throws in
            _ = try await rig.get(Self.first)
            let old = Self.walk("old", "a")
            origin.become { number, request in
                gate.waitBlocking()
                return old(number, request)
            }
            async let slow = rig.get(Self.later[0])
            try await eventually("the second page is on its way") { origin.count == 2 }
            origin.become(Self.walk("new", "b"))
            #expect(try await rig.get(Self.first, Self.fresh).text.contains("new"))
            gate.open()
            let late = try await slow
            late.expectForwarded("uri-miss; detail=list-changed")
            #expect(late.text.contains("old"))
            #expect(try await rig.get(Self.later[0]).text.contains("new"))
        }
    }

    @Test("$skip=0 and an empty token are the first page")
    func firstInOtherWords() async throws {
        try await withCache(Self.flags, Self.walk("old", "a")) { rig, origin async throws in
            for first in ["\(Path.tests)?$skip=0&$top=2", "\(Path.tests)?$top=2&$continuationToken="] {
                origin.become(Self.walk("old", "a"))
                let later = "\(Path.tests)?$top=2&$skip=2"
                for target in [first, later] { _ = try await rig.get(target, Self.fresh) }
                origin.become(Self.walk("new", "b"))
                _ = try await rig.get(first, Self.fresh)
                #expect(try await rig.get(later).text.contains("new"), "\(first)")
            }
        }
    }

    @Test("v1 lists are pictures, too")
    func v1() async throws {
        try await withCache(Self.flags, Self.walk("old", "a")) { rig, origin async throws in
            let pages = [
                "/clashdetection/tests?projectId=p&$top=2",
                "/clashdetection/tests?projectId=p&$top=2&$continuationToken=p2",
            ]
            for target in pages { _ = try await rig.get(target) }
            origin.become(Self.walk("new", "b"))
            _ = try await rig.get(pages[0], Self.fresh)
            #expect(try await rig.get(pages[1]).text.contains("new"))
        }
    }
}
