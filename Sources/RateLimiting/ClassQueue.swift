// The callers of one priority class, served fairly by weight (start-time fair queuing): whoever has had the least for
// its weight goes next. A caller whose lanes are all closed, or who has as many places as it may, is set aside until
// that may be over, and then goes on from where the others are; nobody saves up turns by being away.

import Ground
import HeapModule

struct ClassQueue: Sendable {
    typealias ID = CallerQueue.ID

    private struct Turn: Comparable, Sendable {
        let tag: UInt64
        /// Settles ties: who came first.
        let order: ID
        let slot: Int

        static func < (left: Turn, right: Turn) -> Bool {
            left.tag == right.tag ? left.order < right.order : left.tag < right.tag
        }
    }

    /// The tag moves by this much for one call of a caller of weight 1.
    private static let turnCost: UInt64 = 1 << 20

    private var callers: [CallerQueue?] = []
    private var slots: [String: Int] = [:]
    private var freeSlots: [Int] = []
    private var ready = Heap<Turn>()
    private var parked: Set<Int> = []
    /// The tag of whoever was served last.
    private var virtualTime: UInt64 = 0
    private var sweepAt = 64
    /// Calls that wait.
    private(set) var waiting = 0
    /// Of the callers in the heap.
    private(set) var readyWeight = 0
    /// The earliest that a caller set aside may go on.
    private(set) var parkedUntil = Nanoseconds.never

    /// Moving average of the nanoseconds from one call to the next while calls wait.
    private(set) var interval: Double?
    /// When the last one was served, if others have waited ever since.
    private var lastServed: Nanoseconds?

    /// Whether somebody may be served now.
    var hasReady: Bool { !ready.isEmpty }

    /// Callers that are remembered.
    var remembered: Int { slots.count }

    // MARK: Coming and going

    /// Queues a call; returns where, for `remove`. One that comes `back` takes the place that its id had.
    mutating func add(_ id: ID, _ request: GateRequest, back: Bool) -> (
        slot: Int, position: CallerQueue.Position
    ) {
        let slot = slot(of: request)
        waiting += 1
        var caller = take(slot)
        if caller.standing == .ready { readyWeight += request.weight - caller.weight }
        caller.weight = request.weight
        let position = caller.add(id, request, back: back)
        makeReady(&caller, slot, order: id)
        callers[slot] = caller
        return (slot, position)
    }

    /// A call that waited has gone. `isWaiting` tells who is still there.
    mutating func remove(slot: Int, position: CallerQueue.Position, isWaiting: (ID) -> Bool) {
        waiting -= 1
        var caller = take(slot)
        caller.remove(at: position, isWaiting: isWaiting)
        callers[slot] = caller
    }

    /// Whoever goes next, who has to be taken out with `served`; nil if nobody may.
    mutating func next(
        opening: (Lane) -> Nanoseconds, ownOpening: (GateRequest) -> Nanoseconds, now: Nanoseconds
    ) -> (id: ID, slot: Int)? {
        while let turn = ready.popMin() {
            var caller = take(turn.slot)
            defer { callers[turn.slot] = caller }
            readyWeight -= caller.weight
            caller.standing = .idle
            guard caller.waiting > 0 else { continue }
            let choice = caller.choose(opening: opening, ownOpening: ownOpening, now: now)
            if let position = choice.position, let id = caller.head(at: position) {
                virtualTime = max(virtualTime, turn.tag)
                return (id, turn.slot)
            }
            caller.standing = .parked
            caller.parkedUntil = choice.opening
            parked.insert(turn.slot)
            parkedUntil = min(parkedUntil, choice.opening)
        }
        return nil
    }

    /// The call that `next` named was served and removed: its caller is charged and takes its place again.
    mutating func served(slot: Int, now: Nanoseconds) {
        if let lastServed {
            let sample = Double(now - lastServed)
            interval = interval.map { $0 + (sample - $0) / 16 } ?? sample
        }
        lastServed = waiting > 0 ? now : nil
        var caller = take(slot)
        caller.tag += Self.turnCost / UInt64(caller.weight)
        if let first = caller.first { makeReady(&caller, slot, order: first) }
        callers[slot] = caller
    }

    /// Lanes have opened, or places have come back: whoever was set aside until `now`, or until somebody knows better,
    /// has its turn again.
    mutating func unpark(until now: Nanoseconds = .never) {
        parkedUntil = .never
        for slot in parked {
            var caller = take(slot)
            defer { callers[slot] = caller }
            guard caller.standing == .parked else {
                parked.remove(slot)
                continue
            }
            guard caller.parkedUntil <= now else {
                parkedUntil = min(parkedUntil, caller.parkedUntil)
                continue
            }
            parked.remove(slot)
            caller.standing = .idle
            if let first = caller.first { makeReady(&caller, slot, order: first) }
        }
    }

    // MARK: Estimates

    /// The time that passes now is no measure of the pace.
    mutating func forgetPace() { lastServed = nil }

    /// At most how many calls will be served until the caller's next one has been, if nobody else comes.
    func aheadAtMost(of request: GateRequest) -> Int {
        let share = Double(waiting(of: request) + 1) / Double(request.weight)
        return min(Int((share * Double(competing(with: request))).rounded(.up)), waiting + 1)
    }

    /// The same counted out. Looks at every caller.
    func ahead(of request: GateRequest) -> Int {
        let own = waiting(of: request)
        let share = Double(own + 1) / Double(request.weight)
        return callers.reduce(own + 1) { ahead, caller in
            guard let caller, caller.standing == .ready, caller.name != request.queue else { return ahead }
            return ahead + min(caller.waiting, Int((share * Double(caller.weight)).rounded(.up)))
        }
    }

    /// Whose calls those are, with their number. Without a request: all that wait.
    func forEachCaller(ahead request: GateRequest?, _ body: (String, Int) -> Void) {
        guard waiting > 0 else { return }
        let share = request.map { Double(waiting(of: $0) + 1) / Double($0.weight) }
        for case let caller? in callers where caller.waiting > 0 {
            guard let request, let share, caller.name != request.queue else {
                body(caller.name, caller.waiting)
                continue
            }
            guard caller.standing == .ready else { continue }
            body(caller.name, min(caller.waiting, Int((share * Double(caller.weight)).rounded(.up))))
        }
    }

    /// The same among the calls in lanes that meet a condition, whether they could go or not.
    func ahead(of request: GateRequest, among isCounted: (Lane) -> Bool) -> Int {
        let own = slots[request.queue].flatMap { callers[$0]?.waiting(in: isCounted) } ?? 0
        let share = Double(own + 1) / Double(request.weight)
        return callers.reduce(own + 1) { ahead, caller in
            guard let caller, caller.waiting > 0, caller.name != request.queue else { return ahead }
            let others = caller.waiting(in: isCounted)
            return ahead + min(others, Int((share * Double(caller.weight)).rounded(.up)))
        }
    }

    /// Calls of the caller, or from its address, that wait.
    func waiting(of request: GateRequest) -> Int {
        slots[request.queue].flatMap { callers[$0]?.waiting } ?? 0
    }

    /// The weight of those who compete with a caller, itself included.
    func competing(with request: GateRequest) -> Int {
        let isReady = slots[request.queue].flatMap { callers[$0] }?.standing == .ready
        return readyWeight + (isReady ? 0 : request.weight)
    }

    // MARK: Inside

    /// Takes a caller out, to be changed where it is and put back.
    private mutating func take(_ slot: Int) -> CallerQueue {
        guard let caller = callers[slot] else { preconditionFailure("a caller that waits was forgotten") }
        callers[slot] = nil
        return caller
    }

    private mutating func makeReady(_ caller: inout CallerQueue, _ slot: Int, order: ID) {
        guard caller.standing != .ready else { return }
        caller.standing = .ready
        caller.tag = max(caller.tag, virtualTime)
        readyWeight += caller.weight
        ready.insert(Turn(tag: caller.tag, order: order, slot: slot))
    }

    private mutating func slot(of request: GateRequest) -> Int {
        if let slot = slots[request.queue] { return slot }
        if slots.count >= sweepAt { sweep() }
        let caller = CallerQueue(name: request.queue, weight: request.weight, tag: virtualTime)
        let slot = freeSlots.popLast() ?? callers.count
        if slot == callers.count { callers.append(caller) } else { callers[slot] = caller }
        slots[request.queue] = slot
        return slot
    }

    /// Forgets callers that wait for nothing and have had no more than others.
    private mutating func sweep() {
        let nobodyWaits = waiting == 0
        for (name, slot) in slots {
            guard let caller = callers[slot], caller.standing == .idle,
                nobodyWaits || caller.tag <= virtualTime
            else { continue }
            callers[slot] = nil
            slots[name] = nil
            freeSlots.append(slot)
        }
        sweepAt = 2 * slots.count + 64
    }
}
