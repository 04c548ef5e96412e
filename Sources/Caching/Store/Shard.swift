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
    private var lists = ListBook()
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

    init(capacity: Int) { self.capacity = capacity }

    /// Bytes held.
    var used: Int { entryBytes + reserved + lists.cost + varyBytes }

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
        _ answer: CachedAnswer, under key: CacheKey, began: ListBook.Generation, number: UInt64, completed: UInt64
    ) -> CacheReason? {
        if let node = nodes[key], node.number > number { return .superseded }
        var generation: ListBook.Generation = 0
        if let page = answer.page {
            let present = lists.generation(of: page.list)
            let previous = nodes[key].flatMap { $0.generation == present ? $0.answer?.digest : nil }
            let fetched = ListBook.Fetched(
                page: page, digest: answer.digest, previous: previous, began: began, number: number,
                freshUntil: answer.freshUntil)
            guard let now = lists.fetched(fetched) else { return .listChanged }
            guard lists.mayKeep(page) else {
                remove(key)
                makeRoom()
                return .noFirstPage
            }
            generation = now
        }
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
        return nodes[key] == nil ? .noRoom : nil
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
    mutating func purge(_ invalidation: CacheInvalidation) -> Int {
        let concerned = nodes.values.filter { $0.answer.map { invalidation.concerns($0.tags) } ?? true }
        concerned.forEach { remove($0) }
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
