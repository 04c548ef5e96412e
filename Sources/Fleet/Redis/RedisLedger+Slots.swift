// What members hold one at a time: deletes of a budget, heads of logs, the sign-in, Idempotency-Keys.

extension RedisLedger {
    package func spendDelete(
        of caller: UInt64, limit: Int, span: Int, log: UInt64, spent: [FleetCount], by member: FleetMemberID
    ) async throws(FleetError) -> Int? {
        var answer = try await ask(
            scripts.spend, keys: [keys.deletes(of: FleetMemberID(caller).text)], "the script of the delete budget",
            within: times.must
        ) {
            [
                .text($0), .text(FleetMemberID(log).text), .bounded(limit), .bounded(max(span, 1)),
                .counts(spent.sorted { $0.age < $1.age }),
            ]
        }
        let left = try answer.number()
        return left < 0 ? nil : left
    }

    package func returnDelete(of caller: UInt64, log: UInt64, by member: FleetMemberID) async throws(FleetError) {
        _ = try await ask(
            scripts.giveBack, keys: [keys.deletes(of: FleetMemberID(caller).text)], "the script of the delete budget",
            within: times.must
        ) { [.text($0), .text(FleetMemberID(log).text)] }
    }

    package func witness(_ head: FleetHead, by member: FleetMemberID) async throws(FleetError) -> [FleetHead] {
        var answer = try await ask(
            scripts.witness, keys: [keys.witness], "the script that keeps heads", within: times.must
        ) {
            [.text($0), .name(head.log), .bounded(head.seq), .name(head.hash), .name(head.time)]
        }
        var heads: [FleetHead] = []
        while !answer.isEmpty {
            var parts = try answer.list()
            let (log, seq) = (try parts.text(), try parts.number())
            let (hash, time) = (try parts.text(), try parts.text())
            heads.append(FleetHead(log: log, seq: seq, hash: hash, time: time, regressed: try parts.number() == 1))
        }
        return heads.sorted { $0.log < $1.log }
    }

    package func takeSignIn(lease: Int, by member: FleetMemberID) async throws(FleetError) -> FleetSignIn {
        var answer = try await ask(
            scripts.takeSignIn, keys: [keys.signIn], "the script of the sign-in", within: times.must
        ) {
            [.text($0), .member(member), .bounded(max(lease, 1))]
        }
        let (generation, sealed) = (try answer.number(), try answer.bytes())
        let (lease, busy) = (try answer.number(), try answer.number())
        return FleetSignIn(generation: generation, sealed: sealed, lease: lease < 0 ? nil : lease, busy: busy)
    }

    package func putSignIn(
        _ sealed: [UInt8], after generation: Int, by member: FleetMemberID
    ) async throws(FleetError) {
        _ = try await ask(scripts.putSignIn, keys: [keys.signIn], "the script of the sign-in", within: times.must) {
            [.text($0), .member(member), .bytes(sealed), .bounded(generation)]
        }
    }

    package func releaseSignIn(by member: FleetMemberID) async throws(FleetError) {
        _ = try await ask(scripts.releaseSignIn, keys: [keys.signIn], "the script of the sign-in", within: times.must) {
            [.text($0), .member(member)]
        }
    }

    package func claim(
        _ key: [UInt8], note: [UInt8], keep: Int, by member: FleetMemberID
    ) async throws(FleetError) -> FleetClaim {
        let line = try await line(within: .zero)
        let value = try await run(
            scripts.claim, on: line, keys.common + [keys.claim(key)],
            [.text(line.greeting.runID), .member(member), .bytes(note), .bounded(max(keep, 1))], within: times.must)
        if let items = value.items, items.count == 2, let bytes = items[1].bytes {
            if items[0].text == "open" { return .open(bytes) }
            if items[0].text == "settled" { return .settled(bytes) }
        }
        _ = try RedisAnswer(value, to: "the script of Idempotency-Keys")
        return .taken
    }

    package func settle(
        _ key: [UInt8], _ value: [UInt8], keep: Int, by member: FleetMemberID
    ) async throws(FleetError) {
        _ = try await ask(scripts.settle, keys: [keys.claim(key)], "the script of Idempotency-Keys", within: times.must)
        {
            [.text($0), .member(member), .bytes(value), .bounded(max(keep, 1))]
        }
    }
}
