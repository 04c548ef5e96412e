// Why a request went as it did: what is kept, how long, and what it says.

import Caching
import Ground
import HTTPTypes
import Testing

@testable import Proxy

@Suite struct ExplanationTests {
    private func request(_ id: String, _ change: (inout ExchangeRecord) -> Void = { _ in }) -> Explanation {
        var record = ExchangeRecord(correlationID: id, peer: "127.0.0.1", started: ContinuousClock.now)
        record.status = 200
        change(&record)
        return Explanation(
            record: record, outcome: .answered, ended: WallTime(sinceEpoch: .seconds(1_700_000_000)), total: .seconds(2)
        )
    }

    @Test("the last two thousand are known, and of one id the latest")
    func ring() {
        let requests = RecentRequests()
        for number in 0..<(RecentRequests.capacity + 500) { requests.add(request("r\(number)")) }
        #expect(requests.latest("r499") == nil && requests.latest("r500") != nil)
        #expect(requests.latest("r\(RecentRequests.capacity + 499)") != nil)
        requests.add(request("r600") { $0.status = 404 })
        #expect(requests.latest("r600")?.record.status == 404)
    }

    @Test("who has shown no key pushes nobody out, and its requests are looked at last")
    func strangers() {
        let requests = RecentRequests()
        requests.add(request("mine"))
        for number in 0..<(RecentRequests.capacity * 2) {
            requests.add(request("s\(number)") { $0.status = 401 }, ofStranger: true)
        }
        requests.add(request("mine") { $0.status = 401 }, ofStranger: true)
        #expect(requests.latest("mine")?.record.status == 200)
        #expect(requests.latest("s\(RecentRequests.capacity * 2 - 1)")?.record.status == 401)
        #expect(requests.latest("s0") == nil)
    }

    @Test("the key's parts are named, without the values of the query")
    func key() throws {
        let explained = request("keyed") {
            var key = CacheKey(partition: "own", estimatedBytes: 64)
            key.appendTarget { $0 += "/clash-detection/itwins/i/reports?%24top=2&cuid=secret".utf8 }
            key.append(.accept, of: [.accept: "application/json"])
            for _ in 0...HeaderTraits.names(with: .selecting).count { key.append("") }
            key.append("identity")
            key.seal()
            $0.key = key
            $0.cache = .hit(ttl: 3)
        }
        let text = explained.json.text
        #expect(!text.contains("secret"))
        let key = try #require(JSON(Array(text.utf8))?["cache"]?["key"])
        #expect(key["query"] == .array([.string("$top"), .string("cuid")]))
        #expect(key["fields"] == .array([.string("accept")]) && key["coding"]?.string == "identity")
        #expect(key["path"]?.string == "/clash-detection/itwins/i/reports" && key["partition"]?.string == "own")
    }

    @Test("the summary says where the time went, how often it was sent, and what the cache did")
    func summary() throws {
        let slow = request("slow") {
            $0.times.queueTime = .milliseconds(1_500)
            $0.times.upstreamTime = .milliseconds(400)
            $0.attempts = 2
            $0.cache = .forwarded(Forwarding(why: .uriMiss), .notStored(.requestNoStore), isRefreshed: false)
            $0.detail = "the pause was over"
        }
        let document = try #require(JSON(Array(slow.json.text.utf8)))
        let summary = try #require(document["summary"]?.string)
        #expect(summary.contains("Most of it, 1500.0 ms, was waiting for a turn"))
        #expect(summary.contains("not-stored (request-no-store)") && summary.contains("sent 2 times"))
        #expect(summary.contains("the pause was over"))
        #expect(document["gate"]?["ms"]?.number == 1_500 && document["upstream"]?["attempts"]?.number == 2)
        #expect(document["answer"]?["other_ms"]?.number == 100)
    }
}
