import Testing

@testable import Fleet

@Suite("Ledger")
struct LedgerTests {
    private static let policy = FleetPolicy(
        windows: [FleetWindow(limit: 300, span: 3000), FleetWindow(limit: 6, span: 1000, isForRuns: true)],
        maxMembers: 3, reserve: 0)

    private static func hello(_ id: UInt64, policy: FleetPolicy = policy, seen: Int = 0) -> FleetHello {
        FleetHello(id: FleetMemberID(id), name: "m\(id)", version: "1", policy: policy, seen: seen)
    }

    private static func ask(_ count: Int, caller: UInt64 = 1, isRun: Bool = false, scopes: [String] = []) -> FleetAsk {
        FleetAsk(caller: caller, weight: 1, count: count, isRun: isRun, scopes: scopes)
    }

    private static func ledger(_ members: UInt64...) throws -> Ledger {
        var ledger = Ledger(policy: policy, server: "a")
        for member in members { _ = try ledger.join(hello(member), server: "a", now: 1_000_000) }
        return ledger
    }

    @Test("No span of counted milliseconds holds more grants than the limit, whoever asks, however often")
    func neverOver() throws {
        var ledger = try Self.ledger(1, 2, 3)
        var grants: [(at: Int, count: Int)] = []
        for now in stride(from: 1_000_000, to: 1_020_000, by: 3) {
            let member = FleetMemberID(UInt64(now % 3 + 1))
            let grant = try ledger.acquire([Self.ask(7)], by: member, seen: 0, server: "a", now: now)
            if grant.granted[0] > 0 { grants.append((now, grant.granted[0])) }
        }
        let span = Self.policy.windows[0].counted
        for (index, grant) in grants.enumerated() {
            let sum = grants[index...].prefix { $0.at <= grant.at + span }.reduce(0) { $0 + $1.count }
            #expect(sum <= 300, "from \(grant.at)")
        }
        // Goodput: at least 96 % of what the limit allows.
        #expect(grants.reduce(0) { $0 + $1.count } >= 1920)
    }

    @Test("A burst goes at once, then the pace; the answer says when to ask again")
    func pace() throws {
        var ledger = try Self.ledger(1)
        let first = try ledger.acquire([Self.ask(100)], by: FleetMemberID(1), seen: 0, server: "a", now: 1_000_000)
        #expect(first.granted == [30])
        #expect(first.wait == 10)
        let second = try ledger.acquire([Self.ask(100)], by: FleetMemberID(1), seen: 0, server: "a", now: 1_000_010)
        #expect(second.granted == [1])
    }

    @Test("Starts of runs count in both kinds of windows, other calls in theirs alone")
    func runs() throws {
        var ledger = try Self.ledger(1)
        let id = FleetMemberID(1)
        var started = 0
        for now in stride(from: 1_000_000, to: 1_001_000, by: 10) {
            started += try ledger.acquire([Self.ask(1, isRun: true)], by: id, seen: 0, server: "a", now: now).granted[0]
        }
        #expect(started == 6)
        let view = try ledger.acquire([Self.ask(1)], by: id, seen: 0, server: "a", now: 1_001_000).view
        #expect(view.used == [7, 6])
        #expect(view.calls == 7 && view.runs == 6)
    }

    @Test("A pause of one scope holds its calls alone, that of everything all; neither is ever shortened")
    func pauses() throws {
        var ledger = try Self.ledger(1)
        let id = FleetMemberID(1)
        ledger.pause(FleetPause(scope: "api v1", cause: "api", left: 500), now: 1_000_000)
        ledger.pause(FleetPause(scope: "api v1", cause: "api", left: 100), now: 1_000_000)
        let v1 = try ledger.acquire([Self.ask(1, scopes: ["api v1"])], by: id, seen: 0, server: "a", now: 1_000_400)
        #expect(v1.granted == [0] && v1.wait == 100)
        let v2 = try ledger.acquire([Self.ask(1, scopes: ["api v2"])], by: id, seen: 0, server: "a", now: 1_000_400)
        #expect(v2.granted == [1])
        ledger.pause(FleetPause(scope: "*", cause: "tier", left: 1000), now: 1_000_400)
        let all = try ledger.acquire([Self.ask(1, scopes: ["api v2"])], by: id, seen: 0, server: "a", now: 1_000_600)
        #expect(all.granted == [0])
        #expect(all.view.pauses.map(\.scope) == ["*"])
    }

    @Test("Who has seen more than there is makes everybody wait and report; what is reported counts, once")
    func learning() throws {
        var ledger = try Self.ledger(1, 2)
        let (one, two) = (FleetMemberID(1), FleetMemberID(2))
        let lost = try ledger.acquire([Self.ask(5)], by: one, seen: 77, server: "a", now: 1_000_100)
        #expect(lost.granted == [0])
        #expect(lost.view.learning == 300)
        #expect(lost.view.epoch > 77)
        let report = FleetReport(sent: [[FleetCount(age: 100, count: 40)], []], peers: [one, two], others: [0, 0])
        for _ in 0..<2 { _ = try ledger.report(report, by: one, seen: 77, server: "a", now: 1_000_200) }
        // The other one is silent: it may have got so many.
        #expect(try ledger.acquire([], by: one, seen: 78, server: "a", now: 1_000_300).view.used[0] == 340)
        let second = FleetReport(sent: [[FleetCount(age: 100, count: 20)], []], peers: [], others: [0, 0])
        _ = try ledger.report(second, by: two, seen: 3, server: "a", now: 1_000_300)
        let after = try ledger.acquire([Self.ask(1)], by: one, seen: 78, server: "a", now: 1_000_400)
        #expect(after.granted == [1])
        #expect(after.view.used[0] == 61)
    }

    @Test("A ledger of another server learns though no number is missing")
    func otherServer() throws {
        var ledger = try Self.ledger(1)
        let grant = try ledger.acquire([Self.ask(5)], by: FleetMemberID(1), seen: 0, server: "b", now: 1_000_100)
        #expect(grant.granted == [0] && grant.view.learning == 300)
    }

    @Test(
        "A member that is one too many, or of another policy, is refused while others live, and taken when they are dead"
    )
    func membership() throws {
        var ledger = try Self.ledger(1, 2, 3)
        #expect(throws: FleetError.full(members: 3)) {
            _ = try ledger.join(Self.hello(4), server: "a", now: 1_000_100)
        }
        let other = FleetPolicy(windows: [FleetWindow(limit: 100, span: 3000)], maxMembers: 3, reserve: 0)
        #expect(throws: FleetError.policyDiffers(key: "rate.windows", theirs: "[\"300/3s\"]")) {
            _ = try ledger.join(Self.hello(1, policy: other), server: "a", now: 1_000_100)
        }
        _ = try ledger.acquire([Self.ask(20)], by: FleetMemberID(1), seen: 0, server: "a", now: 1_002_000)
        ledger.bury([FleetMemberID(1), FleetMemberID(2), FleetMemberID(3)], now: 1_002_000)
        let joined = try ledger.join(Self.hello(4, policy: other), server: "a", now: 1_002_000)
        #expect(joined.view.members == [FleetMemberID(4)])
        #expect(joined.history.map { $0.reduce(0) { $0 + $1.count } } == [20])
    }

    @Test("Callers share by weight, at however many members they ask")
    func fairness() throws {
        var ledger = try Self.ledger(1, 2, 3)
        var got: [UInt64: Int] = [:]
        for now in stride(from: 1_000_000, to: 1_010_000, by: 5) {
            // One caller asks at all three members, another at one, with twice the weight.
            for member in 1...3 as ClosedRange<UInt64> {
                let asks = [
                    Self.ask(20, caller: 1), FleetAsk(caller: 2, weight: 2, count: 60, isRun: false, scopes: []),
                ]
                let grant = try ledger.acquire(
                    member == 1 ? asks : [asks[0]], by: FleetMemberID(member), seen: 0, server: "a", now: now)
                for (ask, count) in zip(asks, grant.granted) { got[ask.caller, default: 0] += count }
            }
        }
        let share = Double(got[2, default: 0]) / Double(got[1, default: 1])
        #expect(share > 1.85 && share < 2.15, "\(got)")
    }

    @Test("A budget of deletes holds over members, and over a ledger that has forgotten")
    func budget() {
        var budget = LedgerBudget(span: 10_000)
        let now = 5_000_000
        for _ in 0..<3 { #expect(budget.spend(limit: 3, span: 10_000, log: 1, spent: [], now: now) == nil) }
        #expect(budget.spend(limit: 3, span: 10_000, log: 2, spent: [], now: now + 100) == 9_950)
        #expect(budget.spend(limit: 3, span: 10_000, log: 2, spent: [], now: now + 10_050) == nil)
        var empty = LedgerBudget(span: 10_000)
        let spent = [FleetCount(age: 2000, count: 3)]
        #expect(empty.spend(limit: 3, span: 10_000, log: 1, spent: spent, now: now) == 8_050)
    }
}
