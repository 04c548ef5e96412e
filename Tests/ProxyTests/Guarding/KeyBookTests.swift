// The keys' state machine, and what is left of it when a process dies at any step.

import CurlTransport
import HTTPTypes
import TestSupport
import Testing

@testable import Proxy

@Suite struct KeyBookTests {
    private func key(_ id: String, owner: String = "me", request: String = "r") -> CallKey {
        CallKey(id: id, owner: owner, request: request)
    }

    private func answer(_ status: Int = 201, bytes: Int = 2) -> KeptAnswer {
        KeptAnswer(
            status: status, fields: fields(["Content-Type": "application/json"]),
            body: [UInt8](repeating: 0x20, count: bytes))
    }

    @Test("the first leads, the next wait, an answer is given again for a day, another request is refused")
    func life() {
        var book = KeyBook()
        #expect(book.begin(key("k"), id: "1", now: 0) == .lead)
        #expect(book.begin(key("k"), id: "2", now: 1) == .wait)
        #expect(book.begin(key("k", request: "other"), id: "3", now: 1) == .reused)
        #expect(book.bind("k", start: nil, known: nil) != nil)
        #expect(book.begin(key("k"), id: "2", now: 2) == .wait)
        #expect(book.record(of: answer(), "k") == .answered("k", answer()))
        #expect(book.begin(key("k"), id: "2", now: 2) == .wait, "not before it is on disk")
        book.answered("k", answer())
        #expect(book.begin(key("k"), id: "4", now: 86_399) == .replay(answer(), firstID: "1"))
        #expect(book.begin(key("k", request: "other"), id: "4", now: 86_399) == .reused)
        #expect(book.begin(key("k", request: "other"), id: "5", now: 86_400) == .lead)
    }

    @Test("what was not carried out leaves the key free; what is unknown leaves it bound, for the next to find out")
    func ends() {
        var book = KeyBook()
        _ = book.begin(key("k"), id: "1", now: 0)
        #expect(book.recordOfRelease("k") == nil, "nothing was written")
        book.released("k")
        #expect(book.begin(key("k", request: "other"), id: "2", now: 0) == .lead)
        _ = book.bind("k", start: nil, known: nil)
        #expect(book.recordOfRelease("k") == .released("k"))
        book.unknown("k")
        #expect(book.begin(key("k"), id: "3", now: 1) == .reused)
        guard case .settle(let claim) = book.begin(key("k", request: "other"), id: "3", now: 1) else {
            Issue.record("it is to be settled")
            return
        }
        #expect(claim.id == "2")
        #expect(book.begin(key("k", request: "other"), id: "4", now: 1) == .wait)
        book.unknown("k")
        #expect(book.openCount == 1)
        #expect(book.begin(key("k", request: "other"), id: "5", now: 86_400) == .lead, "its day is over")
    }

    @Test("no owner has more than half of the places, and what is full says so")
    func bounds() {
        var book = KeyBook(mostKeys: 4, mostBytes: 1 << 20)
        #expect(book.begin(key("a"), id: "", now: 0) == .lead)
        #expect(book.begin(key("b"), id: "", now: 0) == .lead)
        #expect(book.begin(key("c"), id: "", now: 0) == .full)
        #expect(book.begin(key("c", owner: "you"), id: "", now: 0) == .lead)
        #expect(book.begin(key("d", owner: "they"), id: "", now: 0) == .lead)
        #expect(book.begin(key("e", owner: "others"), id: "", now: 0) == .full)
        book.released("a")
        #expect(book.begin(key("e", owner: "others"), id: "", now: 0) == .lead)
        #expect(book.count == 4)
    }

    @Test("of a thousand places a hundred and ten are for what has no answer yet")
    func unanswered() {
        var book = KeyBook(mostKeys: 1_000)
        for index in 0..<110 { #expect(book.begin(key("\(index)"), id: "", now: 0) == .lead) }
        #expect(book.begin(key("k"), id: "", now: 0) == .full)
        book.answered("0", answer())
        #expect(book.begin(key("k"), id: "", now: 0) == .lead)
    }

    @Test("the oldest answers lose their bodies when there are too many bytes, and nothing else")
    func bytes() {
        var book = KeyBook(mostKeys: 100, mostBytes: 25_000)
        for index in 0..<5 {
            let id = "\(index)"
            _ = book.begin(key(id), id: id, now: 0)
            _ = book.bind(id, start: nil, known: nil)
            book.answered(id, answer(bytes: 10_000))
        }
        #expect(book.bytes <= 25_000)
        let bodies = (0..<5).map { index -> Int? in
            guard case .replay(let kept, _) = book.begin(key("\(index)"), id: "", now: 0) else { return -1 }
            return kept.body?.count
        }
        #expect(bodies == [nil, nil, nil, 10_000, 10_000])
    }

    @Test("an answer over 64 KiB is kept without its body, and a replay says so")
    func dropped() {
        let kept = answer(bytes: KeptAnswer.mostBytes + 1)
        #expect(kept.body == nil)
        #expect(kept.response(isReplay: true).fields[.idempotentReplayed] == "true; body=dropped")
        #expect(answer(bytes: KeptAnswer.mostBytes).response(isReplay: true).fields[.idempotentReplayed] == "true")
        #expect(answer().response(isReplay: false).fields[.idempotentReplayed] == nil)
    }

    @Test("records are lines that are read as they were written, and no other line is one")
    func lines() throws {
        var claim = KeyBook.Claim(key: key("k"), time: 7, id: "\u{2028}odd\"", isCrowded: true)
        claim.isCrowded = false
        let answer = KeptAnswer(
            status: 201, fields: fields(["A": "1", "a": "2", "Location": "https://x/é"]), body: Array(0...255))
        let records: [KeyBook.Record] = [
            .claimed(claim), .crowded("k"), .answered("k", answer), .answered("k", self.answer(bytes: 70_000)),
            .released("k"),
        ]
        for record in records {
            let line = record.line
            #expect(line.last == 0x0A && !line.dropLast().contains(0x0A))
            #expect(KeyBook.Record(line: line.dropLast()) == record)
            #expect(KeyBook.Record(line: line.dropLast(2)) == nil)
            for index in [0, 17, line.count / 2] {
                var other = line
                other[index] ^= 1
                #expect(KeyBook.Record(line: other.dropLast()) == nil)
            }
        }
    }

    /// What upstream has done for each key, and what tools were told.
    private struct World {
        var carriedOut: [String: Int] = [:]
        var told: [String: KeptAnswer] = [:]
    }

    @Test("whatever dies wherever, no key is carried out twice, and who was told something is told the same again")
    func crashes() {
        for seed in 0..<300 {
            var random = SeededGenerator(seed: UInt64(seed))
            var (book, world, disk) = (KeyBook(), World(), [KeyBook.Record]())
            for step in 0..<60 {
                let key = key("\(Int.random(in: 0..<4, using: &random))")
                // A process dies after any of the steps of a call; what was written by then is there.
                var life = Int.random(in: 0..<9, using: &random)
                func dies() -> Bool {
                    defer { life -= 1 }
                    return life == 0
                }
                func die() {
                    book = KeyBook()
                    for record in disk { book.read(record) }
                }
                switch book.begin(key, id: "\(step)", now: Int64(step)) {
                case .wait, .reused, .full: Issue.record("one after the other")
                case .replay(let answer, _):
                    #expect(world.told[key.id].map { $0 == answer } ?? true)
                    world.told[key.id] = answer
                case .settle:
                    #expect(world.carriedOut[key.id, default: 0] <= 1)
                    if dies() {
                        die()
                        continue
                    }
                    book.unknown(key.id)
                case .lead:
                    #expect(world.carriedOut[key.id, default: 0] == 0, "seed \(seed)")
                    #expect(world.told[key.id] == nil)
                    if dies() {
                        die()
                        continue
                    }
                    guard let claim = book.bind(key.id, start: nil, known: nil) else { continue }
                    if dies() {
                        die()
                        continue
                    }
                    disk.append(claim)
                    if dies() {
                        die()
                        continue
                    }
                    // It is not sent, it is lost, or it is answered.
                    switch Int.random(in: 0..<3, using: &random) {
                    case 0:
                        guard let record = book.recordOfRelease(key.id) else { continue }
                        if dies() {
                            die()
                            continue
                        }
                        disk.append(record)
                        book.released(key.id)
                    case 1:
                        world.carriedOut[key.id, default: 0] += 1
                        if dies() {
                            die()
                            continue
                        }
                        book.unknown(key.id)
                    default:
                        world.carriedOut[key.id, default: 0] += 1
                        if dies() {
                            die()
                            continue
                        }
                        let kept = answer(200 + step)
                        guard let record = book.record(of: kept, key.id) else { continue }
                        if dies() {
                            die()
                            continue
                        }
                        disk.append(record)
                        if dies() {
                            die()
                            continue
                        }
                        book.answered(key.id, kept)
                        world.told[key.id] = kept
                    }
                }
                // The file is made anew now and then, and means the same.
                if step % 20 == 19 {
                    disk = book.records(now: Int64(step))
                    if Bool.random(using: &random) { die() }
                }
            }
            #expect(world.carriedOut.values.allSatisfy { $0 <= 1 })
        }
    }
}
