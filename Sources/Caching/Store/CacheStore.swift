// The stored answers: bounded by the bytes they hold, sharded so that event loops do not wait for each other.
//
// Its one promise that matters most: once `invalidate` has returned, nothing that it concerns is found any more, and
// nothing that it concerns and whose fetch was begun before can be stored any more. The order that makes this true is
// told in `InvalidationLog`.

import HTTPTypes
import Synchronization

/// Where stored answers are kept. Usable from every thread; never blocks for longer than a table lookup, but for purges.
package final class CacheStore: Sendable {
    /// Monotonic time.
    package typealias Instant = ContinuousClock.Instant

    /// What there is for a request.
    package enum Found: Sendable {
        /// Fresh for so much longer, which the first page of its list may limit.
        case fresh(CachedAnswer, ttl: Duration)
        /// Expired this long ago.
        case expired(CachedAnswer, staleness: Duration)
        case nothing(CacheStatus.Forward)
    }

    /// One look at the store, to be carried along instead of looking again.
    package struct Lookup: Sendable {
        /// What was found.
        package let found: Found
        /// The key that tells the variants of an answer apart, as far as they were known.
        package let variant: CacheKey
        /// Nothing is shown, because this process does not hear what others do.
        package var isCutOff = false
    }

    /// The right to store one fetch's answer; to be given back by `end`.
    package struct Ticket: Sendable {
        let epoch: InvalidationLog.Epoch
        let generation: ListBook.Generation
        /// Counts fetches: a later one has the greater number.
        let number: UInt64
        /// Of all processes that show the same pages.
        let moment: SharedMoment?
    }

    /// A page that walks are cut out of.
    package struct WalkPage: Sendable {
        /// The page.
        package let answer: CachedAnswer
        /// Of its picture.
        package let generation: UInt64
        /// How long it stays fresh; negative when it has expired.
        package let ttl: Duration
        /// Whether a newer picture has come, beside which this one is kept for its walkers.
        package let isReplaced: Bool

        /// A page. See the properties.
        package init(answer: CachedAnswer, generation: UInt64, ttl: Duration, isReplaced: Bool) {
            (self.answer, self.generation, self.ttl, self.isReplaced) = (answer, generation, ttl, isReplaced)
        }
    }

    /// What it holds.
    package struct Statistics: Sendable, Equatable {
        /// Stored answers.
        package var entries = 0
        /// Bytes held, keys, bookkeeping and the buffers of running fetches included.
        package var bytes = 0
        /// Answers pushed out for want of room so far.
        package var evictions = 0
        /// Answers dropped by invalidations and purges so far.
        package var purged = 0
    }

    private let shards: [LockedShard]
    private let shared: (any SharedFreshness)?
    private let log = InvalidationLog()
    private let deleted = DeletedObjects()
    private let vanished = DeletedObjects()
    private let fetches = Atomic<UInt64>(0)
    private let lastSweep: Mutex<Instant?> = Mutex(nil)
    private let purged = Atomic<Int>(0)
    private let limitsInForce: Mutex<CacheLimits>
    private static let sweepInterval = Duration.seconds(60)

    /// Bytes of the largest body that is stored, with regard to the size of the shards.
    package var maxBodyBytes: Int {
        let limits = limits
        return min(limits.maxEntryBytes, limits.maxBytes / shards.count / 4)
    }

    /// An empty cache. Into how many shards it is divided is settled here; every limit can be changed later.
    ///
    /// - Parameters:
    ///   - generations: tools get to see the generations of lists, which are counted from there: another process should count
    ///     others.
    ///   - shared: other processes that show the same pages; nil: there are none.
    package init(
        limits: CacheLimits, countingFrom generations: UInt64 = 0, shared: (any SharedFreshness)? = nil
    ) {
        self.shared = shared
        // A shard is to hold a few of the largest entries, lest one of them empties it.
        let count = min(max(limits.maxBytes / max(4 * limits.maxEntryBytes, 1), 1), 16)
        let capacity = limits.maxBytes / count
        shards = (0..<count).map { _ in LockedShard(capacity: capacity, countingFrom: generations) }
        limitsInForce = Mutex(limits)
    }

    /// The limits in force. Of a cache that is made smaller, what has no room any more is gone when the setter returns.
    package var limits: CacheLimits {
        get { limitsInForce.withLock { $0 } }
        set {
            let isResized = limitsInForce.withLock { limits in
                defer { limits = newValue }
                return limits.maxBytes != newValue.maxBytes
            }
            guard isResized else { return }
            let capacity = newValue.maxBytes / shards.count
            for shard in shards { shard.withLock { $0.change(capacity: capacity) } }
        }
    }

    // MARK: Reading

    /// What is stored for a request. `request` is looked at where upstream's answers vary by more than the key.
    package func find(_ key: CacheKey, request: HTTPFields, now: Instant) -> Found {
        lookUp(key, request: request, now: now).found
    }

    /// The same, with the key that tells the variants of the answer apart.
    package func lookUp(_ key: CacheKey, request: HTTPFields, now: Instant) -> Lookup {
        let isCutOff = shared?.mayShow == false
        return shard(key).withLock { shard in
            let variant = shard.variant(of: key, request: request)
            if isCutOff { return Lookup(found: .nothing(.uriMiss), variant: variant, isCutOff: true) }
            guard let (answer, bound) = shard.find(variant), isCurrent(answer, variant, &shard) else {
                return Lookup(found: .nothing(shard.variesBeyondKey(key) ? .varyMiss : .uriMiss), variant: variant)
            }
            var ttl = answer.timeToLive(at: now)
            if let bound { ttl = min(ttl, now.duration(to: bound)) }
            return Lookup(
                found: ttl > .zero ? .fresh(answer, ttl: ttl) : .expired(answer, staleness: .zero - ttl),
                variant: variant)
        }
    }

    /// Whether no other process has made it untrue; what one has goes.
    private func isCurrent(_ answer: CachedAnswer, _ variant: CacheKey, _ shard: inout Shard) -> Bool {
        guard let shared, !answer.isCurrent(shared) else { return true }
        shard.remove(variant)
        return false
    }

    /// The key that tells the variants of an answer apart, as far as they are known.
    package func variant(of key: CacheKey, request: HTTPFields) -> CacheKey {
        shard(key).withLock { $0.variant(of: key, request: request) }
    }

    /// Stored answers that show one of these objects, fresh or not; the newest first. Looks at every entry.
    package func showing(_ objects: TagSet) -> [CachedAnswer] {
        shards.flatMap { shard in shard.withLock { $0.showing(objects) } }
            .sorted { $0.receivedAt > $1.receivedAt }
    }

    /// The page that pages of a walk are cut out of.
    ///
    /// - Parameter generation: of the picture that the walk goes on with; 0: of the present one.
    package func walkPage(_ key: CacheKey, of generation: UInt64, now: Instant) -> WalkPage? {
        if shared?.mayShow == false { return nil }
        return shard(key).withLock { $0.walkPage(key, of: generation, now: now) }.flatMap { page in
            shared.map { page.answer.isCurrent($0) } ?? true ? page : nil
        }
    }

    // MARK: Storing

    /// A fetch begins: what is invalidated from now on cannot be stored by it.
    package func begin(_ key: CacheKey) -> Ticket {
        // The epoch first: what changes between the two is then refused, not missed.
        let epoch = log.begin()
        let moment = shared?.moment()
        let number = fetches.wrappingAdd(1, ordering: .relaxed).newValue
        return Ticket(
            epoch: epoch, generation: shard(key).withLock { $0.latestGeneration }, number: number, moment: moment)
    }

    /// The fetch has ended. To be called once for every ticket.
    package func end(_ ticket: Ticket) { log.end(ticket.epoch) }

    /// Keeps an answer, or says why not.
    ///
    /// - Parameters:
    ///   - vary: what the answer depends on beyond the key.
    ///   - request: the fields that upstream was asked with.
    package func store(
        _ answer: CachedAnswer, under key: CacheKey, vary: [HTTPField.Name], request: HTTPFields, ticket: Ticket,
        now: Instant
    ) -> CacheReason? {
        shard(key).withLock { shard in
            if showsDeleted(answer, now: now) { return .deletedID }
            if log.hasInvalidated(answer.tags, since: ticket.epoch) || !stamp(answer, ticket) { return .invalidated }
            if shard.varyIsSuperseded(vary, for: key, number: ticket.number) { return .superseded }
            // By what this answer says it depends on, not by what is noted: that may be an older answer's word.
            let variant = vary.isEmpty ? key : key.variant(Vary.key(vary, of: request))
            let reason = shard.store(
                answer, under: variant, began: ticket.generation, number: ticket.number, completed: begun, now: now)
            if reason == nil { shard.setVary(vary, for: key, number: ticket.number) }
            return reason
        }
    }

    /// Keeps an answer that was made of stored ones, if those are still here and in the picture `generation`. What drops one of
    /// them drops it as well: its tags are to be theirs.
    package func store(
        _ answer: CachedAnswer, under key: CacheKey, madeOf sources: [(key: CacheKey, answer: CachedAnswer)],
        generation: UInt64
    ) {
        if let shared {
            // Before the sources are looked at: what changes between the two is then refused, not missed.
            let moment = shared.moment()
            guard sources.allSatisfy({ $0.answer.isCurrent(shared) }),
                let stamp = shared.stamp(of: answer.tags.hashes, since: moment)
            else { return }
            answer.begin(with: stamp)
        }
        shard(key).withLock { $0.store(answer, under: key, madeOf: sources, generation: generation) }
    }

    /// Puts the refreshed form of a stored answer in its place (304). Says why not, if not.
    package func refresh(
        _ old: CachedAnswer, with new: CachedAnswer, under key: CacheKey, request: HTTPFields, ticket: Ticket,
        now: Instant
    ) -> CacheReason? {
        shard(key).withLock { shard in
            if showsDeleted(new, now: now) { return .deletedID }
            if log.hasInvalidated(new.tags, since: ticket.epoch) || !stamp(new, ticket) { return .invalidated }
            if shard.generation(of: new.page) > ticket.generation { return .listChanged }
            let variant = shard.variant(of: key, request: request)
            let isDone = shard.refresh(old, with: new, under: variant, number: ticket.number, completed: begun)
            return isDone ? nil : .superseded
        }
    }

    /// False: another process has made it untrue since its fetch began.
    private func stamp(_ answer: CachedAnswer, _ ticket: Ticket) -> Bool {
        guard let shared, let moment = ticket.moment else { return true }
        guard let stamp = shared.stamp(of: answer.tags.hashes, since: moment) else { return false }
        answer.begin(with: stamp)
        return true
    }

    /// The number of the last fetch that has been begun.
    private var begun: UInt64 { fetches.load(ordering: .relaxed) }

    private func showsDeleted(_ answer: CachedAnswer, now: Instant) -> Bool {
        deleted.containsAny(of: answer.objects, now: now) || vanished.containsAny(of: answer.tags, now: now)
    }

    /// Whether the first page of a later one's list is to be fetched anew, so that both show one picture. Told once for
    /// each change of the list that a later page has shown.
    package func takeWantOfFirst(for page: ListPage, now: Instant) -> Bool {
        shard(page.list).withLock { $0.takeWantOfFirst(for: page, now: now) }
    }

    /// What is stored under the key goes: upstream says that there is no such thing (any more), or forbids keeping it.
    ///
    /// - Parameter only: if given, only this answer goes, not one that has come since.
    package func remove(_ key: CacheKey, request: HTTPFields, only: CachedAnswer? = nil) {
        shard(key).withLock { shard in
            let variant = shard.variant(of: key, request: request)
            if let only, shard.nodes[variant]?.answer !== only { return }
            shard.remove(variant)
        }
    }

    /// Takes room for a body that is being fetched; false when there is none to spare.
    package func reserve(_ bytes: Int, for key: CacheKey) -> Bool {
        shard(key).withLock { $0.reserve(bytes) }
    }

    /// Gives room back.
    package func release(_ bytes: Int, for key: CacheKey) {
        shard(key).withLock { $0.release(bytes) }
    }

    // MARK: Removing

    /// A write was answered, or may have been done: drops what it concerns. Returns how many entries that were.
    ///
    /// - Parameters:
    ///   - objects: what it deleted, as far as that is known: pages that still show them are not kept.
    ///   - ids: tags that no page at all should have any more, for the same reason.
    @discardableResult
    package func invalidate(
        _ invalidation: CacheInvalidation, deleted objects: TagSet = TagSet([]), vanished ids: TagSet = TagSet([]),
        now: Instant
    ) -> Int {
        log.record(invalidation)
        deleted.add(objects, now: now)
        vanished.add(ids, now: now)
        let count = shards.reduce(0) { sum, shard in sum + shard.withLock { $0.purge(invalidation) } }
        purged.add(count, ordering: .relaxed)
        return count
    }

    /// An answer that is about to be stored shows that single objects with these tags are not any more as they are stored: drops
    /// them. Nil if the answer itself may be untrue by now; else a ticket to store it with, to be given back like others.
    package func overtake(_ objects: TagSet, by answer: TagSet, _ ticket: Ticket) -> Ticket? {
        guard let epoch = log.record(.tagged(objects), by: answer, since: ticket.epoch) else { return nil }
        let count = shards.reduce(0) { sum, shard in
            sum + shard.withLock { $0.purge(.tagged(objects), onlyItems: true) }
        }
        purged.add(count, ordering: .relaxed)
        return Ticket(epoch: epoch, generation: ticket.generation, number: ticket.number, moment: ticket.moment)
    }

    /// Drops what is too old to be given to anybody for any reason, unless that was done within the last minute: what
    /// nobody may see any more is not to be held either.
    @discardableResult
    package func sweep(now: Instant) -> Int {
        let isDue = lastSweep.withLock { last in
            if let last, now < last + Self.sweepInterval { return false }
            last = now
            return true
        }
        guard isDue else { return 0 }
        let limits = limits
        return shards.reduce(0) { sum, shard in sum + shard.withLock { $0.sweep(now: now, limits: limits) } }
    }

    /// What it holds now.
    package var statistics: Statistics {
        shards.reduce(into: Statistics(purged: purged.load(ordering: .relaxed))) { sum, shard in
            shard.withLock {
                sum.entries += $0.nodes.count
                sum.bytes += $0.used
                sum.evictions += $0.evictions
            }
        }
    }

    /// All pages of a list live in one shard, with the list's generation.
    private func shard(_ key: CacheKey) -> LockedShard {
        shards.count > 1 ? shards[Int(truncatingIfNeeded: key.shardHint % UInt64(shards.count))] : shards[0]
    }
}

/// A shard and its lock.
private final class LockedShard: Sendable {
    private let shard: Mutex<Shard>

    init(capacity: Int, countingFrom generations: ListBook.Generation) {
        shard = Mutex(Shard(capacity: capacity, countingFrom: generations))
    }

    func withLock<Result: Sendable>(_ body: (inout Shard) -> Result) -> Result { shard.withLock { body(&$0) } }
}
