// The places upstream: so many calls may be under way at once, whoever makes them and whichever windows they spend.
// A place is taken with the turn and comes back when the call's transfer has ended, whoever still reads the answer.

struct Places: Sendable {
    typealias ID = UInt64

    private(set) var limit: Int
    private(set) var taken = 0
    /// Of callers that have a share.
    private var held: [String: Own] = [:]
    /// Calls whose answers are too large to hold, so that they last as long as their tools read.
    private var long: Set<ID> = []

    /// What a caller holds, and the share that it has by what was said of it last: calls that wait since before a reload
    /// bring the former one.
    private struct Own: Sendable {
        var count: Int
        var share: Int
    }

    init(limit: Int) { self.limit = limit }

    var hasFree: Bool { taken < limit }

    /// As many answers too large to hold as may be are under way.
    var longAreFull: Bool { long.count >= longest }

    /// At most half of the places, at least one.
    private var longest: Int { max(limit / 2, 1) }

    /// Whether a caller holds as many places as it ever may.
    func isAtShare(_ request: GateRequest) -> Bool {
        guard request.maxInFlight != nil, let own = held[request.caller] else { return false }
        return own.count >= (own.share > 0 ? own.share : max(limit * 3 / 4, 1))
    }

    /// A caller has this share from now on. True: that is news, and it may be more.
    mutating func learn(share: Int, of caller: String) -> Bool {
        guard let own = held[caller], own.share != share else { return false }
        held[caller]?.share = share
        return true
    }

    mutating func take(_ id: ID, _ request: GateRequest) {
        taken += 1
        if let share = request.maxInFlight { held[request.caller, default: Own(count: 0, share: share)].count += 1 }
        if request.isLong { long.insert(id) }
    }

    /// A place comes back. True: somebody may go now who could not for a reason of his own.
    mutating func giveBack(_ id: ID, _ request: GateRequest) -> Bool {
        precondition(taken > 0, "a place came back that was never given")
        taken -= 1
        let wasLong = !long.isEmpty && long.remove(id) != nil
        guard request.maxInFlight != nil else { return wasLong }
        let wasAtShare = isAtShare(request)
        if let own = held[request.caller] {
            held[request.caller] = own.count > 1 ? Own(count: own.count - 1, share: own.share) : nil
        }
        return wasLong || wasAtShare
    }

    /// The answer of a call under way is too large to hold. False: it cannot go on, as too many others are.
    mutating func becomesLong(_ id: ID) -> Bool {
        guard !long.contains(id) else { return true }
        guard !longAreFull else { return false }
        long.insert(id)
        return true
    }

    mutating func change(limit: Int) { self.limit = limit }
}
