// What a stream cannot send counts against a room, and without room it has a deadline.

import NIOCore
import Testing

@testable import Edge

@Suite("Unsent answers") struct UnsentAnswerTests {
    private final class Room: AnswerRoom {
        var free: Int
        init(_ free: Int) { self.free = free }
        func take(_ bytes: Int) -> Bool {
            guard bytes <= free else { return false }
            free -= bytes
            return true
        }
        func giveBack(_ bytes: Int) { free += bytes }
    }

    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test("what is above the free part is counted, given back as it leaves, and all of it when the stream is gone")
    func counts() {
        let room = Room(100_000)
        var answer = UnsentAnswer()
        answer.add(UnsentAnswer.free)
        answer.count(in: room, now: start)
        #expect(room.free == 100_000)
        answer.add(30_000)
        answer.count(in: room, now: start)
        #expect(room.free == 70_000 && !answer.isFull && answer.deadline == nil)
        answer.left(10_000, now: start)
        #expect(room.free == 80_000)
        // The exchange has ended by now; the room is still known.
        answer.count(in: nil, now: start)
        answer.dropped()
        #expect(room.free == 100_000)
        answer.dropped()
        #expect(room.free == 100_000)
    }

    @Test("without room the flow waits, and at the deadline it is hopeless unless room was found")
    func outOfRoom() {
        let room = Room(10_000)
        var answer = UnsentAnswer()
        answer.add(UnsentAnswer.free + 20_000)
        answer.count(in: room, now: start)
        let deadline = start + UnsentAnswer.patience
        #expect(room.free == 10_000 && answer.isFull && answer.deadline == deadline)
        let early = deadline - .nanoseconds(1)
        let earlyOn = answer.isHopeless(now: early)
        #expect(!earlyOn)
        answer.count(in: room, now: early)
        #expect(answer.deadline == deadline, "handing over more is no reason to wait for longer")
        var late = answer
        let withoutRoom = late.isHopeless(now: deadline)
        #expect(withoutRoom)
        room.free = 20_000
        let withRoom = answer.isHopeless(now: deadline)
        #expect(!withRoom && !answer.isFull && answer.deadline == nil)
        #expect(room.free == 0)
        answer.left(20_000, now: deadline)
        #expect(room.free == 20_000)
    }

    @Test("a large one is full until half of it has left, whatever the room")
    func large() {
        var answer = UnsentAnswer()
        answer.add(65_537)
        answer.count(in: nil, now: start)
        #expect(answer.isFull && answer.deadline == nil)
        answer.left(30_000, now: start)
        #expect(answer.isFull)
        answer.left(5_000, now: start)
        #expect(!answer.isFull)
    }
}
