// The promise of `invalidate` on many threads: once it has returned, nothing that it concerns is found, and nothing that
// it concerns and that was fetched since before it can be stored.

import Dispatch
import HTTPTypes
import Synchronization
import TestSupport
import Testing

@testable import Caching

/// One thing upstream: its version, and the version whose writing has been answered.
private final class Cell: Sendable {
    let upstream = Atomic<Int>(0)
    let answered = Atomic<Int>(0)
}

private final class Threads: Sendable {
    let store = StoreFixture.store(maxBytes: 2 << 20, maxEntryBytes: 1 << 14)
    let cells = (0..<4).map { _ in Cell() }
    /// In the shard that is purged first, so that the others take their time after it.
    private let keys: [CacheKey]
    private let pause: Int
    let isOver = Atomic<Bool>(false)
    let mistakes = Mutex<[String]>([])
    let found = Atomic<Int>(0)
    let kept = Atomic<Int>(0)
    let refreshed = Atomic<Int>(0)

    /// - Parameters:
    ///   - others: entries of no concern, so that a purge takes a while.
    ///   - pause: how long a fetch may take, in rounds of waiting.
    init(others: Int, pause: Int) {
        self.pause = pause
        let numbers = (0..<1000).filter { StoreFixture.key("/reports/\($0)").shardHint.isMultiple(of: 16) }
        keys = numbers.prefix(cells.count).map { StoreFixture.key("/reports/\($0)") }
        let first = numbers.first ?? 0
        for number in 0..<others {
            // Half of them beside the cells, half anywhere.
            let path = number.isMultiple(of: 2) ? "/reports/\(first)?page=" : "/others/"
            store.fetch(StoreFixture.answer(), under: StoreFixture.key(path + "\(number)"))
        }
    }

    private func key(_ cell: Int) -> CacheKey { keys[cell] }

    private func answer(_ cell: Int, version: Int) -> CachedAnswer {
        StoreFixture.answer("\(version)", tags: ["report:\(cell)"], objects: ["row:\(cell):\(version)"])
    }

    private func mistake(_ text: String) {
        mistakes.withLock { $0.append(text) }
        isOver.store(true, ordering: .relaxed)
    }

    /// Writes, and deletes with every write the row that was shown before it.
    func write(_ count: Int, seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<count where !isOver.load(ordering: .relaxed) {
            let number = Int.random(in: 0..<cells.count, using: &random)
            let version = cells[number].upstream.add(1, ordering: .sequentiallyConsistent).newValue
            store.invalidate(
                .tagged(TagSet(["report:\(number)"])), deleted: TagSet(["row:\(number):\(version - 1)"]),
                now: StoreFixture.start)
            cells[number].answered.store(version, ordering: .sequentiallyConsistent)
            check(number, answered: version)
            if store.statistics.bytes > 2 << 20 { mistake("too many bytes") }
            for _ in 0..<Int.random(in: 0...pause, using: &random) { _ = store.limits }
        }
        isOver.store(true, ordering: .relaxed)
    }

    private struct Fetch {
        let cell: Int
        let ticket: CacheStore.Ticket
        let version: Int
        /// Upstream still shows what was deleted, and told so, before it began.
        let showsDeleted: Bool
        let old: CachedAnswer?
        let hasRoom: Bool
    }

    /// Fetches of every length, several at a time, so that many are under way when something is written.
    func fetch(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        while !isOver.load(ordering: .relaxed) {
            let fetches = (0..<8).map { _ in begin(Int.random(in: 0..<cells.count, using: &random), &random) }
            for _ in 0..<Int.random(in: 0...pause, using: &random) { _ = store.limits }
            for fetch in fetches { land(fetch) }
        }
    }

    private func begin(_ cell: Int, _ random: inout SeededGenerator) -> Fetch {
        let answered = cells[cell].answered.load(ordering: .sequentiallyConsistent)
        let ticket = store.begin(key(cell))
        let upstream = cells[cell].upstream.load(ordering: .sequentiallyConsistent)
        let version = max(upstream - (random.next() % 4 == 0 ? 1 : 0), 0)
        return Fetch(
            cell: cell, ticket: ticket, version: version, showsDeleted: version < answered, old: stored(cell),
            hasRoom: store.reserve(500, for: key(cell)))
    }

    private func land(_ fetch: Fetch) {
        let key = key(fetch.cell)
        let new = answer(fetch.cell, version: fetch.version)
        let reason: CacheReason?
        if let old = fetch.old, old.digest == new.digest {
            reason = store.refresh(
                old, with: new, under: key, request: HTTPFields(), ticket: fetch.ticket, now: StoreFixture.start)
            if reason == nil { refreshed.add(1, ordering: .relaxed) }
        } else {
            reason = store.store(
                new, under: key, vary: [], request: HTTPFields(), ticket: fetch.ticket, now: StoreFixture.start)
            if reason == nil { kept.add(1, ordering: .relaxed) }
        }
        if fetch.showsDeleted, reason == nil { mistake("kept although it shows a deleted row") }
        if fetch.hasRoom { store.release(500, for: key) }
        store.end(fetch.ticket)
    }

    /// Writes that concern nothing here: they hold the locks.
    func writeElsewhere() {
        while !isOver.load(ordering: .relaxed) {
            store.invalidate(.tagged(TagSet(["itwin:other"])), now: StoreFixture.start)
            for _ in 0..<1000 { _ = store.limits }
        }
    }

    func read(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        while !isOver.load(ordering: .relaxed) {
            for _ in 0..<50 {
                let cell = Int.random(in: 0..<cells.count, using: &random)
                check(cell, answered: cells[cell].answered.load(ordering: .sequentiallyConsistent))
            }
        }
    }

    /// What is found now is not older than what had been answered.
    private func check(_ cell: Int, answered: Int) {
        guard let answer = stored(cell) else { return }
        found.add(1, ordering: .relaxed)
        if let version = Int(answer.digest), version >= answered { return }
        mistake("version \(answer.digest) is found after \(answered) was answered")
    }

    private func stored(_ number: Int) -> CachedAnswer? {
        guard case .fresh(let answer, _) = store.find(key(number), request: HTTPFields(), now: StoreFixture.start)
        else {
            return nil
        }
        return answer
    }
}

@Suite("The store on many threads", .timeLimit(.minutes(8)))
struct StoreThreadsTests {
    @Test(
        "once a write was answered no older version is found or kept, whatever else goes on",
        arguments: [(others: 600, pause: 2000, writes: 1000), (others: 0, pause: 20, writes: 8000)])
    func promise(others: Int, pause: Int, writes: Int) async {
        let threads = Threads(others: others, pause: pause)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await onThread { threads.write(writes, seed: 1) } }
            group.addTask { await onThread { threads.writeElsewhere() } }
            for seed in 2...4 { group.addTask { await onThread { threads.fetch(seed: UInt64(seed)) } } }
            group.addTask { await onThread { threads.read(seed: 5) } }
        }
        #expect(threads.mistakes.withLock { $0 }.isEmpty)
        // Otherwise nothing was shown.
        #expect(threads.found.load(ordering: .relaxed) > 0)
        #expect(threads.kept.load(ordering: .relaxed) > 0)
        #expect(threads.refreshed.load(ordering: .relaxed) > 0)
        threads.store.invalidate(.everything, now: StoreFixture.start)
        #expect(threads.store.statistics.bytes == 0 && threads.store.statistics.entries == 0)
    }
}

/// Runs on a thread of its own: the tasks' threads are too few to be interrupted at the worst moment.
private func onThread(_ work: @escaping @Sendable () -> Void) async {
    await withCheckedContinuation { continuation in
        DispatchQueue(label: "store test").async {
            work()
            continuation.resume()
        }
    }
}
