// What is common to all operations: headers, encodings, limits, traps, sizes, and sameness from the seed.

import Foundation
import Simulator
import Testing

@Suite("Platform", .timeLimit(.minutes(8)))
struct PlatformTests {
    @Test("answers carry the platform's headers and echo the correlation id")
    func headers() async throws {
        try await withSimulator { rig async throws in
            let response = try await rig.get("\(rig.base)/reports", ["X-Correlation-Id": "abc-1"])
            #expect(response.header("x-correlation-id") == "abc-1")
            #expect(response.header("Date") == "Sun, 22 Nov 2026 06:50:00 GMT")
            #expect(response.header("access-control-allow-origin") == "*")
            #expect(response.header("X-ITwinPlatform-Media-Type") == "application/vnd.bentley.itwin-platform.v2+json")
            #expect(response.header("Tier") == "iTwin Platform Community")
            #expect(response.header("Request-Context")?.hasPrefix("appId=cid-v1:") == true)
            #expect(response.header("Cache-Control") == nil && response.header("ETag") == nil)
            let other = try await rig.get("\(rig.base)/reports")
            #expect(other.header("x-correlation-id")?.count == 36)
        }
    }

    @Test("gzip comes only when it is on and asked for, and decodes to the same bytes")
    func gzip() async throws {
        try await withSimulator {
            $0.gzip = true
        } _: { rig async throws in
            let plain = try await rig.get("\(rig.base)/reports")
            #expect(plain.header("Content-Encoding") == nil)
            let packed = try await rig.get("\(rig.base)/reports", ["Accept-Encoding": "gzip, br"])
            #expect(packed.header("Content-Encoding") == "gzip")
            #expect(try gunzip(packed.body) == plain.body)
            let empty = try await rig.call(
                "DELETE", "\(rig.base)/suppression-rules/\(rig.simulator.ruleIDs(iTwin: rig.iTwin)[0])",
                ["Accept-Encoding": "gzip"])
            #expect(empty.status == 204 && empty.header("Content-Encoding") == nil)
        }
    }

    @Test("weak entity tags revalidate while nothing changes")
    func entityTags() async throws {
        try await withSimulator {
            $0.weakETags = true
        } _: { rig async throws in
            let first = try await rig.get("\(rig.base)/reports")
            let tag = try #require(first.header("ETag"))
            #expect(tag.hasPrefix("W/\""))
            let same = try await rig.get("\(rig.base)/reports", ["If-None-Match": tag])
            #expect(same.status == 304)
            #expect(same.body.isEmpty && same.header("ETag") == tag && same.header("Content-Type") == nil)
            rig.simulator.removeReport(rig.simulator.reportIDs(iTwin: rig.iTwin)[24])
            #expect(try await rig.get("\(rig.base)/reports", ["If-None-Match": tag]).status == 200)
        }
    }

    @Test("a strict simulator refuses the other version's media type, a default one does not")
    func accept() async throws {
        let v1 = ["Accept": "application/vnd.bentley.itwin-platform.v1+json"]
        try await withSimulator { rig async throws in
            #expect(try await rig.get("\(rig.base)/reports", v1).status == 200)
        }
        try await withSimulator {
            $0.strictAccept = true
        } _: { rig async throws in
            #expect(try await rig.get("\(rig.base)/reports", v1).status == 406)
            #expect(try await rig.get("\(rig.base)/reports", ["Accept": "*/*"]).status == 200)
        }
    }

    @Test("a trap counts the early call and makes it wait anew")
    func trap() async throws {
        try await withSimulator {
            $0.rateWindows = [RateWindow(limit: 2, per: .seconds(10))]
            $0.trapMode = true
        } _: { rig async throws in
            let path = "\(rig.base)/reports"
            for _ in 0..<2 { #expect(try await rig.get(path).status == 200) }
            #expect(try await rig.get(path).header("Retry-After") == "10")
            rig.clock.advance(by: .seconds(9))
            #expect(try await rig.get(path).header("Retry-After") == "10")
            #expect(rig.simulator.counters.trapViolations == 1)
            rig.clock.advance(by: .seconds(10))
            #expect(try await rig.get(path).status == 200)
            #expect(rig.simulator.counters.rateLimited == 2)
            #expect(rig.simulator.counters.executed == 3)
        }
    }

    @Test("limits are per client id, whatever the token")
    func limitPerClient() async throws {
        try await withSimulator {
            $0.rateWindows = [RateWindow(limit: 1, per: .seconds(60))]
        } _: { rig async throws in
            let path = "\(rig.base)/reports"
            #expect(try await rig.get(path).status == 200)
            let another = ["Authorization": "Bearer \(rig.simulator.issueToken())"]
            #expect(try await rig.get(path, another).status == 429)
            let browser = ["Authorization": "Bearer \(rig.simulator.issueToken(client: "demo-browser"))"]
            #expect(try await rig.get(path, browser).status == 200)
        }
    }

    @Test("the same seed makes the same world, another seed another one")
    func determinism() async throws {
        func world(_ seed: UInt64) async throws -> [String] {
            var seen: [String] = []
            try await withSimulator {
                $0.seed = seed
            } _: { rig async throws in
                // What happens in between must not shift the ids that come next.
                if seen.isEmpty { _ = try await rig.get("\(rig.base)/tests", ["X-Correlation-Id": ""]) }
                let report = rig.simulator.addReport(iTwin: rig.iTwin) ?? ""
                let page = try await rig.get("\(rig.base)/reports?$top=100")
                seen = [report, page.text, rig.token] + rig.simulator.iTwinIDs
            }
            return seen
        }
        let first = try await world(7)
        let second = try await world(7)
        let other = try await world(8)
        #expect(first[0] == second[0] && first[1] == second[1])
        #expect(Set(first).isDisjoint(with: other))
    }

    @Test("an empty link base means the simulator's own address")
    func ownLinks() async throws {
        try await withSimulator {
            $0.linkBaseV2 = ""
            $0.linkBaseV1 = ""
        } _: { rig async throws in
            let v2 = try await rig.get("\(rig.base)/reports")
            #expect(link(v2, "self") == "\(rig.addresses.apiURL)\(rig.base)/reports")
            let v1 = try await rig.get("/clashdetection/tests?projectId=\(rig.iTwin)")
            #expect(link(v1, "next")?.hasPrefix("\(rig.addresses.apiURL)/clashdetection/tests?") == true)
        }
    }

    @Test("a large report is streamed in chunks and is one valid JSON document", arguments: [false, true])
    func bigReport(gzip: Bool) async throws {
        try await withSimulator {
            $0.bigReportClashes = 5000
            $0.gzip = true
        } _: { rig async throws in
            let id = try #require(rig.simulator.bigReportID)
            let response = try await rig.get(
                "\(rig.base)/reports/\(id)", gzip ? ["Accept-Encoding": "gzip"] : [:])
            #expect(response.header("Transfer-Encoding") == "chunked")
            let body = gzip ? try gunzip(response.body) : response.body
            let json = try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any]
            let clashes = (json?["report"] as? [String: Any])?["clashes"] as? [[String: Any]]
            #expect(clashes?.count == 5000)
            #expect((350...450).contains(body.count / 5000))
            let cuid = try #require(clashes?[4999]["cuid"] as? String)
            #expect(try await rig.get("\(rig.base)/reports/\(id)?cuid=\(cuid)").text.contains(cuid))
        }
    }

    @Test("a report far larger than memory can be begun and abandoned, because nobody makes what nobody reads")
    func backPressure() async throws {
        try await withSimulator {
            $0.bigReportClashes = 1_000_000_000
        } _: { rig async throws in
            let id = try #require(rig.simulator.bigReportID)
            let connection = try await rig.connect()
            try await connection.setReading(false)
            try await connection.send(rig.request("GET", "\(rig.base)/reports/\(id)"))
            #expect(await rig.simulator.waitForRequests(1))
            // The one event loop is not busy with the report that nobody reads: it answers others meanwhile.
            for _ in 0..<20 { #expect(try await rig.get("\(rig.base)/reports?$top=1").status == 200) }
            try await connection.setReading(true)
            #expect(await connection.bytes(atLeast: 1_000_000).count >= 1_000_000)
            await connection.close()
        }
    }
}
