// One part of the cache, as a value: entries, lists, eviction. Its owner holds the lock.
//
// What stays true:
//  1. used <= capacity after every call, where used counts entries with their keys, lists, Vary rules and the buffers
//     reserved for answers being fetched.
//  2. Every node in `nodes` has an answer; a removed node has none.

import HTTPTypes

struct Shard {
    typealias Instant = ContinuousClock.Instant

    private(set) var nodes: [CacheKey: CacheNode] = [:]
    private var queues = EvictionQueues()
    private var lists: ListBook
    private var kept = KeptPages()
    /// The fields that an answer depends on beyond those of every key, by primary key.
    private var vary: [CacheKey: VaryRule] = [:]
    private var varyBytes = 0
    private var entryBytes = 0
    private var reserved = 0
    private(set) var capacity: Int
    /// Entries pushed out so far.
    private(set) var evictions = 0

    private struct VaryRule {
        let names: [HTTPField.Name]
        /// Of the fetch whose answer said so.
        let number: UInt64
    }

    /// Whether a later fetch has found the answer to depend on other fields.
    func varyIsSuperseded(_ names: [HTTPField.Name], for key: CacheKey, number: UInt64) -> Bool {
        vary[key].map { $0.number > number && $0.names != names } ?? false
    }

    private static let maxVaryRules = 256
    private static let bookkeepingShare = 8
    private static let keptShare = 4

    /// - Parameter generations: lists' are counted from there.
    init(capacity: Int, countingFrom generations: ListBook.Generation = 0) {
        self.capacity = capacity
        lists = ListBook(countingFrom: generations)
    }

    /// Bytes held.
    var used: Int { entryBytes + reserved + lists.cost + varyBytes + kept.cost }

    // MARK: Reading

    /// The key under which this request's variant is stored.
    func variant(of key: CacheKey, request: HTTPFields) -> CacheKey {
        guard !vary.isEmpty, let rule = vary[key] else { return key }
        return key.variant(Vary.key(rule.names, of: request))
    }

    func variesBeyondKey(_ key: CacheKey) -> Bool { !vary.isEmpty && vary[key] != nil }

    /// The stored answer, unless its list has changed since, and until when it is fresh at most because of its list.
    func find(_ key: CacheKey) -> (answer: CachedAnswer, bound: Instant?)? {
        guard let node = nodes[key], let answer = node.answer else { return nil }
        var bound: Instant?
        if let page = answer.page {
            switch lists.standing(page, generation: node.generation, completed: node.completed) {
            case .none: return nil
            case .good: break
            case .until(let instant): bound = instant
            }
        }
        if node.uses < 3 { node.uses += 1 }
        return (answer, bound)
    }

    /// The page that walks are cut out of, for a walker of the picture `generation`, or, where that is over, of the present one.
    /// Its own life counts, whatever the first page's is, as long as the picture is the walker's.
    func walkPage(_ key: CacheKey, of generation: ListBook.Generation, now: Instant) -> CacheStore.WalkPage? {
        let node = nodes[key]
        if let page = node?.answer?.page, let isPresent = lists.isPresent(generation, of: page.list, now: now),
            let node, let answer = node.answer, node.generation == generation
        {
            if node.uses < 3 { node.uses += 1 }
            let ttl = answer.timeToLive(at: now)
            return CacheStore.WalkPage(answer: answer, generation: generation, ttl: ttl, isReplaced: !isPresent)
        }
        if let answer = kept.find(key, generation, now: now) {
            return CacheStore.WalkPage(
                answer: answer, generation: generation, ttl: answer.timeToLive(at: now), isReplaced: true)
        }
        guard let node, let (answer, bound) = find(key) else { return nil }
        let ttl = min(answer.timeToLive(at: now), bound.map { now.duration(to: $0) } ?? .seconds(Int64.max / 4))
        return CacheStore.WalkPage(answer: answer, generation: node.generation, ttl: ttl, isReplaced: false)
    }

    func showing(_ objects: TagSet) -> [CachedAnswer] {
        nodes.values.compactMap { node in node.answer.flatMap { $0.objects.intersects(objects) ? $0 : nil } }
    }

    func generation(of page: ListPage?) -> ListBook.Generation { page.map { lists.generation(of: $0.list) } ?? 0 }

    /// See `ListBook.takeWantOfFirst`.
    mutating func takeWantOfFirst(for page: ListPage, now: Instant) -> Bool {
        lists.takeWantOfFirst(for: page, now: now)
    }

    /// The newest generation of all lists here.
    var latestGeneration: ListBook.Generation { lists.latest }

    // MARK: Storing

    /// Keeps an answer, unless a later fetch has brought one. `began` is the newest generation when its fetch was begun,
    /// `number` tells fetches apart, `completed` is the last fetch begun by now. Says why not, if not.
    mutating func store(
        _ answer: CachedAnswer, under key: CacheKey, began: ListBook.Generation, number: UInt64, completed: UInt64,
        now: Instant? = nil
    ) -> CacheReason? {
        if let node = nodes[key], node.number > number { return .superseded }
        var generation: ListBook.Generation = 0
        if let page = answer.page {
            let present = lists.generation(of: page.list)
            let previous = nodes[key].flatMap { $0.generation == present ? $0.answer?.digest : nil }
            let fetched = ListBook.Fetched(
                page: page, digest: answer.digest, previous: previous, began: began, number: number,
                freshUntil: answer.freshUntil, now: now)
            guard let current = lists.fetched(fetched) else { return .listChanged }
            guard lists.mayKeep(page) else {
                remove(key)
                makeRoom()
                return .noFirstPage
            }
            generation = current
            if let now, page.isForWalks, let node = nodes[key], let old = node.answer, node.generation != generation,
                lists.isPresent(node.generation, of: page.list, now: now) != nil
            {
                let mostBytes = capacity / Self.keptShare
                kept.keep(old, key, node.generation, now: now, mostBytes: mostBytes)
            }
        }
        put(answer, under: key, generation: generation, number: number, completed: completed)
        return nodes[key] == nil ? .noRoom : nil
    }

    /// Keeps an answer that was made of `sources`, which must still be here as they were then; else it may be untrue by now.
    mutating func store(
        _ answer: CachedAnswer, under key: CacheKey, madeOf sources: [(key: CacheKey, answer: CachedAnswer)],
        generation: ListBook.Generation
    ) {
        for source in sources where nodes[source.key]?.answer !== source.answer { return }
        guard let first = sources.first, let node = nodes[first.key], node.generation == generation else { return }
        put(answer, under: key, generation: generation, number: node.number, completed: node.completed)
    }

    private mutating func put(
        _ answer: CachedAnswer, under key: CacheKey, generation: ListBook.Generation, number: UInt64, completed: UInt64
    ) {
        if let node = nodes[key], let old = node.answer {
            let change = answer.cost - old.cost
            queues.resized(node, by: change)
            node.answer = answer
            node.generation = generation
            (node.number, node.completed) = (number, completed)
            entryBytes += change
        } else {
            let node = CacheNode(key: key, answer: answer)
            node.generation = generation
            (node.number, node.completed) = (number, completed)
            nodes[key] = node
            queues.insert(node)
            entryBytes += node.cost
        }
        makeRoom()
    }

    /// The answer is as good as new (304): the same body with fresh fields. False if it is gone or was replaced.
    mutating func refresh(
        _ old: CachedAnswer, with new: CachedAnswer, under key: CacheKey, number: UInt64, completed: UInt64
    ) -> Bool {
        guard let node = nodes[key], node.answer === old, node.number < number else { return false }
        (node.number, node.completed) = (number, completed)
        if let page = new.page {
            lists.confirmed(page, digest: new.digest, number: number, freshUntil: new.freshUntil)
        }
        queues.resized(node, by: new.cost - old.cost)
        entryBytes += new.cost - old.cost
        node.answer = new
        makeRoom()
        return true
    }

    /// Notes what the answers of a primary key depend on.
    mutating func setVary(_ names: [HTTPField.Name], for key: CacheKey, number: UInt64) {
        if names.isEmpty, vary.isEmpty { return }
        if vary[key] == nil {
            if names.isEmpty { return }
            if vary.count >= Self.maxVaryRules {
                forgetVary()
            }
            varyBytes += key.byteCount + 256
        }
        vary[key] = VaryRule(names: names, number: number)
        makeRoom()
    }

    // MARK: Memory

    /// Takes bytes for a body that is being fetched; false when more than half of the shard would be taken so.
    mutating func reserve(_ bytes: Int) -> Bool {
        guard reserved + bytes <= capacity / 2 else { return false }
        reserved += bytes
        makeRoom()
        return true
    }

    mutating func release(_ bytes: Int) {
        precondition(reserved >= bytes, "more bytes came back than were reserved")
        reserved -= bytes
    }

    /// From now on it holds so many bytes; what has no room any more goes.
    mutating func change(capacity: Int) {
        self.capacity = capacity
        makeRoom()
    }

    private mutating func makeRoom() {
        // Bookkeeping must not squeeze the pages out that it is for.
        if lists.cost > capacity / Self.bookkeepingShare { lists.removeAll() }
        if varyBytes > capacity / Self.bookkeepingShare { forgetVary() }
        while used > capacity {
            if kept.dropFirst() { continue }
            guard let node = queues.evict(capacity: capacity) else {
                // Only bookkeeping is left.
                lists.removeAll()
                forgetVary()
                return
            }
            entryBytes -= node.cost
            node.answer = nil
            nodes[node.key] = nil
            evictions += 1
        }
    }

    // MARK: Removing

    /// Drops what an invalidation concerns; says how many.
    ///
    /// - Parameter onlyItems: pages of lists stay.
    mutating func purge(_ invalidation: CacheInvalidation, onlyItems: Bool = false) -> Int {
        let concerned = nodes.values.filter { node in
            guard let answer = node.answer else { return true }
            return !(onlyItems && answer.page != nil) && invalidation.concerns(answer.tags)
        }
        concerned.forEach { remove($0) }
        if !onlyItems { kept.purge(invalidation) }
        if case .everything = invalidation { forgetVary() }
        return concerned.count
    }

    /// Drops what is too stale to be given to anybody for any reason; says how many.
    mutating func sweep(now: Instant, limits: CacheLimits) -> Int {
        let useless = nodes.values.filter { node in
            guard let answer = node.answer else { return true }
            return answer.timeToLive(at: now) + max(limits.staleIfError, limits.staleWhileRevalidate) < .zero
        }
        useless.forEach { remove($0) }
        kept.sweep(now: now)
        return useless.count
    }

    private mutating func forgetVary() {
        vary.removeAll()
        varyBytes = 0
    }

    mutating func remove(_ key: CacheKey) {
        if let node = nodes[key] { remove(node) }
    }

    private mutating func remove(_ node: CacheNode) {
        queues.remove(node)
        entryBytes -= node.cost
        node.answer = nil
        nodes[node.key] = nil
    }
}
