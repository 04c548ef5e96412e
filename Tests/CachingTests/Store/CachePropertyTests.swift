// What must hold in every order of reads, writes, deletes, slow fetches, refreshes, purges and expiry.

import Synchronization
import Testing

@testable import Caching

@Suite("The cache in random runs", .timeLimit(.minutes(8)))
struct CachePropertyTests {
    @Test(
        """
        no deleted report after its delete was answered, no other partition's bytes, nothing staler than its bound, \
        no page of an old picture, and never more bytes than allowed
        """, arguments: [64 << 10, 1 << 20], 0..<4)
    func randomRuns(maxBytes: Int, part: Int) {
        let seen = run(seeds: 30, part: part, maxBytes: maxBytes)
        // A cache that keeps nothing would pass the rest.
        let tried = [
            "fresh": 500, "stale while revalidating": 15, "stale on error": 5, "follow": 500, "write answered": 200,
            "store: done": 2000, "store: invalidated": 200, "store: deleted-id": 50, "store: list-changed": 100,
            "refresh: done": 30, "refresh: superseded": 2, "store: superseded": 5, "list changed": 100,
            "vary-miss": 50,
            "upstream still shows a deleted report": 20, "evicted": maxBytes < 1 << 20 ? 200 : 0,
        ]
        for (what, least) in tried { #expect(seen[what, default: 0] >= least, "\(what) was hardly tried") }
    }

    @Test(
        "the same holds where there is hardly room for what is known of lists and variants", arguments: 0..<4)
    func hardlyRoom(part: Int) {
        let seen = run(seeds: 30, part: part, maxBytes: 8 << 10)
        #expect(seen["evicted", default: 0] > 100 && seen["fresh", default: 0] > 10)
    }

    private func run(seeds: Int, part: Int, maxBytes: Int) -> [String: Int] {
        var seen: [String: Int] = [:]
        for seed in 0..<seeds {
            var world = CacheWorld(seed: UInt64(part * 1000 + seed), maxBytes: maxBytes)
            world.run(steps: 1000)
            if let mistake = world.mistake {
                Issue.record("\(mistake)")
                return world.seen
            }
            seen.merge(world.seen) { $0 + $1 }
        }
        return seen
    }
}
