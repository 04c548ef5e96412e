// What a stream cannot send counts against a room, and without room it has a deadline.

import NIOCore
import Testing

@testable import Edge

@Suite("Unsent answers") struct UnsentAnswerTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test("what is above the free part is counted, given back as it leaves, and all of it when the stream is gone")
    func counts() {
        let room = CountedRoom(100_000)
        var answer = UnsentAnswer()
        answer.add(UnsentAnswer.free)
        answer.count(in: room, now: start)
        #expect(room.free == 100_000)
        answer.add(30_000)
        answer.count(in: room, now: start)
        #expect(room.free == 70_000 && !answer.isFull && answer.deadline(after: start) == nil)
        answer.left(10_000, now: start)
        #expect(room.free == 80_000)
        // The exchange has ended by now; the room is still known.
        answer.count(in: nil, now: start)
        answer.dropped()
        #expect(room.free == 100_000)
        answer.dropped()
        #expect(room.free == 100_000)
    }

    @Test("without room some is lent, the flow waits, and at the deadline it is hopeless unless room was found")
    func outOfRoom() {
        let room = CountedRoom(10_000, lendable: 50_000)
        var answer = UnsentAnswer()
        answer.add(UnsentAnswer.free + 20_000)
        answer.count(in: room, now: start)
        let deadline = start + UnsentAnswer.patience
        #expect(room.free == 10_000 && room.lendable == 30_000)
        #expect(answer.isFull && answer.deadline(after: start) == deadline)
        let early = deadline - .nanoseconds(1)
        let earlyOn = answer.isHopeless(now: early, progress: start)
        #expect(!earlyOn)
        answer.count(in: room, now: early)
        #expect(answer.deadline(after: start) == deadline, "handing over more is no reason to wait for longer")
        #expect(answer.deadline(after: early) == early + UnsentAnswer.patience, "but a tool that reads is")
        var late = answer
        let withoutRoom = late.isHopeless(now: deadline, progress: start)
        #expect(withoutRoom)
        room.free = 20_000
        let withRoom = answer.isHopeless(now: deadline, progress: start)
        #expect(!withRoom && !answer.isFull && answer.deadline(after: start) == nil)
        #expect(room.free == 0 && room.lendable == 50_000)
        answer.left(20_000, now: deadline)
        #expect(room.free == 20_000)
    }

    @Test("what is lent goes back first, and what cannot be lent either is given up at once")
    func lent() {
        let room = CountedRoom(30_000, lendable: 20_000)
        var answer = UnsentAnswer()
        answer.add(UnsentAnswer.free + 30_000)
        answer.count(in: room, now: start)
        answer.add(15_000)
        answer.count(in: room, now: start)
        #expect(room.free == 0 && room.lendable == 5_000 && answer.counted == 30_000 && answer.lent == 15_000)
        answer.left(10_000, now: start)
        #expect(room.free == 0 && room.lendable == 15_000)
        answer.add(20_000)
        answer.count(in: room, now: start)
        #expect(room.lendable == 15_000, "all or nothing")
        #expect(answer.deadline(after: start + .seconds(1)) == start)
        var refused = answer
        let atOnce = refused.isHopeless(now: start, progress: start)
        #expect(atOnce)
        answer.left(5_000, now: start)
        #expect(room.lendable == 0 && answer.deadline(after: start) == start + UnsentAnswer.patience)
        answer.dropped()
        #expect(room.free == 30_000 && room.lendable == 20_000)
    }

    @Test("a large one is full until half of it has left, whatever the room")
    func large() {
        var answer = UnsentAnswer()
        answer.add(65_537)
        answer.count(in: nil, now: start)
        #expect(answer.isFull && answer.deadline(after: start) == nil)
        answer.left(30_000, now: start)
        #expect(answer.isFull)
        answer.left(5_000, now: start)
        #expect(!answer.isFull)
    }
}
