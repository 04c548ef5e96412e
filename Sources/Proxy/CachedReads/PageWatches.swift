// The pages that tools wait for: one timer and one look at a time for each, whoever and however many wait.

import Caching
import Ground
import Synchronization

/// What a look at a page has brought.
enum PageLook: Sendable {
    /// The page, and when it is to be looked at again at the latest.
    case page(CachedAnswer, again: Duration)
    /// There is no such page any more, as upstream says.
    case gone(CachedAnswer)
    /// Nobody knows.
    case trouble
}

/// How a wait ends.
enum PageWaitEnd: Sendable {
    /// With an answer that is another than the tool has.
    case changed(CachedAnswer)
    /// The tool has the page as it is; nil: nobody could tell, and the read is to go its usual way.
    case unchanged(CachedAnswer?)
}

/// A tool that waits.
struct PageWaiter: Sendable {
    let deadline: ContinuousClock.Instant
    /// Whether it has these bytes already.
    let has: @Sendable (CachedAnswer) -> Bool
    /// Begins a look for it and all others; what it is given is to be called once, on any thread.
    let look: @Sendable (@escaping @Sendable (PageLook) -> Void) -> Void
    /// Called once, on any thread, unless it leaves before.
    let end: @Sendable (PageWaitEnd) -> Void
}

/// All pages that are waited for. Usable from every thread.
final class PageWatches: Sendable {
    /// Stands for one wait.
    struct Ticket: Sendable {
        fileprivate let key: CacheKey
        fileprivate let id: WatchState.ID
    }

    private struct State {
        var pages: [CacheKey: PageWatch] = [:]
        var last: WatchState.ID = 0
        var isDraining = false
    }

    private let state = Mutex(State())
    private let time: Time

    init(time: Time) { self.time = time }

    /// How many wait.
    var count: Int { state.withLock { Array($0.pages.values) }.reduce(0) { $0 + $1.count } }

    /// A tool begins to wait; nil: the process ends, and nobody waits any more.
    ///
    /// - Parameters:
    ///   - fresh: the page, as it was found, and for how long that will do; nil: it has to be looked at.
    func join(_ waiter: PageWaiter, _ key: CacheKey, fresh: (answer: CachedAnswer, lasts: Duration)?) -> Ticket? {
        let now = time.now()
        return state.withLock { state in
            if state.isDraining { return nil }
            state.last += 1
            let id = state.last
            let look = fresh.map { now + $0.lasts } ?? now
            let page =
                state.pages[key]
                ?? PageWatch(isVerified: fresh != nil, nextLook: look, time: time) { [weak self] in
                    self?.tidy(key)
                }
            state.pages[key] = page
            page.join(waiter, id, look: look, fresh: fresh?.answer)
            return Ticket(key: key, id: id)
        }
    }

    /// A tool waits no more.
    func leave(_ ticket: Ticket) {
        state.withLock { $0.pages[ticket.key] }?.leave(ticket.id)
        tidy(ticket.key)
    }

    /// Something was written, or dropped: who waits is to see it.
    func poke() {
        let pages = state.withLock { state in state.pages.isEmpty ? [] : Array(state.pages.values) }
        for page in pages { page.poke() }
    }

    /// The process ends: everybody is answered, and nobody waits any more.
    func drain() {
        let pages = state.withLock { state in
            state.isDraining = true
            return Array(state.pages.values)
        }
        for page in pages { page.endAll() }
    }

    private func tidy(_ key: CacheKey) {
        state.withLock { state in
            if state.pages[key]?.isEmpty == true { state.pages[key] = nil }
        }
    }
}

/// One page that is waited for.
private final class PageWatch: Sendable {
    private struct Core {
        var state: WatchState
        var waiters: [WatchState.ID: PageWaiter] = [:]
        /// As it was last found.
        var last: CachedAnswer?
        var timer: DeadlineTimer
    }

    private let core: Mutex<Core>
    private let time: Time
    private let onEmpty: @Sendable () -> Void

    /// After a look that brought nothing.
    private static let patience = Duration.seconds(5)

    init(isVerified: Bool, nextLook: ContinuousClock.Instant, time: Time, onEmpty: @escaping @Sendable () -> Void) {
        self.time = time
        self.onEmpty = onEmpty
        core = Mutex(
            Core(
                state: WatchState(isVerified: isVerified, nextLook: nextLook), timer: DeadlineTimer(time: time)))
    }

    var isEmpty: Bool { core.withLock { $0.waiters.isEmpty } }
    var count: Int { core.withLock { $0.waiters.count } }

    func join(_ waiter: PageWaiter, _ id: WatchState.ID, look: ContinuousClock.Instant, fresh: CachedAnswer?) {
        core.withLock { core in
            core.waiters[id] = waiter
            if let fresh { core.last = fresh }
            core.state.join(id, until: waiter.deadline, look: look, isVerified: fresh != nil)
            arm(&core)
        }
    }

    func leave(_ id: WatchState.ID) {
        core.withLock { core in
            core.waiters[id] = nil
            core.state.leave(id)
            arm(&core)
        }
    }

    func poke() {
        core.withLock { core in
            core.state.poked(now: time.now())
            arm(&core)
        }
    }

    func endAll() {
        let (waiters, last) = core.withLock { core in
            defer { core.waiters = [:] }
            let last = core.state.isVerified ? core.last : nil
            _ = core.state.end()
            arm(&core)
            return (Array(core.waiters.values), last)
        }
        for waiter in waiters { waiter.end(.unchanged(last)) }
        onEmpty()
    }

    private func arm(_ core: inout Core) {
        core.timer.set(to: core.state.nextEvent) { [weak self] in self?.fire() }
    }

    private func fire() {
        let (over, last, looker) = core.withLock { core -> ([PageWaiter], CachedAnswer?, PageWaiter?) in
            guard core.timer.fired() else { return ([], nil, nil) }
            let due = core.state.passed(now: time.now())
            let over = due.over.compactMap { core.waiters.removeValue(forKey: $0) }
            arm(&core)
            return (over, due.isVerified ? core.last : nil, due.looksFor.flatMap { core.waiters[$0] })
        }
        for waiter in over { waiter.end(.unchanged(last)) }
        looker?.look { self.looked($0) }
        if !over.isEmpty { onEmpty() }
    }

    private func looked(_ look: PageLook) {
        let now = time.now()
        let (told, answer) = core.withLock { core -> ([PageWaiter], CachedAnswer?) in
            let (answer, next, isGone): (CachedAnswer?, Duration, Bool) =
                switch look {
                case .page(let answer, let again): (answer, again, false)
                case .gone(let answer): (answer, Self.patience, true)
                case .trouble: (nil, Self.patience, false)
                }
            core.state.looked(found: answer != nil && !isGone, next: now + next, now: now)
            if let answer, !isGone { core.last = answer }
            defer { arm(&core) }
            guard let answer else { return ([], nil) }
            let ids = core.waiters.filter { isGone || !$0.value.has(answer) }.keys.sorted()
            for id in ids { core.state.leave(id) }
            return (ids.compactMap { core.waiters.removeValue(forKey: $0) }, answer)
        }
        if let answer { for waiter in told { waiter.end(.changed(answer)) } }
        onEmpty()
    }
}
