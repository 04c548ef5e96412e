// Starts of runs that are under way, and those that may be: a value, no clock.
//
// Two starts of one test by one caller with the same body are one while the first is unanswered. Starts of one test that are
// not one are in each other's way: what is new in the list afterwards may be the run of either.

struct StartBook: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// What makes two starts one: a hash of caller, call and body.
    struct Join: Sendable, Hashable {
        let hash: String
    }

    enum Decision: Sendable, Equatable {
        case lead(UInt64)
        /// It is the same as this one.
        case join(UInt64)
    }

    private struct Start {
        let join: Join
        /// Of the start itself, or the first that joined it: its run answers no other key.
        var key: String?
        /// Nil: it may be any.
        let test: String?
        var isCrowded = false
    }

    /// So long a start is in the way of others whose outcome was not found out.
    static let memory = Duration.seconds(60)
    private static let mostPast = 1_024

    private var starts: [UInt64: Start] = [:]
    private var past: [(test: String?, until: Instant)] = []
    private var last: UInt64 = 0

    /// A start has come.
    ///
    /// - Parameters:
    ///   - key: its idempotency key, if it has one: two different ones are never one start.
    ///   - test: the tag of its test; nil: it may be any, or several.
    mutating func begin(_ join: Join, key: String?, test: String?, now: Instant) -> Decision {
        let same = starts.filter { $0.value.join == join && ($0.value.key == nil || key == nil || $0.value.key == key) }
        if let number = same.keys.min() {
            starts[number]?.key = same[number]?.key ?? key
            return .join(number)
        }
        past.removeAll { $0.until <= now }
        last += 1
        var start = Start(join: join, key: key, test: test)
        for (number, other) in starts where Self.mayBeOne(other.test, test) {
            starts[number]?.isCrowded = true
            start.isCrowded = true
        }
        if past.contains(where: { Self.mayBeOne($0.test, test) }) { start.isCrowded = true }
        starts[last] = start
        return .lead(last)
    }

    /// Whether another start may have made what this one seems to have made.
    func isCrowded(_ number: UInt64) -> Bool { starts[number]?.isCrowded ?? true }

    /// What came of it is known, or will not be.
    mutating func end(_ number: UInt64, isKnown: Bool, now: Instant) {
        guard let start = starts.removeValue(forKey: number), !isKnown else { return }
        if past.count >= Self.mostPast { past.removeFirst() }
        past.append((start.test, now + Self.memory))
    }

    private static func mayBeOne(_ test: String?, _ other: String?) -> Bool {
        test == nil || other == nil || test == other
    }
}
