// What a stream has been handed of its answer and cannot send, and whether there is room for it. Events and the time in,
// decisions out.
//
// What stays true: whoever is out of room has a deadline; `counted` has been taken from the room and `lent` been lent by it, and
// neither been given back; what is neither counted nor lent goes at once.

import NIOCore

struct UnsentAnswer {
    /// Every stream has so much without being counted, so that small answers cost nothing.
    static let free = 4 << 10
    /// So long something is lent to a stream after the connection has taken anything, be it of others: then nobody reads there.
    /// A tool may well stop for a second or two, to collect garbage or to make sense of what it has.
    static let patience = TimeAmount.seconds(10)
    /// At this the flow waits, and below half of it it goes on.
    private static let most = 64 << 10

    private(set) var bytes = 0
    private(set) var counted = 0
    /// Beside those that are counted.
    private(set) var lent = 0
    /// Since when there has not been room for all of it.
    private(set) var outOfRoomSince: NIODeadline?
    private var isLarge = false
    /// Some of it has no room at all.
    private var isRefused = false
    private var room: (any AnswerRoom)?

    /// The flow should wait.
    var isFull: Bool { isLarge || outOfRoomSince != nil }

    /// When it must have found room.
    ///
    /// - Parameter progress: when the connection has taken something last.
    func deadline(after progress: NIODeadline) -> NIODeadline? {
        outOfRoomSince.map { isRefused ? $0 : max($0, progress) + Self.patience }
    }

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
        giveBack(counted + lent - wanted, to: room)
        if wanted > counted, room.take(wanted - counted) {
            counted = wanted
            giveBack(lent, to: room)
        }
        let missing = wanted - counted
        if missing > lent, room.lend(missing - lent) { lent = missing }
        isRefused = missing > lent
        outOfRoomSince = missing > 0 ? outOfRoomSince ?? now : nil
    }

    /// First of what is lent.
    private mutating func giveBack(_ count: Int, to room: any AnswerRoom) {
        guard count > 0 else { return }
        let ofLent = min(count, lent)
        if ofLent > 0 { room.repay(ofLent) }
        if count > ofLent { room.giveBack(count - ofLent) }
        lent -= ofLent
        counted -= count - ofLent
    }

    /// Once more, at the deadline. Returns whether there is still none.
    mutating func isHopeless(now: NIODeadline, progress: NIODeadline) -> Bool {
        guard let deadline = deadline(after: progress), deadline <= now else { return false }
        recount(now: now)
        return self.deadline(after: progress).map { $0 <= now } ?? false
    }

    /// The stream is gone, and all of it with it.
    mutating func dropped() {
        if let room { giveBack(counted + lent, to: room) }
        (bytes, outOfRoomSince, isRefused, room) = (0, nil, false, nil)
    }
}
