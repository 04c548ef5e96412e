// What is known of each Idempotency-Key: a value, no clock, no file. Every change that must outlive the process is a record;
// a book that has read the records is as good as the one that made them, but that nobody is at work any more.
//
// A key is held while its call is under way, open when it was sent and nobody knows what came of it, and answered for the
// rest of its day. Only a key that is none of these may lead to a call.

import ClashAPI

/// The keys of the last 24 hours.
struct KeyBook: Sendable {
    /// What is remembered of a call before it is sent.
    struct Claim: Sendable, Equatable {
        let key: CallKey
        /// In seconds since 1970.
        let time: Int64
        /// The correlation id of its first request.
        let id: String
        /// Of a start of a run: what it asks for, and what there was before.
        var start: RunStart?
        var known: KnownRuns?
        /// Another start of the same test was sent since: what is new may be that one's.
        var isCrowded = false
    }

    /// A change that outlives the process.
    enum Record: Sendable, Equatable {
        case claimed(Claim)
        case crowded(String)
        case answered(String, KeptAnswer)
        /// It surely was not carried out, and the key is free.
        case released(String)
    }

    /// What becomes of a request that brings a key.
    enum Decision: Sendable, Equatable {
        /// It may be sent, once `bind` has said so.
        case lead
        /// It is under way.
        case wait
        /// It was sent, and nobody knows what came of it: whoever gets this finds out.
        case settle(Claim)
        /// It was answered.
        case replay(KeptAnswer, firstID: String)
        /// The key belongs to another request.
        case reused
        /// There is no room for another key.
        case full
    }

    private enum State: Equatable {
        case held
        case open
        case answered(KeptAnswer)
    }

    private struct Entry {
        var claim: Claim
        var state: State
        /// Whether a record of it was made.
        var isBound: Bool
    }

    /// So long a key is remembered, in seconds.
    static let memory: Int64 = 86_400
    private let mostKeys: Int
    private let mostBytes: Int
    private var entries: [String: Entry] = [:]
    /// Ids in the order of their claims, those that are gone among them.
    private var order: [String] = []
    private var first = 0
    private var owners: [String: Int] = [:]
    /// Those that are not answered.
    private var unanswered: Set<String> = []
    /// Of the bodies and fields that are kept.
    private(set) var bytes = 0
    /// Answers before this place in the order have no body any more.
    private var firstWithBody = 0

    /// - Parameters:
    ///   - mostKeys: no owner has more than half of them, and about a tenth of them at most is unanswered.
    ///   - mostBytes: above it the oldest answers lose their bodies.
    init(mostKeys: Int = 100_000, mostBytes: Int = 32 << 20) {
        (self.mostKeys, self.mostBytes) = (mostKeys, mostBytes)
    }

    var count: Int { entries.count }
    /// Keys of calls that are under way, or of which nobody knows what came of them.
    var openCount: Int { unanswered.count }

    // MARK: Requests

    /// A request brings a key.
    mutating func begin(_ key: CallKey, id: String, now: Int64) -> Decision {
        forget(now)
        if let entry = entries[key.id] {
            guard entry.claim.key.request == key.request else { return .reused }
            switch entry.state {
            case .held: return .wait
            case .answered(let answer): return .replay(answer, firstID: entry.claim.id)
            case .open:
                entries[key.id]?.state = .held
                return .settle(entry.claim)
            }
        }
        guard entries.count < mostKeys, unanswered.count < mostKeys / 10 + 10,
            owners[key.owner, default: 0] < max(mostKeys / 2, 1)
        else { return .full }
        add(Entry(claim: Claim(key: key, time: now, id: id), state: .held, isBound: false))
        return .lead
    }

    /// The call is about to be sent: the record that is to be durable before that.
    mutating func bind(_ id: String, start: RunStart?, known: KnownRuns?, isCrowded: Bool = false) -> Record? {
        guard var entry = entries[id], entry.state == .held else { return nil }
        (entry.claim.start, entry.claim.known, entry.isBound) = (start, known, true)
        entry.claim.isCrowded = isCrowded
        entries[id] = entry
        return .claimed(entry.claim)
    }

    /// A start of a test is about to be sent: the records that keep its run from being taken for that of another start.
    ///
    /// - Parameter test: nil: it may be any.
    mutating func crowd(_ test: String?, by id: String?) -> [Record] {
        unanswered.compactMap { other in
            guard other != id, let claim = entries[other]?.claim, let its = claim.start?.test, !claim.isCrowded,
                test == nil || test == its
            else { return nil }
            entries[other]?.claim.isCrowded = true
            return .crowded(other)
        }
    }

    /// Whether another start may have made what a start of this key seems to have made.
    func isCrowded(_ id: String) -> Bool { entries[id]?.claim.isCrowded ?? true }

    /// The call was answered: the record that is to be written before anybody hears. Nil for keys that are not held.
    func record(of answer: KeptAnswer, _ id: String) -> Record? {
        entries[id].flatMap { $0.state == .held ? .answered(id, answer) : nil }
    }

    /// The answer may be given to everybody.
    mutating func answered(_ id: String, _ answer: KeptAnswer) {
        guard entries[id]?.state == .held else { return }
        entries[id]?.state = .answered(answer)
        // What there was before it need not be known any more.
        entries[id]?.claim.known = nil
        unanswered.remove(id)
        bytes += answer.size
        dropBodies()
    }

    /// It was sent, and what came of it stays unknown: it is never sent again, and the next request finds out.
    mutating func unknown(_ id: String) { if entries[id]?.state == .held { entries[id]?.state = .open } }

    /// It surely was not carried out: the record to be written, where there was one before.
    func recordOfRelease(_ id: String) -> Record? {
        entries[id].flatMap { $0.state == .held && $0.isBound ? .released(id) : nil }
    }

    /// The key is free again.
    mutating func released(_ id: String) { if entries[id]?.state == .held { remove(id) } }

    // MARK: Files

    /// Reads a record of an earlier process; those of one key in their order.
    mutating func read(_ record: Record) {
        switch record {
        case .claimed(let claim):
            remove(claim.key.id)
            add(Entry(claim: claim, state: .open, isBound: true))
        case .crowded(let id): entries[id]?.claim.isCrowded = true
        case .answered(let id, let answer):
            if case .answered(let former)? = entries[id]?.state { bytes -= former.size }
            guard entries[id] != nil else { return }
            entries[id]?.state = .answered(answer)
            entries[id]?.claim.known = nil
            unanswered.remove(id)
            bytes += answer.size
            dropBodies()
        case .released(let id): remove(id)
        }
    }

    /// All that a new file needs.
    mutating func records(now: Int64) -> [Record] {
        forget(now)
        return order[first...].flatMap { id -> [Record] in
            guard let entry = entries[id], entry.isBound else { return [] }
            if case .answered(let answer) = entry.state { return [.claimed(entry.claim), .answered(id, answer)] }
            return [.claimed(entry.claim)]
        }
    }

    /// Claims of starts that nobody has found out about.
    var openStarts: [Claim] {
        unanswered.compactMap { id in
            entries[id].flatMap { $0.state == .open && $0.claim.start != nil ? $0.claim : nil }
        }
    }

    // MARK: Bounds

    private mutating func add(_ entry: Entry) {
        let id = entry.claim.key.id
        entries[id] = entry
        order.append(id)
        unanswered.insert(id)
        owners[entry.claim.key.owner, default: 0] += 1
    }

    private mutating func remove(_ id: String) {
        guard let entry = entries.removeValue(forKey: id) else { return }
        if case .answered(let answer) = entry.state { bytes -= answer.size }
        unanswered.remove(id)
        let owner = entry.claim.key.owner
        owners[owner, default: 1] -= 1
        if owners[owner] == 0 { owners[owner] = nil }
        // Its place in the order stays until it comes first, or the order is made anew.
        guard order.count - first > 2 * entries.count + 64 else { return }
        var seen: Set<String> = []
        order = order[first...].reversed().filter { entries[$0] != nil && seen.insert($0).inserted }.reversed()
        (first, firstWithBody) = (0, 0)
    }

    /// A day is over for the first. What is under way stays.
    private mutating func forget(_ now: Int64) {
        while first < order.count {
            let id = order[first]
            if let entry = entries[id] {
                guard entry.claim.time + Self.memory <= now, entry.state != .held else { break }
                remove(id)
                // The order may have been made anew.
                if first >= order.count || order[first] != id { continue }
            }
            first += 1
        }
        firstWithBody = max(firstWithBody, first)
    }

    private mutating func dropBodies() {
        while bytes > mostBytes, firstWithBody < order.count {
            let id = order[firstWithBody]
            firstWithBody += 1
            guard let entry = entries[id], case .answered(var answer) = entry.state, answer.body != nil else {
                continue
            }
            bytes -= answer.size
            answer.dropBody()
            bytes += answer.size
            entries[id]?.state = .answered(answer)
        }
    }
}
