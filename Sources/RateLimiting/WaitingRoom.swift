// Everybody who waits: a fair queue for each class, one deadline for each call.
//
// What stays true:
//  1. A call that was added is taken out by exactly one of `next`, `remove` and `expired`.
//  2. `hasReady` is false only if every call that waits was found unable to go since the last `unpark`.

import Ground
import HeapModule

struct WaitingRoom: Sendable {
    typealias ID = UInt64
    typealias Priority = GateRequest.Priority

    struct Waiter: Sendable {
        let id: ID
        let request: GateRequest
        let queuedAt: Nanoseconds
        let deadline: Nanoseconds
        fileprivate let slot: Int
        fileprivate let position: CallerQueue.Position
    }

    private struct Deadline: Comparable, Sendable {
        let at: Nanoseconds
        let id: ID

        static func < (left: Deadline, right: Deadline) -> Bool {
            left.at == right.at ? left.id < right.id : left.at < right.at
        }
    }

    private var waiters: [ID: Waiter] = [:]
    private var classes = Priority.allCases.map { _ in ClassQueue() }
    private var classOrder = ClassOrder()
    private var deadlines = Heap<Deadline>()
    /// Waiting calls that start runs.
    private(set) var runs = 0

    var count: Int { waiters.count }

    /// Whether somebody may be served now, who settles lost calls or does not.
    func hasReady(settling: Bool) -> Bool {
        settling ? classes[0].hasReady : classes.dropFirst().contains { $0.hasReady }
    }

    /// The earliest that a caller who was set aside may go on.
    func parkedUntil(settling: Bool) -> Nanoseconds {
        settling ? classes[0].parkedUntil : classes.dropFirst().reduce(.never) { min($0, $1.parkedUntil) }
    }

    /// When somebody's patience ends; nil if nobody waits.
    var nextDeadline: Nanoseconds? { deadlines.min?.at }

    func waiting(_ priority: Priority) -> Int { classes[priority.rawValue].waiting }

    func contains(_ id: ID) -> Bool { waiters[id] != nil }

    /// Whether a call waits that meets a condition. May look at all of them.
    func contains(where condition: (GateRequest) -> Bool) -> Bool { waiters.values.contains { condition($0.request) } }

    /// Those who wait and meet a condition, in the order of their coming. Looks at all of them.
    func waiters(where condition: (Waiter) -> Bool) -> [Waiter] {
        waiters.values.filter(condition).sorted { $0.id < $1.id }
    }

    // MARK: Coming and going

    /// `back`: it was here before under the same id and takes its former place.
    mutating func add(_ id: ID, _ request: GateRequest, now: Nanoseconds, deadline: Nanoseconds, back: Bool) {
        let place = classes[request.priority.rawValue].add(id, request, back: back)
        // Whoever comes back has the deadline that he had: one that he left in the heap does no harm.
        waiters[id] = Waiter(
            id: id, request: request, queuedAt: now, deadline: deadline, slot: place.slot,
            position: place.position)
        deadlines.insert(Deadline(at: deadline, id: id))
        if request.countsAsRun { runs += 1 }
    }

    /// Takes out whoever goes next.
    ///
    /// - Parameters:
    ///   - ownOpening: when a caller may have a further call, lanes aside.
    ///   - onlySettling: nobody else may go.
    mutating func next(
        opening: (Lane) -> Nanoseconds, ownOpening: (GateRequest) -> Nanoseconds, onlySettling: Bool, now: Nanoseconds
    ) -> Waiter? {
        for priority in onlySettling ? [.settling] : classOrder.order {
            guard
                let next = classes[priority.rawValue].next(opening: opening, ownOpening: ownOpening, now: now)
            else { continue }
            let waiter = remove(next.id)
            classes[priority.rawValue].served(slot: next.slot, now: now)
            classOrder.served(priority) { classes[$0.rawValue].hasReady }
            return waiter
        }
        return nil
    }

    /// Somebody leaves. Nil if he was not here.
    @discardableResult
    mutating func remove(_ id: ID) -> Waiter? {
        guard let waiter = waiters.removeValue(forKey: id) else { return nil }
        if waiter.request.countsAsRun { runs -= 1 }
        classes[waiter.request.priority.rawValue].remove(slot: waiter.slot, position: waiter.position) {
            waiters[$0] != nil
        }
        dropGone()
        return waiter
    }

    /// Takes out those whose patience has ended.
    mutating func expired(now: Nanoseconds) -> [Waiter] {
        guard let first = deadlines.min, first.at <= now else { return [] }
        var gone: [Waiter] = []
        while let deadline = deadlines.min, deadline.at <= now {
            deadlines.removeMin()
            if let waiter = remove(deadline.id) { gone.append(waiter) }
        }
        return gone
    }

    /// Lanes have opened, or places have come back.
    mutating func unpark() {
        for index in classes.indices { classes[index].unpark() }
    }

    /// Whoever was set aside until `now` may go on.
    mutating func unpark(until now: Nanoseconds) {
        for index in classes.indices where classes[index].parkedUntil <= now { classes[index].unpark(until: now) }
    }

    // MARK: Estimates

    /// Where a call would stand.
    struct Place {
        /// How many calls will go until it has, if nobody else comes.
        let turns: Int
        /// How long it would take at the pace of its class; others may come meanwhile, and others may leave.
        let guess: Nanoseconds
    }

    /// `exactly` looks at every caller; without it the place may be too far back.
    func place(of request: GateRequest, exactly: Bool) -> Place {
        let queue = classes[request.priority.rawValue]
        let own = exactly ? queue.ahead(of: request) : queue.aheadAtMost(of: request)
        let higher = Priority.allCases.filter { $0.rawValue < request.priority.rawValue }
            .reduce(0) { $0 + classes[$1.rawValue].waiting }
        return Place(
            turns: own + min(higher, own * ClassOrder.patience(request.priority)),
            guess: Nanoseconds(Double(own) * (queue.interval ?? 0)))
    }

    /// The same where not everybody spends from the same windows: among those whose lanes meet a condition.
    func place(of request: GateRequest, among isCounted: (Lane) -> Bool) -> Place {
        let queue = classes[request.priority.rawValue]
        let own = queue.ahead(of: request, among: isCounted)
        let higher = Priority.allCases.filter { $0.rawValue < request.priority.rawValue }
            .reduce(0) { $0 + classes[$1.rawValue].ahead(of: request, among: isCounted) - 1 }
        return Place(turns: own + min(higher, own * ClassOrder.patience(request.priority)), guess: 0)
    }

    /// Names those who wait in a class, with the number of their calls; with a request those only that go before it.
    func forEachCaller(_ priority: Priority, ahead request: GateRequest?, _ body: (String, Int) -> Void) {
        classes[priority.rawValue].forEachCaller(ahead: request, body)
    }

    /// Calls of the caller that wait.
    func waiting(of request: GateRequest) -> Int { classes[request.priority.rawValue].waiting(of: request) }

    /// The time that passes now is no measure of anybody's pace.
    mutating func forgetPace() {
        for index in classes.indices { classes[index].forgetPace() }
    }

    /// The weight of those who compete with a caller in its class, itself included.
    func competing(with request: GateRequest) -> Int {
        classes[request.priority.rawValue].competing(with: request)
    }

    // MARK: Inside

    /// Keeps `nextDeadline` that of somebody who waits, and the deadlines of those who have gone from outnumbering
    /// the others.
    private mutating func dropGone() {
        while let first = deadlines.min, waiters[first.id] == nil { deadlines.removeMin() }
        if deadlines.count > 2 * waiters.count + 64 {
            deadlines = Heap(waiters.values.map { Deadline(at: $0.deadline, id: $0.id) })
        }
    }
}
