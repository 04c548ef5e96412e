// Who comes with a token of an issuer, and how long what was decided about that token holds.

import Synchronization

/// Somebody for whom an issuer vouches: a person or a machine. Immutable.
final class Person: Sendable, Equatable {
    /// The issuer's URL.
    let issuer: String
    /// Its `sub`.
    let subject: String
    /// What tells it from everybody else.
    let id: String

    init(issuer: String, subject: String) {
        (self.issuer, self.subject) = (issuer, subject)
        id = CallerID.of(issuer: issuer, subject: subject)
    }

    static func == (left: Person, right: Person) -> Bool { left.id == right.id }
}

/// Counts what makes earlier decisions by an issuer's keys void. Usable from every thread.
final class KeyGeneration: Sendable {
    private let value = Atomic<UInt64>(0)

    var current: UInt64 { value.load(ordering: .acquiring) }

    func advance(to generation: UInt64) { value.store(generation, ordering: .releasing) }
}

/// How long a decision about a token holds. Immutable.
final class TokenStanding: Sendable {
    private let end: Int64
    private let generation: UInt64
    private let keys: KeyGeneration

    /// - Parameters:
    ///   - end: the first second of the wall clock in which it does not hold any more.
    ///   - generation: of the keys that it was made with.
    init(until end: Int64, generation: UInt64, of keys: KeyGeneration) {
        (self.end, self.generation, self.keys) = (end, generation, keys)
    }

    func holds(at wallSeconds: Int64) -> Bool { wallSeconds < end && generation == keys.current }
}
