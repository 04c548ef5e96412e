// Tokens whose signature was found good a moment ago, by their hash: the same one comes again with every call.

import Crypto
import Synchronization

/// A bounded memory of decisions. Usable from every event loop.
final class VerifiedTokens: Sendable {
    /// What was decided about a token.
    struct Entry: Sendable {
        let caller: Caller
        let standing: TokenStanding
    }

    /// Those that were used lately, and those before them: what is in neither is forgotten.
    private struct Halves {
        var young: [SHA256.Digest: Entry] = [:]
        var old: [SHA256.Digest: Entry] = [:]
    }

    private let halves = Mutex(Halves())
    private let half: Int

    /// - Parameter limit: as many tokens at most.
    init(limit: Int = 8192) { half = max(limit / 2, 1) }

    /// What was decided about the token with this hash, where it still holds.
    func find(_ hash: SHA256.Digest, wallSeconds: Int64) -> Entry? {
        halves.withLock { halves in
            if let entry = halves.young[hash] {
                if entry.standing.holds(at: wallSeconds) { return entry }
                halves.young[hash] = nil
                return nil
            }
            guard let entry = halves.old[hash], entry.standing.holds(at: wallSeconds) else { return nil }
            keep(entry, hash, &halves)
            return entry
        }
    }

    func remember(_ entry: Entry, for hash: SHA256.Digest) {
        halves.withLock { keep(entry, hash, &$0) }
    }

    var count: Int { halves.withLock { $0.young.count + $0.old.count } }

    private func keep(_ entry: Entry, _ hash: SHA256.Digest, _ halves: inout Halves) {
        if halves.young.count >= half { (halves.old, halves.young) = (halves.young, [:]) }
        halves.young[hash] = entry
    }
}
