// Texts that only members can read, each in its own place.

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
