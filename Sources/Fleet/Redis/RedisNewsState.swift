// What has to be asked for next of the fleet's news, and what the answers mean. A value: answers in, news out.
//
// A question is two commands at once: `watch` (which state is this, and the number of its last news), then a read of the stream
// that waits a little. Numbers have no holes; where one does show, something was trimmed or lost, and all pages go.

import Ground

/// Which news: its number, and the birth of the state that counts them. What is said of it is said of no other.
struct RedisNewsID: Sendable, Equatable {
    let number: Int
    let born: String
    /// Who told it, and for how many milliseconds anybody may have shown pages then without asking; where that is asked for.
    var member = ""
    var longest = 0

    var text: String { "\(number)@\(born)" + (member.isEmpty ? "" : "@\(member)@\(longest)") }

    init(number: Int, born: String, member: String = "", longest: Int = 0) {
        (self.number, self.born, self.member, self.longest) = (number, born, member, longest)
    }

    init?(text: String) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 4, let number = Int(parts[0]) else { return nil }
        self.init(number: number, born: String(parts[1]))
        if parts.count == 4 { (member, longest) = (String(parts[2]), Int(parts[3]) ?? 0) }
    }
}

/// Where a reader of the stream stands.
struct RedisNewsState: Sendable {
    /// An answer to `watch`.
    struct Watch: Sendable, Equatable {
        /// The run id of the server that answers, and the birth of the state there. Others: another stream.
        var server: String
        var born: String
        /// The number of the last news at that time, and its place.
        var number: Int
        var place: String
    }

    /// An entry of the stream.
    struct Entry: Sendable, Equatable {
        enum Kind: Sendable, Equatable {
            case invalidated(tags: [UInt64], everything: Bool)
            /// The reader's own: it knows.
            case own
            case paused(scope: String, cause: String, left: Int)
            /// Of a later version.
            case unknown
        }

        var place: String
        /// 0: it is none of ours.
        var number: Int
        var kind: Kind
    }

    /// Entries that one question asks for at most.
    static let batch = 500

    private var source: (server: String, born: String)?
    private var number = 0
    /// Read the stream behind this.
    private(set) var place = "0-0"

    init() {}

    /// The answers to a question.
    ///
    /// - Parameters:
    ///   - asked: when it was sent; a lease counts from then, because nothing is known of later.
    ///   - entries: at most `batch`; more are there if it is as many.
    mutating func take(
        _ watch: Watch, _ entries: [Entry], asked: ContinuousClock.Instant
    ) -> [FleetNews] {
        guard let source, source == (watch.server, watch.born), watch.number >= number else { return begin(watch) }
        var news: [FleetNews] = []
        for entry in entries {
            guard entry.number == number + 1 else { return news + lose() }
            (number, place) = (entry.number, entry.place)
            switch entry.kind {
            case .invalidated(let tags, let everything):
                let id = RedisNewsID(number: number, born: watch.born)
                news.append(.invalidated(id: id.text, tags: tags, everything: everything))
            case .own: break
            case .paused(let scope, let cause, let left):
                news.append(.paused(FleetPause(scope: scope, cause: cause, left: left)))
            case .unknown: news.append(.gap)
            }
        }
        if entries.count >= Self.batch { return news }
        // The read came after the watch and must have shown all that was there.
        if number < watch.number { return news + lose() }
        return news + [.current(asOf: asked)]
    }

    /// Another stream than before, or none before: from its end on.
    private mutating func begin(_ watch: Watch) -> [FleetNews] {
        source = (watch.server, watch.born)
        (number, place) = (watch.number, watch.place)
        return [.gap]
    }

    /// The next answer begins anew: something was missed, or was not taken.
    mutating func lose() -> [FleetNews] {
        source = nil
        return [.gap]
    }
}
