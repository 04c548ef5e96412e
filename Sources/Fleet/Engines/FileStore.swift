// A ledger in a database: read where another process has changed it, changed and written in one transaction.

import CSQLite
import Ground

/// Not Sendable: everything on one thread.
final class FileStore {
    private static let tables = """
        CREATE TABLE state(id INTEGER PRIMARY KEY, version INTEGER NOT NULL, value BLOB NOT NULL);
        CREATE TABLE clock(id INTEGER PRIMARY KEY, boot TEXT NOT NULL, machine INTEGER NOT NULL,
            ledger INTEGER NOT NULL, wall INTEGER NOT NULL);
        CREATE TABLE claims(key BLOB PRIMARY KEY, member TEXT NOT NULL, note BLOB NOT NULL, value BLOB,
            expires INTEGER NOT NULL) WITHOUT ROWID;
        """
    /// Held by another process for so long: it hangs. Transactions take microseconds.
    private static let busy = Duration.seconds(1)

    let path: String
    private let file: SQLiteFile
    private let wallTime: @Sendable () -> WallTime
    private let machine: @Sendable () -> Int
    private let boot = MachineClock.boot()
    private(set) var counters: MappedCounters?
    /// What was read or written last, and its version there.
    private var ledger: (version: Int, value: Ledger)?
    private var extras: (version: Int, value: LedgerExtras)?
    /// Whether the database could not be used when that was last tried.
    private(set) var isInTrouble = false
    /// Who lives here, whose lock is held.
    private var member: FleetMemberID?

    init(path: String, wallTime: @escaping @Sendable () -> WallTime, machine: @escaping @Sendable () -> Int) {
        self.path = path
        file = SQLiteFile(path: path)
        self.wallTime = wallTime
        self.machine = machine
    }

    /// Nobody uses it any more.
    func close() {
        file.close()
        counters = nil
    }

    // MARK: Calls

    /// Takes part; the lock shows that the member lives for as long as its process does.
    func join(_ hello: FleetHello, server: String) throws(FleetError) -> FleetJoined {
        return try transaction(policy: hello.policy, server: server) { ledger, now throws(FleetError) in
            buryDead(&ledger, now: now)
            let joined = try ledger.join(hello, server: server, now: now)
            if let counters, member != hello.id || !ByteLock.isTaken(counters.descriptor, at: Self.place(hello.id)) {
                _ = ByteLock.take(counters.descriptor, at: Self.place(hello.id))
            }
            member = hello.id
            return joined
        }
    }

    /// Changes the ledger.
    func change<Answer>(
        looksForDead: Bool = false, _ event: (inout Ledger, Int) throws(FleetError) -> Answer
    ) throws(FleetError) -> Answer {
        return try transaction(policy: nil, server: "") { ledger, now throws(FleetError) in
            if looksForDead { buryDead(&ledger, now: now) }
            return try event(&ledger, now)
        }
    }

    /// Changes what is kept beside it.
    func changeExtras<Answer>(
        _ event: (inout LedgerExtras, Int) throws(FleetError) -> Answer
    ) throws(FleetError) -> Answer {
        try inTransaction { now throws(FleetError) in
            var (version, value) = try loadExtras()
            let answer = try event(&value, now)
            version += 1
            try save(2, version, value.bytes)
            extras = (version, value)
            return answer
        }
    }

    /// See `FleetLedger.claim`.
    func claim(
        _ key: [UInt8], note: [UInt8], keep: Int, by member: FleetMemberID
    ) throws(FleetError) -> FleetClaim {
        try inTransaction { now throws(FleetError) in
            try file.run("DELETE FROM claims WHERE expires <= ?", [.int(now)])
            let found = try file.row("SELECT member, note, value FROM claims WHERE key = ?", [.blob(key)]) { row in
                (
                    SQLiteFile.text(row, 0), SQLiteFile.blob(row, 1),
                    sqlite3_column_type(row, 2) == SQLITE_NULL ? nil : SQLiteFile.blob(row, 2)
                )
            }
            if let found {
                if let value = found.2 { return .settled(value) }
                if found.0 != member.text { return .open(found.1) }
            }
            try file.run(
                "INSERT OR REPLACE INTO claims(key, member, note, value, expires) VALUES(?, ?, ?, NULL, ?)",
                [.blob(key), .text(member.text), .blob(note), .int(now + keep)])
            return .taken
        }
    }

    /// See `FleetLedger.settle`.
    func settle(
        _ key: [UInt8], _ value: [UInt8], keep: Int, by member: FleetMemberID
    ) throws(FleetError) {
        try inTransaction { now throws(FleetError) in
            if value.isEmpty {
                try file.run(
                    "DELETE FROM claims WHERE key = ? AND member = ? AND value IS NULL",
                    [.blob(key), .text(member.text)])
            } else {
                try file.run(
                    "INSERT OR REPLACE INTO claims(key, member, note, value, expires) VALUES(?, ?, x'', ?, ?)",
                    [.blob(key), .text(member.text), .blob(value), .int(now + keep)])
            }
        }
    }

    // MARK: Opening

    /// Opens what is not open, or was replaced.
    private func ensureOpen() throws(FleetError) {
        if counters?.isInPlace != true {
            // Locks of members are held by its descriptor.
            counters = nil
            let opened = try MappedCounters(path: path + "-tags")
            if let member { _ = ByteLock.take(opened.descriptor, at: Self.place(member)) }
            counters = opened
        }
        if !file.isCurrent {
            (ledger, extras) = (nil, nil)
            try file.open(tables: Self.tables, busy: Self.busy)
        }
    }

    /// Behind all that is mapped, one byte for each member.
    private static func place(_ member: FleetMemberID) -> Int { 1 << 40 + Int(member.bits & 0xFF_FFFF_FFFF) }

    private func buryDead(_ ledger: inout Ledger, now: Int) {
        guard let counters else { return }
        let dead = ledger.living(now: now).filter {
            $0 != member && !ByteLock.isTaken(counters.descriptor, at: Self.place($0))
        }
        ledger.bury(dead, now: now)
    }

    // MARK: Transactions

    private func transaction<Answer>(
        policy: FleetPolicy?, server: String, _ event: (inout Ledger, Int) throws(FleetError) -> Answer
    ) throws(FleetError) -> Answer {
        try inTransaction { now throws(FleetError) in
            guard var (version, value) = try loadLedger(policy, server) else { throw .unknownMember }
            let answer = try event(&value, now)
            version += 1
            try save(1, version, value.bytes)
            ledger = (version, value)
            return answer
        }
    }

    private func inTransaction<Answer>(
        _ body: (_ now: Int) throws(FleetError) -> Answer
    ) throws(FleetError) -> Answer {
        do throws(FleetError) {
            try ensureOpen()
            try file.run("BEGIN IMMEDIATE")
            let answer = try body(try tick())
            try file.run("COMMIT")
            isInTrouble = false
            return answer
        } catch {
            try? file.run("ROLLBACK")
            // Perhaps it was not written.
            (ledger, extras) = (nil, nil)
            switch error {
            case .cut, .foreign:
                file.close()
                isInTrouble = true
            default: break
            }
            throw error
        }
    }

    /// The ledger's clock: that of the machine while it runs, and over its restarts the wall clock; never backwards.
    private func tick() throws(FleetError) -> Int {
        let (machine, wall) = (machine(), Int(wallTime().millisecondsSinceEpoch))
        let last = try file.row("SELECT boot, machine, ledger, wall FROM clock WHERE id = 1", []) { row in
            (SQLiteFile.text(row, 0), SQLiteFile.int(row, 1), SQLiteFile.int(row, 2), SQLiteFile.int(row, 3))
        }
        // A beginning that leaves room for what was before it.
        var now = 1_000_000_000_000
        if let last {
            now = last.2 + max(last.0 == boot ? machine - last.1 : wall - last.3, 0)
        }
        try file.run(
            "INSERT OR REPLACE INTO clock(id, boot, machine, ledger, wall) VALUES(1, ?, ?, ?, ?)",
            [.text(boot), .int(machine), .int(now), .int(wall)])
        return now
    }

    private func loadLedger(_ policy: FleetPolicy?, _ server: String) throws(FleetError) -> (Int, Ledger)? {
        let version = try file.number("SELECT version FROM state WHERE id = 1")
        if let ledger, ledger.version == version { return ledger }
        guard version > 0 else { return policy.map { (0, Ledger(policy: $0, server: server)) } }
        let bytes = try file.row("SELECT value FROM state WHERE id = 1", []) { SQLiteFile.blob($0, 0) } ?? []
        guard let value = try? Ledger(bytes: bytes) else { throw damaged }
        return (version, value)
    }

    private func loadExtras() throws(FleetError) -> (Int, LedgerExtras) {
        let version = try file.number("SELECT version FROM state WHERE id = 2")
        if let extras, extras.version == version { return extras }
        guard version > 0 else { return (0, LedgerExtras()) }
        let bytes = try file.row("SELECT value FROM state WHERE id = 2", []) { SQLiteFile.blob($0, 0) } ?? []
        guard let value = try? LedgerExtras(bytes: bytes) else { throw damaged }
        return (version, value)
    }

    private func save(_ id: Int, _ version: Int, _ bytes: [UInt8]) throws(FleetError) {
        try file.run(
            "INSERT OR REPLACE INTO state(id, version, value) VALUES(?, ?, ?)",
            [.int(id), .int(version), .blob(bytes)])
    }

    private var damaged: FleetError {
        .cut("\(path) is damaged: stop all members, move it away, start them again")
    }
}
