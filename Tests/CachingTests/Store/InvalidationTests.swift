// The memory of writes: what was begun before one is not stored after it.

import TestSupport
import Testing

@testable import Caching

@Suite("The log of invalidations")
struct InvalidationLogTests {
    private let log = InvalidationLog()
    private let shown = TagSet(["report:1", "itwin:1"])

    private func record(_ tags: String...) { log.record(.tagged(TagSet(tags))) }

    @Test("a fetch begun before a write that concerns it is told so, one begun after is not")
    func beforeAndAfter() {
        let before = log.begin()
        record("report:1")
        let after = log.begin()
        #expect(log.hasInvalidated(shown, since: before))
        #expect(!log.hasInvalidated(shown, since: after))
        #expect(!log.hasInvalidated(TagSet(["report:2"]), since: before))
    }

    @Test("a write among others that do not concern the fetch is seen, wherever it stands")
    func amongOthers() {
        for position in 0..<5 {
            let log = InvalidationLog()
            let fetch = log.begin()
            for index in 0..<5 { log.record(.tagged(TagSet([index == position ? "report:1" : "other"]))) }
            #expect(log.hasInvalidated(shown, since: fetch))
            #expect(!log.hasInvalidated(TagSet(["report:2"]), since: fetch))
        }
    }

    @Test("a purge of everything concerns every fetch, also one whose answer has no tags")
    func everything() {
        let fetch = log.begin()
        log.record(.everything)
        #expect(log.hasInvalidated(TagSet([]), since: fetch))
        #expect(!log.hasInvalidated(TagSet([]), since: log.begin()))
    }

    @Test("writes are remembered as long as a fetch is under way that began before them")
    func forgetting() {
        record("report:0")
        #expect(log.remembered == 0, "nobody needs it")
        let first = log.begin()
        let twin = log.begin()
        record("report:1")
        let second = log.begin()
        record("report:2")
        #expect(log.remembered == 2)
        log.end(twin)
        #expect(log.remembered == 2, "another of the same time still runs")
        #expect(log.hasInvalidated(shown, since: first))
        log.end(first)
        #expect(log.remembered == 1)
        #expect(log.hasInvalidated(TagSet(["report:2"]), since: second))
        #expect(!log.hasInvalidated(shown, since: second))
        log.end(second)
        #expect(log.remembered == 0)
    }

    @Test("the younger fetch that ends first does not take the memory of the older")
    func youngerEndsFirst() {
        let older = log.begin()
        record("report:1")
        let younger = log.begin()
        log.end(younger)
        #expect(log.hasInvalidated(shown, since: older))
    }

    @Test("more writes than it holds are summed up, for fetches that began before the summing only")
    func overflow() {
        let old = log.begin()
        for _ in 0..<InvalidationLog.capacity { record("other") }
        #expect(!log.hasInvalidated(shown, since: old), "as many as it holds are told apart")
        let middle = log.begin()
        record("other")
        #expect(log.remembered <= InvalidationLog.capacity)
        #expect(log.hasInvalidated(shown, since: old))
        #expect(log.hasInvalidated(shown, since: middle))
        let young = log.begin()
        #expect(!log.hasInvalidated(shown, since: young))
        record("other")
        #expect(!log.hasInvalidated(shown, since: young), "and what follows is told apart again")
        record("report:1")
        #expect(log.hasInvalidated(shown, since: young))
        #expect(log.hasInvalidated(shown, since: old))
    }

    @Test("it never holds more than its capacity, whatever runs")
    func bounded() {
        _ = log.begin()
        for index in 0..<(3 * InvalidationLog.capacity) {
            record("report:\(index)")
            if index.isMultiple(of: 100) { _ = log.begin() }
            #expect(log.remembered <= InvalidationLog.capacity)
        }
    }

    /// A plain account of the same: every write and every fetch, nothing forgotten.
    @Test("against a log that forgets nothing it never misses a write, and is over-careful only past its capacity")
    func random() {
        var random = SeededGenerator(seed: 4)
        var written: [Int] = []
        var running: [(epoch: InvalidationLog.Epoch, since: Int)] = []
        for _ in 0..<4000 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0: running.append((log.begin(), written.count))
            case 1:
                guard let index = running.indices.randomElement(using: &random) else { continue }
                log.end(running.remove(at: index).epoch)
            default:
                let tag = Int.random(in: 0..<40, using: &random)
                log.record(.tagged(TagSet(["report:\(tag)"])))
                written.append(tag)
            }
            guard let fetch = running.randomElement(using: &random) else { continue }
            let tag = Int.random(in: 0..<40, using: &random)
            let missed = written[fetch.since...]
            let told = log.hasInvalidated(TagSet(["report:\(tag)"]), since: fetch.epoch)
            #expect(told || !missed.contains(tag))
            #expect(!told || missed.contains(tag) || missed.count > InvalidationLog.capacity)
        }
        for fetch in running { log.end(fetch.epoch) }
        #expect(log.remembered == 0)
    }
}

@Suite("Deleted objects")
struct DeletedObjectsTests {
    private let deleted = DeletedObjects()
    private let memory = Int(DeletedObjects.memory.components.seconds)

    private func contains(_ tags: String..., at seconds: Int) -> Bool {
        deleted.containsAny(of: TagSet(tags), now: StoreFixture.at(seconds))
    }

    private func add(_ tags: String..., at seconds: Int) { deleted.add(TagSet(tags), now: StoreFixture.at(seconds)) }

    @Test("a page that shows one of them is recognised until the memory ends")
    func expiry() {
        #expect(!contains("report:1", at: 0))
        add("report:1", "report:2", at: 0)
        #expect(contains("report:9", "report:2", at: 0))
        #expect(!contains("report:9", at: 0))
        #expect(!deleted.containsAny(of: TagSet([]), now: StoreFixture.start))
        #expect(contains("report:1", at: memory - 1))
        #expect(!contains("report:1", at: memory))
    }

    @Test("one that is deleted again is remembered from then on")
    func again() {
        add("report:1", at: 0)
        add("report:1", at: 100)
        add("report:2", at: memory + 50)
        #expect(contains("report:1", at: memory + 60), "the first entry's end does not take the second with it")
        #expect(!contains("report:1", at: memory + 100))
    }

    @Test("when it can hold no more, any object may be one of the forgotten, until those would be forgotten anyway")
    func capacity() {
        add("report:first", at: 0)
        deleted.add(TagSet((1..<DeletedObjects.capacity).map { "report:\($0)" }), now: StoreFixture.at(1))
        #expect(contains("report:first", at: 2) && !contains("report:other", at: 2))
        add("report:last", at: 2)
        #expect(contains("report:first", at: 2) && contains("report:other", at: 2))
        #expect(contains("report:1", at: 2) && contains("report:last", at: 2))
        #expect(!contains("report:other", at: memory + 1), "the forgotten one's time is over")
    }
}
