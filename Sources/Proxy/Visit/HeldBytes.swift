// The bytes of requests and answers that are held in memory for tools, all together: bodies that are read whole before
// their turn, and answers that were taken off upstream while their tool is still reading (listen.max_held_bytes).

import Synchronization

/// What is held, and for whom. One for the process; usable from every thread.
final class HeldBytes: Sendable {
    private let ledger: Mutex<HeldBytesLedger>

    /// - Parameter limit: bytes in all.
    init(limit: Int) { ledger = Mutex(HeldBytesLedger(limit: limit)) }

    /// Takes room for so many bytes more. False, and nothing has changed, where there is none.
    func take(_ bytes: Int, of kind: HeldBytesLedger.Kind, for caller: String) -> Bool {
        ledger.withLock { $0.take(bytes, of: kind, for: caller) }
    }

    /// Gives room back that was taken.
    func giveBack(_ bytes: Int, of kind: HeldBytesLedger.Kind, for caller: String) {
        ledger.withLock { $0.giveBack(bytes, of: kind, for: caller) }
    }

    /// Bytes held now.
    var total: Int { ledger.withLock { $0.total } }
}

/// The rules: no caller holds more than half of the whole, and request bodies together neither.
///
/// 1. `total` is the sum over callers, and of that `requests` the part of request bodies.
/// 2. A caller that holds nothing is not listed, so the list is bounded by what is held.
struct HeldBytesLedger {
    /// What a body belongs to.
    enum Kind { case request, answer }

    private(set) var total = 0
    private(set) var requests = 0
    private var byCaller: [String: Int] = [:]
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    mutating func take(_ bytes: Int, of kind: Kind, for caller: String) -> Bool {
        let own = byCaller[caller, default: 0] + bytes
        guard bytes >= 0, total + bytes <= limit, own <= limit / 2 else { return false }
        if kind == .request {
            guard requests + bytes <= limit / 2 else { return false }
            requests += bytes
        }
        total += bytes
        if own > 0 { byCaller[caller] = own }
        return true
    }

    mutating func giveBack(_ bytes: Int, of kind: Kind, for caller: String) {
        total -= bytes
        if kind == .request { requests -= bytes }
        let own = byCaller[caller, default: 0] - bytes
        byCaller[caller] = own > 0 ? own : nil
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
