// Those who share one turn of a priority class: the waiting calls of one caller, or of the callers at one address. A
// queue for each lane of each caller, first come first served in it. Turns go to whichever of the callers had the least;
// of one caller's calls changes go before reads, but after three changes in a row a read goes that could.

import DequeModule
import Ground

struct CallerQueue: Sendable {
    typealias ID = UInt64

    /// Where it stands in its class.
    enum Standing: Sendable {
        /// Nothing waits.
        case idle
        /// In the class's heap.
        case ready
        /// Nobody could go when its turn came.
        case parked
    }

    /// Where a call waits.
    struct Position: Sendable {
        let member: Int
        let flow: Int
    }

    struct Flow: Sendable {
        let lane: Lane
        let changes: Bool
        /// In the order of their coming. Some may have gone, but never the first.
        var ids: Deque<ID> = []
        var waiting = 0
    }

    /// One caller.
    struct Member: Sendable {
        /// The last request, which says who it is and how many places it may have.
        var request: GateRequest
        /// Turns that it has had, as compared with the others.
        var turns: UInt64
        var flows: [Flow] = []
        var waiting = 0
        var changesInARow = 0
    }

    let name: String
    var weight: Int
    var standing = Standing.idle
    /// Its share of the class's service until now.
    var tag: UInt64
    /// When it was parked: the earliest that one of its calls may go.
    var parkedUntil: Nanoseconds = 0
    private(set) var members: [Member] = []
    /// Calls that wait.
    private(set) var waiting = 0

    /// Flows and members that have gone are replaced by others beyond this number.
    private static let kept = 16

    init(name: String, weight: Int, tag: UInt64) {
        self.name = name
        self.weight = weight
        self.tag = tag
    }

    /// Queues a call and returns where it is. One that comes `back` takes the place that its id had.
    mutating func add(_ id: ID, _ request: GateRequest, back: Bool) -> Position {
        let member = member(of: request)
        members[member].request = request
        members[member].waiting += 1
        waiting += 1
        return Position(member: member, flow: members[member].add(id, request, back: back))
    }

    private mutating func member(of request: GateRequest) -> Int {
        if let index = members.firstIndex(where: { $0.request.caller == request.caller }) { return index }
        // Nobody saves up turns by being away, nor by being new.
        let least = members.lazy.filter { $0.waiting > 0 }.map(\.turns).min() ?? members.map(\.turns).max() ?? 0
        let member = Member(request: request, turns: least)
        if members.count >= Self.kept, let gone = members.firstIndex(where: { $0.waiting == 0 }) {
            members[gone] = member
            return gone
        }
        members.append(member)
        return members.count - 1
    }

    /// The call that goes next if it is the queue's turn: where it waits, or when the first may go.
    ///
    /// - Parameters:
    ///   - ownOpening: when a caller may have a further call, lanes aside; `never` where only a place can tell: whoever
    ///     frees one has the queue unparked.
    mutating func choose(
        opening: (Lane) -> Nanoseconds, ownOpening: (GateRequest) -> Nanoseconds, now: Nanoseconds
    ) -> (position: Position?, opening: Nanoseconds) {
        if members.count == 1 {
            let own = ownOpening(members[0].request)
            guard own <= now else { return (nil, own) }
            let choice = members[0].choose(opening: opening, now: now)
            return (choice.flow.map { Position(member: 0, flow: $0) }, choice.opening)
        }
        var earliest = Nanoseconds.never
        let present = members.indices.filter { members[$0].waiting > 0 }
        // One who was away goes on from where the others are.
        let least = present.reduce(UInt64.max) { min($0, members[$1].turns) }
        for member in present.sorted(by: { (members[$0].turns, $0) < (members[$1].turns, $1) }) {
            let own = ownOpening(members[member].request)
            guard own <= now else {
                earliest = min(earliest, own)
                continue
            }
            let choice = members[member].choose(opening: opening, now: now)
            if let flow = choice.flow {
                members[member].turns = max(members[member].turns, least) + 1
                return (Position(member: member, flow: flow), now)
            }
            earliest = min(earliest, choice.opening)
        }
        return (nil, earliest)
    }

    /// Whoever has waited longest.
    var first: ID? { members.lazy.flatMap(\.flows).compactMap(\.ids.first).min() }

    /// The first of those who wait at the same place.
    func head(at position: Position) -> ID? { members[position.member].flows[position.flow].ids.first }

    /// One of the calls at a place goes. `isWaiting` tells who is still there, its id no longer being it.
    mutating func remove(at position: Position, isWaiting: (ID) -> Bool) {
        waiting -= 1
        members[position.member].waiting -= 1
        members[position.member].flows[position.flow].remove(isWaiting: isWaiting)
    }

    /// Calls that wait in lanes that meet a condition.
    func waiting(in isCounted: (Lane) -> Bool) -> Int {
        members.reduce(0) { count, member in
            guard member.waiting > 0 else { return count }
            return member.flows.reduce(count) { $1.waiting > 0 && isCounted($1.lane) ? $0 + $1.waiting : $0 }
        }
    }
}

extension CallerQueue.Member {
    mutating func add(_ id: CallerQueue.ID, _ request: GateRequest, back: Bool) -> Int {
        let index = flow(of: request)
        if back {
            let place = flows[index].ids.firstIndex { $0 > id } ?? flows[index].ids.count
            flows[index].ids.insert(id, at: place)
        } else {
            flows[index].ids.append(id)
        }
        flows[index].waiting += 1
        return index
    }

    private mutating func flow(of request: GateRequest) -> Int {
        let lane = request.lane
        if let index = flows.firstIndex(where: { $0.lane == lane && $0.changes == request.changes }) { return index }
        let flow = CallerQueue.Flow(lane: lane, changes: request.changes)
        if flows.count >= 32, let gone = flows.firstIndex(where: { $0.waiting == 0 }) {
            flows[gone] = flow
            return gone
        }
        flows.append(flow)
        return flows.count - 1
    }

    /// The flow whose first call goes next, or when the first of the lanes may open.
    mutating func choose(opening: (Lane) -> Nanoseconds, now: Nanoseconds) -> (flow: Int?, opening: Nanoseconds) {
        var earliest = Nanoseconds.never
        var change: (flow: Int, head: CallerQueue.ID)?
        var read: (flow: Int, head: CallerQueue.ID)?
        for (index, flow) in flows.enumerated() {
            guard flow.waiting > 0, let head = flow.ids.first else { continue }
            let opens = opening(flow.lane)
            guard opens <= now else {
                earliest = min(earliest, opens)
                continue
            }
            if flow.changes {
                if head < change?.head ?? .max { change = (index, head) }
            } else if head < read?.head ?? .max {
                read = (index, head)
            }
        }
        if let change, read == nil || changesInARow < 3 {
            changesInARow += 1
            return (change.flow, now)
        }
        guard let read else { return (nil, earliest) }
        changesInARow = 0
        return (read.flow, now)
    }
}

extension CallerQueue.Flow {
    fileprivate mutating func remove(isWaiting: (CallerQueue.ID) -> Bool) {
        waiting -= 1
        while let first = ids.first, !isWaiting(first) { ids.removeFirst() }
        if ids.count > 2 * waiting + 16 { ids.removeAll { !isWaiting($0) } }
    }
}
