// The bytes of requests and answers that are held in memory for tools, all together: bodies that are read whole before
// their turn, and answers that were taken off upstream while their tool is still reading (listen.max_held_bytes).

import Synchronization

/// What is held, and for whom. One for the process; usable from every thread.
final class HeldBytes: Sendable {
    private let ledger: Mutex<HeldBytesLedger>
    /// What waits for the windows of tools: see `UnsentRoom`.
    private let unsent: Mutex<HeldBytesLedger>

    /// - Parameters:
    ///   - limit: bytes in all.
    ///   - largestBody: bytes of one request body that every caller may have.
    init(limit: Int, largestBody: Int) {
        ledger = Mutex(HeldBytesLedger(limit: limit, largestBody: largestBody))
        unsent = Mutex(HeldBytesLedger(limit: limit / UnsentRoom.share, largestBody: 0))
    }

    /// Other limits hold from now on; what is held stays.
    func change(limit: Int, largestBody: Int) {
        ledger.withLock { $0.change(limit: limit, largestBody: largestBody) }
        unsent.withLock { $0.change(limit: limit / UnsentRoom.share, largestBody: 0) }
    }

    /// Takes room for so many bytes more. False, and nothing has changed, where there is none.
    func take(_ bytes: Int, of kind: HeldBytesLedger.Kind, for caller: String) -> Bool {
        ledger.withLock { $0.take(bytes, of: kind, for: caller) }
    }

    /// Gives room back that was taken.
    func giveBack(_ bytes: Int, of kind: HeldBytesLedger.Kind, for caller: String) {
        ledger.withLock { $0.giveBack(bytes, of: kind, for: caller) }
    }

    /// Takes room for so many bytes more that a tool does not let us send. False, and nothing has changed, where there is
    /// none.
    func takeUnsent(_ bytes: Int, for caller: String) -> Bool {
        unsent.withLock { $0.take(bytes, of: .answer, for: caller) }
    }

    /// Gives such room back.
    func giveBackUnsent(_ bytes: Int, for caller: String) {
        unsent.withLock { $0.giveBack(bytes, of: .answer, for: caller) }
    }

    /// Bytes that wait for the windows of tools now.
    var totalUnsent: Int { unsent.withLock { $0.total } }

    /// Bytes held now.
    var total: Int { ledger.withLock { $0.total } }
}

/// The rules: no caller holds more than half of the whole, and request bodies together neither. Of these a named caller
/// has half again, or one body, so that it cannot keep everybody else from sending any.
///
/// 1. `total` is the sum over callers, and of that `requests` the part of request bodies.
/// 2. A caller that holds nothing is not listed, so the list is bounded by what is held.
struct HeldBytesLedger {
    /// What a body belongs to.
    enum Kind { case request, answer }

    private struct Own {
        var requests = 0
        var answers = 0
    }

    private(set) var total = 0
    private(set) var requests = 0
    private var byCaller: [String: Own] = [:]
    private var limit: Int
    private var largestBody: Int

    init(limit: Int, largestBody: Int) {
        self.limit = limit
        self.largestBody = largestBody
    }

    mutating func change(limit: Int, largestBody: Int) { (self.limit, self.largestBody) = (limit, largestBody) }

    mutating func take(_ bytes: Int, of kind: Kind, for caller: String) -> Bool {
        var own = byCaller[caller] ?? Own()
        switch kind {
        case .request: own.requests += bytes
        case .answer: own.answers += bytes
        }
        guard bytes >= 0, total + bytes <= limit, own.requests + own.answers <= limit / 2 else { return false }
        if kind == .request {
            let share = caller == Caller.anonymous.name ? limit / 2 : max(limit / 4, largestBody)
            guard requests + bytes <= limit / 2, own.requests <= share else { return false }
            requests += bytes
        }
        total += bytes
        if own.requests + own.answers > 0 { byCaller[caller] = own }
        return true
    }

    mutating func giveBack(_ bytes: Int, of kind: Kind, for caller: String) {
        var own = byCaller[caller] ?? Own()
        total -= bytes
        switch kind {
        case .request:
            requests -= bytes
            own.requests -= bytes
        case .answer: own.answers -= bytes
        }
        byCaller[caller] = own.requests + own.answers > 0 ? own : nil
    }
}

/// The room that one visit has for its bodies, or one answer that is taken off upstream ahead of its tool. Confined to one
/// task at a time.
struct HeldRoom: Sendable {
    private let bytes: HeldBytes
    private let caller: String
    private var taken: (request: Int, answer: Int) = (0, 0)

    init(in bytes: HeldBytes, for caller: String) {
        self.bytes = bytes
        self.caller = caller
    }

    /// Room for so many bytes more; false where there is none.
    mutating func grow(by count: Int, _ kind: HeldBytesLedger.Kind) -> Bool {
        guard bytes.take(count, of: kind, for: caller) else { return false }
        switch kind {
        case .request: taken.request += count
        case .answer: taken.answer += count
        }
        return true
    }

    /// Gives so many bytes of an answer back, which have gone to its tool.
    mutating func shrink(by count: Int) {
        bytes.giveBack(count, of: .answer, for: caller)
        taken.answer -= count
    }

    /// Gives all of it back.
    mutating func giveBack() {
        bytes.giveBack(taken.request, of: .request, for: caller)
        bytes.giveBack(taken.answer, of: .answer, for: caller)
        taken = (0, 0)
    }
}
