// What members and engines say to each other. Times are milliseconds; ages are counted back from the asking, by the member's
// monotonic clock, because no two clocks have to agree.

/// One start of one sidecar: 64 random bits.
package struct FleetMemberID: Sendable, Hashable, Comparable {
    package let bits: UInt64
    package init(_ bits: UInt64) { self.bits = bits }
    package static func < (one: Self, other: Self) -> Bool { one.bits < other.bits }

    /// 16 hex digits.
    package var text: String {
        let hex = String(bits, radix: 16)
        return String(repeating: "0", count: 16 - hex.count) + hex
    }

    /// From `text`.
    package init?(text: some StringProtocol) {
        guard text.utf8.count == 16, let bits = UInt64(text, radix: 16) else { return nil }
        self.init(bits)
    }
}

/// What a member says when it joins, at its start and whenever it has lost the engine.
package struct FleetHello: Sendable, Equatable {
    package var id: FleetMemberID
    /// For people; at most 100 bytes, no control characters.
    package var name: String
    /// Of the program.
    package var version: String
    package var policy: FleetPolicy
    /// The highest sequence number that it has seen; 0: none.
    package var seen: Int

    package init(id: FleetMemberID, name: String, version: String, policy: FleetPolicy, seen: Int) {
        (self.id, self.name, self.version, self.policy, self.seen) = (id, name, version, policy, seen)
    }
}

/// Calls that were counted: so many, so long ago.
package struct FleetCount: Sendable, Hashable {
    /// Milliseconds before now; 0 or more.
    package let age: Int
    package let count: Int
    package init(age: Int, count: Int) { (self.age, self.count) = (age, count) }
}

/// How it stands, as every answer tells.
package struct FleetView: Sendable, Equatable {
    /// The highest sequence number; grows with each grant.
    package var seq: Int
    /// Grows whenever the engine was found to have forgotten something: then every member reports.
    package var epoch: Int
    /// So long nothing is granted, because members report; 0: it is not learning.
    package var learning: Int
    /// Calls and starts of runs granted to all members since the ledger began or `epoch` changed. What grew since the last
    /// answer and is not one's own was somebody else's.
    package var calls: Int
    package var runs: Int
    /// Calls that each window counts now, phantoms included, in the order of the policy.
    package var used: [Int]
    /// Every pause that has not ended.
    package var pauses: [FleetPause]
    /// Living members, this one among them.
    package var members: [FleetMemberID]

    package init(
        seq: Int, epoch: Int, learning: Int, calls: Int, runs: Int, used: [Int], pauses: [FleetPause],
        members: [FleetMemberID]
    ) {
        (self.seq, self.epoch, self.learning, self.calls, self.runs) = (seq, epoch, learning, calls, runs)
        (self.used, self.pauses, self.members) = (used, pauses, members)
    }
}

/// What a member that joins is told: enough to go on where others, or its own earlier life, left off.
package struct FleetJoined: Sendable, Equatable {
    package var view: FleetView
    /// What each window counts, of all members, oldest first, in the order of the policy.
    package var history: [[FleetCount]]
    /// Whether nothing was kept there before.
    package var isFirst: Bool

    package init(view: FleetView, history: [[FleetCount]], isFirst: Bool) {
        (self.view, self.history, self.isFirst) = (view, history, isFirst)
    }
}

/// Calls that a member would send at once.
package struct FleetAsk: Sendable, Hashable {
    /// Whose, by a hash of its name: turns are shared fairly between callers, at however many members they call.
    package var caller: UInt64
    /// 1...1000.
    package var weight: Int
    /// 1...1000.
    package var count: Int
    /// Counts in the windows of runs too.
    package var isRun: Bool
    /// Pauses that hold these calls, besides `*`: see `FleetPause.scope`.
    package var scopes: [String]

    package init(caller: UInt64, weight: Int, count: Int, isRun: Bool, scopes: [String]) {
        (self.caller, self.weight, self.count, self.isRun, self.scopes) = (caller, weight, count, isRun, scopes)
    }
}

/// The answer to some asks.
package struct FleetGrant: Sendable, Equatable {
    package var view: FleetView
    /// How many calls of each ask may go, in the order of the asks. They have to go within `FleetPolicy.useWithin` of when the
    /// question was sent, or not at all.
    package var granted: [Int]
    /// When it is worth asking again for what was not granted, from now; 0 where all was.
    package var wait: Int

    package init(view: FleetView, granted: [Int], wait: Int) {
        (self.view, self.granted, self.wait) = (view, granted, wait)
    }
}

/// What a member knows of its own sends: after the engine has forgotten, and after it was cut off.
package struct FleetReport: Sendable, Equatable {
    /// What it was granted or sent, for each window of the policy; ages increase or not, as they come. What is older than a
    /// window counts is ignored.
    package var sent: [[FleetCount]]
    /// Who lived when it last heard.
    package var peers: [FleetMemberID]
    /// What each window held when it last heard, less what it sent itself and less what has surely left since: at least so much
    /// was others'.
    package var others: [Int]

    package init(sent: [[FleetCount]], peers: [FleetMemberID], others: [Int]) {
        (self.sent, self.peers, self.others) = (sent, peers, others)
    }
}

/// A pause that upstream told.
package struct FleetPause: Sendable, Hashable {
    /// `*`, `api NAME` or `operation NAME`.
    package var scope: String
    /// What upstream named as its cause; the member's own word.
    package var cause: String
    /// Milliseconds until it ends.
    package var left: Int

    package init(scope: String, cause: String, left: Int) { (self.scope, self.cause, self.left) = (scope, cause, left) }
}

/// A living or former member, for people.
package struct FleetMember: Sendable, Equatable {
    package var id: FleetMemberID
    package var name: String
    package var version: String
    /// Milliseconds since it joined, and since it was last heard.
    package var joined: Int
    package var heard: Int

    package init(id: FleetMemberID, name: String, version: String, joined: Int, heard: Int) {
        (self.id, self.name, self.version, self.joined, self.heard) = (id, name, version, joined, heard)
    }
}

/// The head of a member's audit log.
package struct FleetHead: Sendable, Equatable {
    /// The log's fixed name, which outlives restarts.
    package var log: String
    package var seq: Int
    /// Hex.
    package var hash: String
    /// RFC 3339, by the publisher's clock.
    package var time: String
    /// A smaller `seq` came after a greater one: the log was cut or replaced.
    package var regressed: Bool

    package init(log: String, seq: Int, hash: String, time: String, regressed: Bool = false) {
        (self.log, self.seq, self.hash, self.time, self.regressed) = (log, seq, hash, time, regressed)
    }
}

/// The sign-in that members share.
package struct FleetSignIn: Sendable, Equatable {
    /// Grows with each rotation; 0: nothing is kept yet.
    package var generation: Int
    /// The refresh token, sealed with the fleet's key; empty at generation 0.
    package var sealed: [UInt8]
    /// Milliseconds for which this member alone may use it; nil: another does, for `busy` more.
    package var lease: Int?
    package var busy: Int

    package init(generation: Int, sealed: [UInt8], lease: Int?, busy: Int) {
        (self.generation, self.sealed, self.lease, self.busy) = (generation, sealed, lease, busy)
    }
}

/// What became of asking for an Idempotency-Key.
package enum FleetClaim: Sendable, Equatable {
    /// It is this member's until it settles it, or is taken for dead.
    case taken
    /// Another call with it is under way; what that one left there.
    case open([UInt8])
    /// It was answered before: what was settled.
    case settled([UInt8])
}

/// What others did, as it comes.
package enum FleetNews: Sendable, Equatable {
    /// Pages with these tags are no longer true. In order of `id`.
    case invalidated(id: String, tags: [UInt64], everything: Bool)
    /// What came in between cannot be had any more: all pages go.
    case gap
    /// Upstream told a pause.
    case paused(FleetPause)
    /// All that was said until the question was sent, at this instant, has come before this. Pages may be given until
    /// `max_lag` after it.
    case current(asOf: ContinuousClock.Instant)
}
