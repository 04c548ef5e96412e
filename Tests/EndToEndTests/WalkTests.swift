// Walks through lists are served from fetches of the largest page, whatever the pages' size, and show what upstream shows.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct WalkTests {
    /// A paged list of the simulator.
    struct List: Sendable, CustomStringConvertible {
        let path: String
        let key: String
        /// The largest page.
        let most: Int
        let total: Int
        var headers: [(String, String)] = []
        var isV1 = false
        var description: String { path }

        func target(_ rig: Rig, top: Int?) -> String {
            let base = isV1 ? "/clashdetection/\(path)?projectId=\(rig.iTwin)" : "\(rig.v2)/\(path)"
            guard let top else { return base }
            return base + (base.contains("?") ? "&" : "?") + "$top=\(top)"
        }
    }

    static let lists = [
        List(path: "reports", key: "reports", most: 100, total: 123),
        List(path: "tests?orderBy=name", key: "tests", most: 500, total: 61, headers: [("configType", "2")]),
        List(
            path: "tests", key: "tests", most: 500, total: 61,
            headers: [("configType", "2"), ("Include-User-Metadata", "true")]),
        List(path: "suppression-rules", key: "suppressionRules", most: 500, total: 57),
        List(path: "suppression-templates", key: "suppressionTemplates", most: 500, total: 0),
        List(path: "tests", key: "tests", most: 50, total: 61, isV1: true),
        List(path: "suppressionrules", key: "suppressionRules", most: 50, total: 57, isV1: true),
    ]

    static func world(_ flags: [String] = [], _ body: (Rig) async throws -> Void) async throws {
        try await withCachedWorld(["cache.walks=true"] + flags) { options in
            options.simulator.reportsPerITwin = 123
            options.simulator.testsPerITwin = 61
            options.simulator.rulesPerITwin = 57
        } _: {
            try await body($0)
        }
    }

    // MARK: As upstream has it

    @Test(
        "every walk at any $top shows what a direct walk at that $top shows, byte for byte in its rows",
        arguments: lists)
    func asDirect(list: List) async throws {
        try await Self.world { rig in
            for top in [nil, 1, 7, 10, 30, list.most - 1, list.most].filter({ $0 ?? 100 > 6 || list.total > 100 }) {
                let target = list.target(rig, top: top)
                let direct = try await rig.directWalk(target, list.key, list.headers)
                let walk = try await rig.walk(target, list.key, list.headers)
                #expect(walk.rows == direct.rows, "$top=\(top ?? 0): \(walk.rows.count) of \(direct.rows.count) rows")
                #expect(list.total == 0 || walk.rows.count == list.total)
                #expect(walk.pages.count == direct.pages.count, "$top=\(top ?? 0)")
                #expect(walk.counts == direct.counts)
                let sizes = (walk.pages.map { $0.rows(list.key).count }, direct.pages.map { $0.rows(list.key).count })
                #expect(sizes.0 == sizes.1)
            }
        }
    }

    @Test("a walk back by prev shows the same pages")
    func back() async throws {
        try await Self.world { rig in
            let walk = try await rig.walk("\(rig.v2)/reports?$top=30", "reports")
            var pages: [[String]] = []
            var target = walk.pages.last?.next("prev", at: rig.host)
            while let previous = target, pages.count < 10 {
                let page = try await rig.get(previous)
                pages.append(page.rows("reports"))
                target = page.next("prev", at: rig.host)
            }
            #expect(pages.reversed() == walk.pages.dropLast().map { $0.rows("reports") })
        }
    }

    @Test("once a list is walked, all sizes share the fetches of its largest pages")
    func calls() async throws {
        try await Self.world { rig in
            let before = rig.upstreamReads
            let first = try await rig.walk("\(rig.v2)/reports", "reports")
            #expect(first.pages.count == 13)
            #expect(rig.upstreamReads - before == 3, "the first page, and twice the largest")
            for top in [1, 5, 20, 100] {
                #expect(try await rig.walk("\(rig.v2)/reports?$top=\(top)", "reports").rows == first.rows)
            }
            #expect(rig.upstreamReads - before == 3)
            let page = try await rig.get("\(rig.v2)/reports?$top=33")
            #expect(page.cacheStatus.hasPrefix("clash-proxy; hit; ttl=") && page.cacheStatus.hasSuffix("; detail=walk"))
            let again = try await rig.get("\(rig.v2)/reports?$top=33")
            #expect(again.cacheStatus.hasPrefix("clash-proxy; hit; ttl=") && !again.cacheStatus.contains("walk"))
            #expect(again["ETag"] == page["ETag"] && again.text == page.text && page["ETag"] != nil)
            let metrics = try await rig.metrics()
            #expect(metrics["clash_proxy_upstream_saved_total{by=\"walk\"}"] ?? 0 > 100)
        }
    }

    @Test("a lone $top=1 fetches one row")
    func lone() async throws {
        try await Self.world { rig in
            let page = try await rig.get("\(rig.v2)/reports?$top=1")
            #expect(page.rows("reports").count == 1 && page.count == "123")
            #expect(rig.simulator.recorded.last?.target.hasSuffix("/reports?$top=1") == true)
            rig.clock.advance(by: .seconds(120))
            _ = try await rig.get("\(rig.v2)/reports?$top=1")
            #expect(rig.simulator.recorded.allSatisfy { !$0.target.contains("$top=100") })
        }
    }

    @Test("what is larger than the largest page, unknown, or said twice passes as it is")
    func asItIs() async throws {
        try await Self.world { rig in
            _ = try await rig.walk("\(rig.v2)/reports", "reports")
            for query in ["$top=101", "$top=5&x=1", "$top=5&$top=6", "$top=0", "$top=a"] {
                _ = try await rig.get("\(rig.v2)/reports?\(query)")
                #expect(rig.simulator.recorded.last?.target.hasSuffix("/reports?\(query)") == true, "\(query)")
            }
        }
    }
}
