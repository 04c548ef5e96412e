import Glibc
import Ground
import Testing

@testable import Fleet

@Suite("File ledger")
struct FileLedgerTests {
    private static let policy = FleetPolicy(
        windows: [FleetWindow(limit: 100, span: 60_000)], maxMembers: 4, reserve: 0)

    private static func hello(_ id: UInt64, seen: Int = 0) -> FleetHello {
        FleetHello(id: FleetMemberID(id), name: "m\(id)", version: "1", policy: policy, seen: seen)
    }

    private static let ask = FleetAsk(caller: 1, weight: 1, count: 2, isRun: false, scopes: [])

    /// A clock that stands still: a machine that is busy must not age anything.
    private static let still: Time = {
        let now = ContinuousClock.now
        return Time(now: { now }, sleep: { _ in })
    }()

    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = try PrivateFolder(for: "fleet-test", in: "/tmp")
        defer { folder.remove() }
        try await body(folder.path)
    }

    private func ledger(_ folder: String) throws -> FileLedger {
        try FileLedger(path: folder + "/fleet.db", time: Self.still)
    }

    @Test("two ledgers of one file are one ledger; what it holds outlives both")
    func shared() async throws {
        try await withFolder { folder in
            let (one, two) = (try ledger(folder), try ledger(folder))
            #expect(try await one.join(Self.hello(1)).isFirst)
            #expect(try await two.join(Self.hello(2)).view.members.count == 2)
            #expect(try await one.acquire([Self.ask], by: FleetMemberID(1), seen: 0).granted == [2])
            #expect(try await two.acquire([Self.ask], by: FleetMemberID(2), seen: 0).view.used == [4])
            await one.leave(FleetMemberID(1))
            await two.leave(FleetMemberID(2))
            let three = try ledger(folder)
            let joined = try await three.join(Self.hello(3))
            #expect(joined.view.used == [4] && joined.view.members == [FleetMemberID(3)])
            for name in ["fleet.db", "fleet.db-tags"] {
                #expect(FileStatus(path: folder + "/" + name, followsLinks: false)?.permissions == 0o600)
            }
            await three.leave(FleetMemberID(3))
        }
    }

    @Test("a file with a second name is refused, for under each there would be a ledger; nothing is left beside it")
    func hardLink() async throws {
        try await withFolder { folder in
            let one = try ledger(folder)
            _ = try await one.join(Self.hello(1))
            #expect(link(folder + "/fleet.db", folder + "/other.db") == 0)
            let error = #expect(throws: FleetError.self) {
                try FileLedger(path: folder + "/other.db", time: Self.still)
            }
            #expect(error?.text.contains("hard links") == true, "\(String(describing: error))")
            #expect(FileStatus(path: folder + "/other.db-tags", followsLinks: false) == nil)
            await one.leave(FleetMemberID(1))
        }
    }

    @Test("what is no file is refused, and nothing is left beside it")
    func noFile() async throws {
        try await withFolder { folder in
            #expect(mkdir(folder + "/sub.db", 0o700) == 0)
            #expect(mkfifo(folder + "/pipe.db", 0o600) == 0)
            for name in ["sub.db", "pipe.db"] {
                #expect(throws: FleetError.self) { try FileLedger(path: folder + "/" + name, time: Self.still) }
                #expect(FileStatus(path: "\(folder)/\(name)-tags", followsLinks: false) == nil)
            }
        }
    }

    @Test("a member whose process is gone is dead at once, without having left")
    func dead() async throws {
        try await withFolder { folder in
            var one: FileLedger? = try ledger(folder)
            _ = try await one?.join(Self.hello(1))
            let two = try ledger(folder)
            #expect(try await two.join(Self.hello(2)).view.members.count == 2)
            one = nil
            // Its thread ends by itself, and with it the lock.
            var count = 2
            while count == 2 {
                count = try await two.acquire([], by: FleetMemberID(2), seen: 0).view.members.count
            }
            #expect(count == 1)
        }
    }

    @Test("tags: what one makes untrue the other sees at once, and a fetch that began before is not kept")
    func tags() async throws {
        try await withFolder { folder in
            let (one, two) = (try ledger(folder), try ledger(folder))
            _ = try await one.join(Self.hello(1))
            _ = try await two.join(Self.hello(2))
            #expect(two.mayShow)
            let moment = two.moment()
            var stamp = try #require(two.stamp(of: [7, 8], since: moment))
            var other = try #require(two.stamp(of: [9], since: moment))
            #expect(two.isCurrent(&stamp) { [7, 8] })
            _ = try await one.invalidate([8], everything: false, by: FleetMemberID(1))
            #expect(!two.isCurrent(&stamp) { [7, 8] })
            #expect(two.isCurrent(&other) { [9] })
            #expect(two.stamp(of: [8], since: moment) == nil)
            _ = try await one.invalidate([], everything: true, by: FleetMemberID(1))
            #expect(!two.isCurrent(&other) { [9] })
        }
    }

    @Test("a file that was taken away is nobody's any more: nothing is shown by its counters")
    func takenAway() async throws {
        try await withFolder { folder in
            let one = try ledger(folder)
            _ = try await one.join(Self.hello(1))
            var stamp = try #require(one.stamp(of: [7], since: one.moment()))
            unlink(folder + "/fleet.db-tags")
            unlink(folder + "/fleet.db")
            _ = try? await one.acquire([], by: FleetMemberID(1), seen: 5)
            #expect(!one.isCurrent(&stamp) { [7] })
            #expect(try await one.join(Self.hello(1, seen: 5)).view.learning > 0)
        }
    }

    @Test(
        "what is no file of ours, or cannot be used, is told in words and harms nobody",
        arguments: ["garbage", "other program", "link", "folder", "missing folder"])
    func bad(what: String) async throws {
        try await withFolder { folder in
            let path = folder + "/fleet.db"
            switch what {
            case "garbage": try write(Array(repeating: 0xA5, count: 5000), to: path)
            case "other program":
                let file = SQLiteFile(path: path)
                try file.open(tables: "CREATE TABLE x(y)", busy: .seconds(1))
                try file.execute("PRAGMA application_id=1")
            case "link": symlink("/etc/passwd", path)
            case "folder": mkdir(path, 0o700)
            default: break
            }
            let file = what == "missing folder" ? folder + "/none/fleet.db" : path
            let error = await #expect(throws: FleetError.self) {
                _ = try await FileLedger(path: file, time: Self.still).join(Self.hello(1))
            }
            let text = error?.text ?? ""
            #expect(text.contains("fleet.db"), "\(text)")
            let isForeign = if case .foreign = error { true } else { false }
            #expect(isForeign == ["other program", "folder", "link"].contains(what), "\(text)")
        }
    }

    @Test("an Idempotency-Key is one member's until it settles it; then everybody has its answer")
    func claims() async throws {
        try await withFolder { folder in
            let (one, two) = (try ledger(folder), try ledger(folder))
            let (first, second) = (FleetMemberID(1), FleetMemberID(2))
            #expect(try await one.claim([1], note: [9], keep: 60_000, by: first) == .taken)
            #expect(try await two.claim([1], note: [8], keep: 60_000, by: second) == .open([9]))
            try await one.settle([1], [5, 6], keep: 60_000, by: first)
            #expect(try await two.claim([1], note: [8], keep: 60_000, by: second) == .settled([5, 6]))
            #expect(try await two.claim([2], note: [], keep: 60_000, by: second) == .taken)
            try await two.settle([2], [], keep: 60_000, by: second)
            #expect(try await one.claim([2], note: [], keep: 60_000, by: first) == .taken)
        }
    }

    @Test("one sign-in, one lease at a time; who has lost it changes nothing")
    func signIn() async throws {
        try await withFolder { folder in
            let (one, two) = (try ledger(folder), try ledger(folder))
            let (first, second) = (FleetMemberID(1), FleetMemberID(2))
            #expect(try await one.takeSignIn(lease: 60_000, by: first).lease == 60_000)
            #expect(try await two.takeSignIn(lease: 60_000, by: second).lease == nil)
            await #expect(throws: FleetError.fenced) { try await two.putSignIn([2], after: 0, by: second) }
            try await one.putSignIn([1], after: 0, by: first)
            let taken = try await two.takeSignIn(lease: 60_000, by: second)
            #expect(taken.generation == 1 && taken.sealed == [1] && taken.lease != nil)
            await #expect(throws: FleetError.fenced) { try await two.putSignIn([2], after: 0, by: second) }
            try await two.releaseSignIn(by: second)
            #expect(try await one.takeSignIn(lease: 1000, by: first).lease == 1000)
        }
    }

    @Test("a ledger and what lies beside it come back from their bytes as they were; other bytes are refused")
    func coding() throws {
        var ledger = Ledger(policy: Self.policy, server: "s")
        _ = try ledger.join(Self.hello(1), server: "s", now: 1_000_000)
        _ = try ledger.acquire([Self.ask], by: FleetMemberID(1), seen: 0, server: "s", now: 1_000_100)
        ledger.pause(FleetPause(scope: "api v1", cause: "api", left: 500), now: 1_000_100)
        #expect(try Ledger(bytes: ledger.bytes) == ledger)
        for length in 0..<ledger.bytes.count {
            #expect(throws: (any Error).self) { _ = try Ledger(bytes: Array(ledger.bytes.prefix(length))) }
        }
        var extras = LedgerExtras()
        _ = extras.spendDelete(of: 1, limit: 3, span: 1000, log: 2, spent: [], now: 1_000_000)
        _ = extras.witness(FleetHead(log: "a", seq: 4, hash: "ff", time: "t"))
        _ = extras.takeSignIn(lease: 5, by: FleetMemberID(3), now: 1_000_000)
        #expect(try LedgerExtras(bytes: extras.bytes) == extras)
        #expect(extras.witness(FleetHead(log: "a", seq: 3, hash: "ee", time: "t")).map(\.regressed) == [true])
    }

    private func write(_ bytes: [UInt8], to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT, 0o600)
        #expect(Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
        close(descriptor)
    }
}
