// Who stays when there is not room for all: what a dashboard asks for again and again, not what a nightly job walks over
// once.

import Testing

@testable import Caching

@Suite("Eviction")
struct ScanResistanceTests {
    private static let dashboard = 200
    private static let room = 600

    /// Keys of equal length, so that all entries cost the same.
    private static func key(_ number: Int) -> CacheKey { StoreFixture.key("/reports/\(100_000 + number)") }

    private static let answer = StoreFixture.answer()
    private static let entry = answer.cost + key(0).byteCount

    private static func store(_ number: Int, in shard: ShardBox) {
        shard.store(answer, key(number))
    }

    /// The plainest cache: the one asked for least lately goes.
    private struct LeastRecentlyUsed {
        let room: Int
        var order: [Int] = []

        mutating func touch(_ number: Int) {
            order.removeAll { $0 == number }
            order.append(number)
            if order.count > room { order.removeFirst() }
        }
    }

    @Test("a dashboard's pages survive a job that walks 5,000 pages once; by the latest use they would be lost")
    func walk() {
        let shard = ShardBox(capacity: Self.room * Self.entry)
        var plain = LeastRecentlyUsed(room: Self.room)
        for number in 0..<Self.dashboard {
            Self.store(number, in: shard)
            plain.touch(number)
        }
        var lost = 0
        var lostByPlain = 0
        for page in 0..<5000 {
            // Between two looks of the dashboard the job walks over more pages than there is room for.
            if page.isMultiple(of: 700) {
                for number in 0..<Self.dashboard {
                    if shard.find(Self.key(number)) == nil {
                        lost += 1
                        Self.store(number, in: shard)
                    }
                    if !plain.order.contains(number) { lostByPlain += 1 }
                    plain.touch(number)
                }
            }
            Self.store(10_000 + page, in: shard)
            plain.touch(10_000 + page)
            #expect(shard.used <= shard.capacity)
        }
        #expect(lost == 0)
        #expect((0..<Self.dashboard).allSatisfy { shard.find(Self.key($0)) != nil })
        #expect(lostByPlain == 7 * Self.dashboard, "the test would show nothing otherwise")
        #expect(shard.nodes.count >= Self.room * 9 / 10, "and the room is used")
    }

    @Test("who was pushed out and comes back stays through the next walk, a newcomer does not")
    func comeback() {
        let shard = ShardBox(capacity: Self.room * Self.entry)
        for number in 0..<(Self.room * 6 / 5) { Self.store(number, in: shard) }
        #expect(shard.find(Self.key(0)) == nil, "the oldest went first")
        Self.store(0, in: shard)
        Self.store(20_000, in: shard)
        for page in 0..<700 { Self.store(30_000 + page, in: shard) }
        #expect(shard.find(Self.key(0)) != nil)
        #expect(shard.find(Self.key(20_000)) == nil)
    }

    @Test("what nobody asks for any more goes, however often it once was asked for")
    func ageing() {
        let shard = ShardBox(capacity: Self.room * Self.entry)
        for number in 0..<Self.room {
            Self.store(number, in: shard)
            for _ in 0..<100 { _ = shard.find(Self.key(number)) }
        }
        // A second dashboard takes the place of the first.
        for _ in 0..<8 {
            for number in 0..<Self.room where shard.find(Self.key(20_000 + number)) == nil {
                Self.store(20_000 + number, in: shard)
                _ = shard.find(Self.key(20_000 + number))
            }
        }
        #expect((0..<Self.room).count { shard.find(Self.key($0)) != nil } < Self.room / 10)
    }

    @Test("entries that grow and shrink under way do not turn the eviction against those who are asked for")
    func resized() {
        for (before, after) in [(0, 6000), (6000, 0)] {
            let shard = ShardBox(capacity: Self.room * Self.entry)
            for number in 0..<Self.dashboard {
                Self.store(number, in: shard)
                _ = shard.find(Self.key(number))
            }
            for page in 0..<3000 {
                let key = Self.key(10_000 + page)
                let first = StoreFixture.answer(bytes: before)
                shard.store(first, key)
                if page.isMultiple(of: 2) {
                    shard.store(StoreFixture.answer(bytes: after), key)
                } else {
                    _ = shard.refresh(first, with: StoreFixture.answer(bytes: after), key)
                }
            }
            #expect((0..<Self.dashboard).allSatisfy { shard.find(Self.key($0)) != nil })
        }
    }

    @Test("removed entries leave the eviction as it was")
    func removed() {
        let shard = ShardBox(capacity: Self.room * Self.entry)
        for number in 0..<Self.dashboard {
            Self.store(number, in: shard)
            _ = shard.find(Self.key(number))
        }
        let tagged = StoreFixture.answer(bytes: 800, tags: ["walk"])
        for page in 0..<3000 {
            shard.store(tagged, Self.key(10_000 + page))
            if page.isMultiple(of: 50) { shard.purge("walk") }
            if page.isMultiple(of: 3) { shard.remove(Self.key(10_000 + page)) }
        }
        for page in 0..<700 { Self.store(20_000 + page, in: shard) }
        #expect((0..<Self.dashboard).allSatisfy { shard.find(Self.key($0)) != nil })
    }
}
