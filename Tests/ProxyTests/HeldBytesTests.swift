// What is held in memory for tools has a total, of which no caller and no kind takes all.

import TestSupport
import Testing

@testable import Proxy

@Suite struct HeldBytesTests {
    @Test("all together keep within the limit, and one caller within half of it")
    func shares() {
        let held = HeldBytes(limit: 100, largestBody: 30)
        #expect(held.take(50, of: .answer, for: "a"))
        #expect(!held.take(1, of: .answer, for: "a"))
        #expect(held.take(40, of: .answer, for: "b"))
        #expect(!held.take(11, of: .answer, for: "c"))
        #expect(held.take(10, of: .answer, for: "c"))
        #expect(held.total == 100)
        held.giveBack(50, of: .answer, for: "a")
        #expect(held.take(50, of: .answer, for: "a"))
    }

    @Test("request bodies take half of it at most, answers may take the rest")
    func requests() {
        let held = HeldBytes(limit: 100, largestBody: 30)
        #expect(held.take(30, of: .request, for: "a"))
        #expect(held.take(20, of: .request, for: "b"))
        #expect(!held.take(1, of: .request, for: "c"))
        #expect(held.take(50, of: .answer, for: "c"))
        held.giveBack(20, of: .request, for: "b")
        #expect(held.take(20, of: .request, for: "d"))
    }

    @Test("a visit's room grows with its bodies and goes back as a whole")
    func room() {
        let held = HeldBytes(limit: 100, largestBody: 30)
        var room = HeldRoom(in: held, for: "a")
        let grown = [room.grow(by: 20, .request), room.grow(by: 30, .answer), room.grow(by: 1, .answer)]
        #expect(grown == [true, true, false])
        #expect(held.total == 50)
        room.giveBack()
        room.giveBack()
        #expect(held.total == 0)
        #expect(held.take(30, of: .request, for: "a"))
    }

    @Test("a caller leaves others room for bodies: it has a quarter, or one; nobody in particular has half")
    func callers() {
        let held = HeldBytes(limit: 100, largestBody: 10)
        #expect(held.take(25, of: .request, for: "a"))
        #expect(!held.take(1, of: .request, for: "a"))
        #expect(held.take(25, of: .request, for: "b"))
        held.giveBack(25, of: .request, for: "a")
        held.giveBack(25, of: .request, for: "b")
        #expect(held.take(50, of: .request, for: "anonymous"))
        #expect(!held.take(1, of: .request, for: "anonymous"))
    }

    @Test("whatever comes and goes, the shares hold and nothing is lost", arguments: 1...20 as ClosedRange<UInt64>)
    func random(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var ledger = HeldBytesLedger(limit: 1_000, largestBody: 100)
        var given: [(bytes: Int, kind: HeldBytesLedger.Kind, caller: String)] = []
        for _ in 0..<2_000 {
            if Bool.random(using: &random), !given.isEmpty {
                let back = given.remove(at: Int.random(in: given.indices, using: &random))
                ledger.giveBack(back.bytes, of: back.kind, for: back.caller)
            } else {
                let wanted = (
                    bytes: Int.random(in: 0...300, using: &random),
                    kind: Bool.random(using: &random) ? HeldBytesLedger.Kind.request : .answer,
                    caller: ["a", "b", "c"].randomElement(using: &random) ?? "a"
                )
                if ledger.take(wanted.bytes, of: wanted.kind, for: wanted.caller) { given.append(wanted) }
            }
            #expect(ledger.total == given.reduce(0) { $0 + $1.bytes } && ledger.total <= 1_000)
            #expect(ledger.requests == given.filter { $0.kind == .request }.reduce(0) { $0 + $1.bytes })
            #expect(ledger.requests <= 500)
            for caller in ["a", "b", "c"] {
                let own = given.filter { $0.caller == caller }
                #expect(own.reduce(0) { $0 + $1.bytes } <= 500)
                #expect(own.filter { $0.kind == .request }.reduce(0) { $0 + $1.bytes } <= 250)
            }
        }
    }
}
