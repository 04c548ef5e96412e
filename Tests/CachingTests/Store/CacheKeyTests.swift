// What makes two requests ask for the same thing, and nothing else.

import HTTPTypes
import Testing

@testable import Caching

@Suite("Cache keys")
struct CacheKeyTests {
    private static let first = StoreFixture.name("repository-id")
    private static let second = StoreFixture.name("configType")

    private func key(_ fields: [(HTTPField.Name, String)], target: String = "/reports") -> CacheKey {
        var request = HTTPFields()
        for (name, value) in fields { request.append(HTTPField(name: name, value: value)) }
        var key = StoreFixture.key(target)
        key.append(Self.first, of: request)
        key.append(Self.second, of: request)
        return key
    }

    @Test("equal requests have equal keys and hashes, however much room was reserved for them")
    func equal() {
        var roomy = CacheKey(partition: "own", estimatedBytes: 4000)
        roomy.appendTarget { $0 += "/reports?page=2".utf8 }
        let tight = StoreFixture.key("/reports?page=2")
        #expect(roomy == tight)
        #expect(roomy.hashValue == tight.hashValue)
        #expect(roomy.byteCount > tight.byteCount, "the room that a key holds is counted")
    }

    @Test("a sealed key is found where one that is not was put, and what is appended to it still counts")
    func sealed() {
        var sealed = StoreFixture.key("/reports")
        sealed.seal()
        #expect([StoreFixture.key("/reports"): 1][sealed] == 1 && [sealed: 1][StoreFixture.key("/reports")] == 1)
        var longer = sealed
        longer.append("more")
        #expect([sealed: 1, longer: 2].count == 2 && [sealed.variant("v"): 1][sealed] == nil)
        var same = StoreFixture.key("/reports")
        same.append("more")
        #expect([longer: 2][same] == 2)
    }

    @Test("a field that is absent, empty, or blank-separated in two makes three keys")
    func absentAndEmpty() {
        let keys = [
            key([]), key([(Self.first, "")]), key([(Self.first, ""), (Self.first, "")]), key([(Self.first, "a")]),
            key([(Self.first, "a"), (Self.first, "")]),
        ]
        #expect(Set(keys).count == keys.count)
    }

    @Test("repeated values differ from their sum and from another order")
    func repeated() {
        let keys = [
            key([(Self.first, "a"), (Self.first, "b")]), key([(Self.first, "b"), (Self.first, "a")]),
            key([(Self.first, "ab")]), key([(Self.first, "a, b")]), key([(Self.first, "a b")]),
            key([(Self.first, "a\u{0}b")]),
        ]
        // The last two are one: a zero byte cannot stand in a field value, it becomes a space.
        #expect(Set(keys).count == 5)
    }

    @Test("the order in which different fields arrive makes no difference, which field has a value does")
    func order() {
        #expect(
            key([(Self.first, "a"), (Self.second, "b")]) == key([(Self.second, "b"), (Self.first, "a")]))
        #expect(key([(Self.first, "a")]) != key([(Self.second, "a")]))
        #expect(key([(Self.first, "a"), (Self.second, "b")]) != key([(Self.first, "b"), (Self.second, "a")]))
    }

    @Test("no value can pass for a partition, a target or another field")
    func boundaries() {
        #expect(StoreFixture.key("/b/c", partition: "a") != StoreFixture.key("/c", partition: "a/b"))
        #expect(StoreFixture.key("/c", partition: "") != StoreFixture.key("", partition: "/c"))
        #expect(key([(Self.first, "x")], target: "/reports") != key([], target: "/reportsx"))
        // What would end a field inside the key cannot come in by its value.
        #expect(key([(Self.first, "x\ny")]) == key([(Self.first, "x y")]))
    }

    @Test("the shard follows from the path alone")
    func shardHint() {
        let first = StoreFixture.key("/reports").shardHint
        #expect(StoreFixture.key("/reports?page=2").shardHint == first)
        #expect(StoreFixture.key("/reports?top=5&page=9", partition: "another").shardHint == first)
        #expect(key([(Self.first, "x")], target: "/reports?page=3").shardHint == first)
        #expect(StoreFixture.key("/reports").variant("language:en\n").shardHint == first)
        let paths = (0..<1000).map { StoreFixture.key("/reports/\($0)").shardHint % 16 }
        #expect(Set(paths).count == 16, "all shards are used")
        let fullest = Dictionary(grouping: paths) { $0 }.values.map(\.count).max() ?? 0
        #expect(fullest < 2 * 1000 / 16, "and about as much")
    }

    @Test("a variant without a secondary key is the key itself, and variants differ")
    func variants() {
        let key = StoreFixture.key("/reports")
        #expect(key.variant("") == key)
        #expect(Set([key, key.variant("language:en\n"), key.variant("language:de\n")]).count == 3)
    }
}

@Suite("Sets of tags")
struct TagSetTests {
    @Test("a tag counts once, and sets are equal in whatever order they were made")
    func unique() {
        let tags = TagSet(["report:1", "report:2", "report:1"])
        #expect(tags.count == 2)
        #expect(tags == TagSet(["report:2", "report:1"]))
        #expect(tags != TagSet(["report:2"]))
        #expect(TagSet([]).isEmpty && !tags.isEmpty)
    }

    @Test("every member is found among hundreds, and nothing else is")
    func contains() {
        for count in [0, 1, 2, 3, 64, 311] {
            let tags = TagSet((0..<count).map { "report:\($0)" })
            #expect((0..<count).allSatisfy { tags.contains(TagHash("report:\($0)")) })
            #expect(!(0..<count).contains { tags.contains(TagHash("run:\($0)")) })
            #expect(!tags.contains(TagHash("report:\(count)")))
        }
    }

    @Test("two sets intersect exactly when they share a tag, whichever is the larger")
    func intersects() {
        let many = TagSet((0..<100).map { "report:\($0)" })
        for tag in ["report:0", "report:57", "report:99"] {
            #expect(many.intersects(TagSet([tag, "run:1", "run:2"])))
            #expect(TagSet([tag, "run:1", "run:2"]).intersects(many))
        }
        #expect(!many.intersects(TagSet(["report:100", "run:0"])))
        #expect(!TagSet(["report:100", "run:0"]).intersects(many))
        #expect(!many.intersects(TagSet([])))
        #expect(!TagSet([]).intersects(TagSet([])))
    }

    @Test("an invalidation concerns what shares a tag with it, and everything concerns also what has none")
    func invalidations() {
        #expect(CacheInvalidation.tagged(TagSet(["a", "b"])).concerns(TagSet(["b", "c"])))
        #expect(!CacheInvalidation.tagged(TagSet(["a"])).concerns(TagSet(["b"])))
        #expect(!CacheInvalidation.tagged(TagSet([])).concerns(TagSet(["b"])))
        #expect(CacheInvalidation.everything.concerns(TagSet([])))
    }
}
