// What a stream has been handed of its answer and cannot send, and whether there is room for it. Events and the time in,
// decisions out.
//
// What stays true: whoever is out of room has a deadline; `counted` has been taken from the room and not been given back.

import NIOCore

struct UnsentAnswer {
    /// Every stream has so much without being counted, so that small answers cost nothing.
    static let free = 4 << 10
    /// Out of room for so long, a stream is not being read, or others are not, which comes to the same.
    static let patience = TimeAmount.seconds(1)
    /// At this the flow waits, and below half of it it goes on.
    private static let most = 64 << 10

    private(set) var bytes = 0
    private(set) var counted = 0
    /// Since when there has not been room for all of it.
    private(set) var outOfRoomSince: NIODeadline?
    private var isLarge = false
    private var room: (any AnswerRoom)?

    /// The flow should wait.
    var isFull: Bool { isLarge || outOfRoomSince != nil }

    /// When it must have found room.
    var deadline: NIODeadline? { outOfRoomSince.map { $0 + Self.patience } }

    /// So many bytes were handed over.
    mutating func add(_ count: Int) {
        bytes += count
        if bytes > Self.most { isLarge = true }
    }

    /// So many have left.
    mutating func left(_ count: Int, now: NIODeadline) {
        bytes -= count
        if bytes < Self.most / 2 { isLarge = false }
        recount(now: now)
    }

    /// Counts what could not leave at once. `room` is that of the answer's caller; without one nothing is counted.
    mutating func count(in room: (any AnswerRoom)?, now: NIODeadline) {
        self.room = self.room ?? room
        recount(now: now)
    }

    private mutating func recount(now: NIODeadline) {
        guard let room else { return }
        let wanted = max(bytes - Self.free, 0)
        if wanted < counted {
            room.giveBack(counted - wanted)
            counted = wanted
        }
        if wanted > counted {
            guard room.take(wanted - counted) else { return outOfRoomSince = outOfRoomSince ?? now }
            counted = wanted
        }
        outOfRoomSince = nil
    }

    /// Once more, at the deadline. Returns whether there is still none.
    mutating func isHopeless(now: NIODeadline) -> Bool {
        guard let deadline, deadline <= now else { return false }
        recount(now: now)
        return outOfRoomSince != nil
    }

    /// The stream is gone, and all of it with it.
    mutating func dropped() {
        if counted > 0 { room?.giveBack(counted) }
        (bytes, counted, outOfRoomSince, room) = (0, 0, nil, nil)
    }
}
