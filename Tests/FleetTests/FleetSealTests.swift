// Texts that only members can read, each in its own place.

import Ground
import TestSupport
import Testing

@testable import Fleet

@Suite struct FleetSealTests {
    private let key = (0..<32).map { UInt8($0) }

    @Test("what was sealed for a place is opened there, and nowhere else")
    func places() throws {
        let seal = try #require(FleetSeal(key: key))
        for text in [[], [1], Array("a refresh token".utf8), [UInt8](repeating: 7, count: 100_000)] as [[UInt8]] {
            let sealed = try seal.seal(text, for: "cp1:{0}:tok 4")
            #expect(sealed.count == text.count + FleetSeal.overhead)
            #expect(try seal.open(sealed, for: "cp1:{0}:tok 4") == text)
            #expect(throws: FleetSeal.Failure.broken) { try seal.open(sealed, for: "cp1:{0}:tok 5") }
        }
    }

    @Test("the same text never looks the same twice, and shows nothing of itself")
    func nonces() throws {
        let seal = try #require(FleetSeal(key: key))
        let text = Array("names and e-mails".utf8)
        let sealed = try (0..<200).map { _ in try seal.seal(text, for: "a") }
        #expect(Set(sealed.map { Array($0[5..<17]) }).count == 200)
        #expect(Set(sealed).count == 200)
        #expect(!String(decoding: sealed[0], as: UTF8.self).contains("names"))
    }

    @Test("every changed, missing or added byte is noticed")
    func changed() throws {
        let seal = try #require(FleetSeal(key: key))
        let sealed = try seal.seal(Array("text".utf8), for: "a")
        for place in sealed.indices {
            var other = sealed
            other[place] ^= 1
            #expect(throws: FleetSeal.Failure.self) { try seal.open(other, for: "a") }
            #expect(throws: FleetSeal.Failure.self) { try seal.open(Array(sealed[..<place]), for: "a") }
        }
        #expect(throws: FleetSeal.Failure.broken) { try seal.open(sealed + [0], for: "a") }
    }

    @Test("another key is told from a broken text, and no key is shown")
    func otherKey() throws {
        let seal = try #require(FleetSeal(key: key))
        let other = try #require(FleetSeal(key: key.reversed()))
        let sealed = try seal.seal([1, 2, 3], for: "a")
        #expect(throws: FleetSeal.Failure.otherKey) { try other.open(sealed, for: "a") }
        #expect(FleetSeal(key: Array(key.dropLast())) == nil)
        #expect(FleetSeal(key: key + [0]) == nil)
        #expect("\(seal)\(String(reflecting: seal))" == "a seala seal")
    }
}

@Suite struct SealedSignInTests {
    private let ledger = MemoryLedger(time: .system)

    private func hands(_ member: UInt64, key: UInt8 = 1, fleet: String = "f") throws -> SealedSignIn {
        SealedSignIn(
            ledger, member: FleetMemberID(member),
            seal: try #require(FleetSeal(key: [UInt8](repeating: key, count: 32))), fleet: fleet)
    }

    @Test("a rotated token goes from member to member, and never lies in the clear")
    func rotation() async throws {
        let (one, two) = (try hands(1), try hands(2))
        let first = try await one.take(lease: 60_000)
        #expect(first == SealedSignIn.Holding(generation: 0, token: nil, lease: 60_000, busy: 0))
        let token = Array("a refresh token".utf8)
        try await one.put(token, after: 0)
        let next = try await two.take(lease: 60_000)
        #expect(next == SealedSignIn.Holding(generation: 1, token: token, lease: 60_000, busy: 0))
        #expect(try await one.take(lease: 60_000).lease == nil)
        let kept = try await ledger.takeSignIn(lease: 1, by: FleetMemberID(2)).sealed
        #expect(!String(decoding: kept, as: UTF8.self).contains("refresh"))
        try await two.release()
        #expect(try await one.take(lease: 60_000).lease == 60_000)
    }

    @Test("what was sealed with another key, for another fleet or generation is foreign, and is let go of")
    func foreign() async throws {
        let one = try hands(1)
        _ = try await one.take(lease: 60_000)
        try await one.put([1, 2, 3], after: 0)
        for other in [try hands(2, key: 2), try hands(2, fleet: "g")] {
            let taken = await result { () throws(FleetError) in try await other.take(lease: 60_000) }
            guard case .failure(.foreign) = taken else { throw NeverHappened(what: "foreign: \(taken)") }
        }
        // An older token in the place of a newer one.
        let old = try await ledger.takeSignIn(lease: 60_000, by: FleetMemberID(1)).sealed
        try await ledger.putSignIn(old, after: 1, by: FleetMemberID(1))
        let taken = await result { () throws(FleetError) in try await one.take(lease: 60_000) }
        guard case .failure(.foreign) = taken else { throw NeverHappened(what: "foreign: \(taken)") }
    }
}
