// One caller's waiting calls: a queue for each lane, first come first served in each. When it is the caller's turn its
// changes go before its reads, but after three changes in a row a read goes that could.

import DequeModule

struct CallerQueue: Sendable {
    typealias ID = UInt64

    /// Where a caller stands in its class.
    enum Standing: Sendable {
        /// Nothing waits.
        case idle
        /// In the class's heap.
        case ready
        /// All its lanes were closed when its turn came.
        case parked
    }

    struct Flow: Sendable {
        let lane: Lane
        let changes: Bool
        /// In the order of their coming. Some may have gone, but never the first.
        var ids: Deque<ID> = []
        var waiting = 0
    }

    let name: String
    var weight: Int
    var standing = Standing.idle
    /// Its share of the class's service until now.
    var tag: UInt64
    /// The class may not forget the caller before: later waits were promised to its refused calls.
    var promisedUntil: Nanoseconds = 0
    private(set) var flows: [Flow] = []
    /// Calls that wait.
    private(set) var waiting = 0
    private var changesInARow = 0

    init(name: String, weight: Int, tag: UInt64) {
        self.name = name
        self.weight = weight
        self.tag = tag
    }

    /// Queues a call and returns the flow that it is in. One that comes `back` takes the place that its id had.
    mutating func add(_ id: ID, _ request: GateRequest, back: Bool) -> Int {
        let lane = request.lane
        let index = flows.firstIndex { $0.lane == lane && $0.changes == request.changes } ?? flows.count
        if index == flows.count { flows.append(Flow(lane: lane, changes: request.changes)) }
        if back {
            let place = flows[index].ids.firstIndex { $0 > id } ?? flows[index].ids.count
            flows[index].ids.insert(id, at: place)
        } else {
            flows[index].ids.append(id)
        }
        flows[index].waiting += 1
        waiting += 1
        return index
    }

    /// The call that goes next if it is the caller's turn: its flow, or when the first of its lanes may open.
    mutating func choose(opening: (Lane) -> Nanoseconds, now: Nanoseconds) -> (flow: Int?, opening: Nanoseconds) {
        var earliest = Nanoseconds.never
        var change: (flow: Int, head: ID)?
        var read: (flow: Int, head: ID)?
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

    /// Whoever has waited longest.
    var first: ID? { flows.compactMap(\.ids.first).min() }

    /// The first of a flow.
    func head(of flow: Int) -> ID? { flows[flow].ids.first }

    /// One of the flow's calls goes. `isWaiting` tells who is still there, `id` no longer being it.
    mutating func remove(from flow: Int, isWaiting: (ID) -> Bool) {
        waiting -= 1
        flows[flow].waiting -= 1
        while let first = flows[flow].ids.first, !isWaiting(first) { flows[flow].ids.removeFirst() }
        if flows[flow].ids.count > 2 * flows[flow].waiting + 16 { flows[flow].ids.removeAll { !isWaiting($0) } }
    }
}
