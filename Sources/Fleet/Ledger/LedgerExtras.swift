// What members share besides calls: budgets of deletes, heads of audit logs, a sign-in. Small, and seldom changed.

/// A value like `Ledger`, kept beside it.
struct LedgerExtras: Sendable, Equatable {
    /// A lease on the shared sign-in.
    struct Lease: Sendable, Equatable {
        var member: FleetMemberID
        var until: Int
    }

    /// By the hash of the caller.
    private(set) var budgets: [UInt64: LedgerBudget] = [:]
    /// By the name of the log.
    private(set) var heads: [String: FleetHead] = [:]
    private(set) var generation = 0
    private(set) var sealed: [UInt8] = []
    private(set) var lease: Lease?

    init() {}

    /// See `FleetLedger.spendDelete`.
    mutating func spendDelete(
        of caller: UInt64, limit: Int, span: Int, log: UInt64, spent: [FleetCount], now: Int
    ) -> Int? {
        var budget = budgets[caller] ?? LedgerBudget(span: span)
        let wait = budget.spend(limit: limit, span: span, log: log, spent: spent, now: now)
        budgets[caller] = budget
        if budgets.count > 10_000 {
            budgets = budgets.filter { ($0.value.window.firstExpiry ?? 0) > now }
        }
        return wait
    }

    /// See `FleetLedger.returnDelete`.
    mutating func returnDelete(of caller: UInt64, log: UInt64) { budgets[caller]?.giveBack(log: log) }

    /// See `FleetLedger.witness`. A head that is behind what was seen of its log is kept as it was, and marked.
    mutating func witness(_ head: FleetHead) -> [FleetHead] {
        if let former = heads[head.log], head.seq < former.seq {
            heads[head.log]?.regressed = true
        } else if heads.count < 1000 || heads[head.log] != nil {
            var head = head
            head.regressed = heads[head.log]?.regressed ?? false
            heads[head.log] = head
        }
        return heads.values.sorted { $0.log < $1.log }
    }

    /// See `FleetLedger.takeSignIn`.
    mutating func takeSignIn(lease length: Int, by member: FleetMemberID, now: Int) -> FleetSignIn {
        if let lease, lease.until > now, lease.member != member {
            return FleetSignIn(generation: generation, sealed: sealed, lease: nil, busy: lease.until - now)
        }
        lease = Lease(member: member, until: now + length)
        return FleetSignIn(generation: generation, sealed: sealed, lease: length, busy: 0)
    }

    /// See `FleetLedger.putSignIn`.
    mutating func putSignIn(
        _ sealed: [UInt8], after generation: Int, by member: FleetMemberID, now: Int
    ) throws(FleetError) {
        guard let lease, lease.member == member, lease.until > now, self.generation == generation else {
            throw .fenced
        }
        self.sealed = sealed
        self.generation += 1
        self.lease = nil
    }

    /// See `FleetLedger.releaseSignIn`.
    mutating func releaseSignIn(by member: FleetMemberID) {
        if lease?.member == member { lease = nil }
    }

    /// All of it.
    var bytes: [UInt8] {
        var out = ByteWriter()
        out.put(UInt64(budgets.count))
        for (caller, budget) in budgets {
            out.put(caller)
            budget.window.write(to: &out)
        }
        out.put(UInt64(heads.count))
        for head in heads.values {
            for text in [head.log, head.hash, head.time] { out.put(text) }
            out.put(head.seq)
            out.put(head.regressed ? 1 : 0)
        }
        out.put(generation)
        out.put(sealed)
        out.put(lease?.member.bits ?? 0)
        out.put(lease?.until ?? 0)
        return out.bytes
    }

    /// From `bytes`. Throws where they are none.
    init(bytes: [UInt8]) throws {
        var from = ByteReader(bytes)
        for _ in 0..<(try from.count()) {
            let caller = try from.word()
            budgets[caller] = LedgerBudget(window: try LedgerWindow(from: &from))
        }
        for _ in 0..<(try from.count()) {
            let (log, hash, time) = (try from.string(), try from.string(), try from.string())
            heads[log] = FleetHead(
                log: log, seq: try from.int(), hash: hash, time: time, regressed: try from.int() == 1)
        }
        (generation, sealed) = (try from.int(), try from.byteArray())
        let (member, until) = (try from.word(), try from.int())
        lease = until > 0 ? Lease(member: FleetMemberID(member), until: until) : nil
    }
}
