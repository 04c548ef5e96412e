// One SQLite database in a file of our own, used by one thread.

import CSQLite
import Glibc
import Ground

/// Not Sendable: everything on one thread.
final class SQLiteFile {
    /// "CPF1": whose file it is.
    private static let application = 0x4350_4631
    private static let layout = 1

    private let path: String
    private var database: OpaquePointer?
    private var statements: [String: OpaquePointer] = [:]
    /// The file that is open.
    private var identity: FileStatus?

    /// Nothing is opened yet.
    ///
    /// - Parameter path: absolute.
    init(path: String) { self.path = path }

    deinit { close() }

    /// Whether the open file is the one that lies at the path.
    var isCurrent: Bool {
        guard database != nil, let identity, let there = FileStatus(path: path, followsLinks: false) else {
            return false
        }
        return there.device == identity.device && there.inode == identity.inode
    }

    /// Opens the file, and makes it if there is none.
    ///
    /// - Parameter tables: SQL that makes an empty database what it has to be.
    func open(tables: String, busy: Duration) throws(FleetError) {
        close()
        identity = try Self.prepare(path)
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW
        let code = sqlite3_open_v2(path, &opened, flags, nil)
        database = opened
        guard code == SQLITE_OK else { throw failure(code) }
        sqlite3_extended_result_codes(opened, 1)
        sqlite3_busy_timeout(opened, Int32(clamping: busy.wholeMilliseconds))
        do throws(FleetError) {
            let application = try number("PRAGMA application_id")
            let version = try number("PRAGMA user_version")
            if application != 0 || version != 0 {
                guard application == Self.application else {
                    throw .foreign("\(path) is a database of another program: name another file in fleet.engine")
                }
                guard version == Self.layout else {
                    throw .foreign(
                        "\(path) was written by another version of clash-proxy: move it away, or stop the others")
                }
            }
            try execute("PRAGMA journal_mode=WAL")
            // What a crash of the machine costs is learnt anew, and what one of a process costs is nothing.
            try execute("PRAGMA synchronous=OFF")
            try execute("PRAGMA journal_size_limit=1048576")
            if application == 0 { try create(tables) }
        } catch {
            close()
            throw error
        }
    }

    private func create(_ tables: String) throws(FleetError) {
        try execute("BEGIN IMMEDIATE")
        // Somebody else may have been first.
        if try number("PRAGMA application_id") == 0 {
            guard try number("SELECT count(*) FROM sqlite_master") == 0 else {
                throw .foreign("\(path) is a database of another program: name another file in fleet.engine")
            }
            try execute(tables)
            try execute("PRAGMA application_id=\(Self.application)")
            try execute("PRAGMA user_version=\(Self.layout)")
        }
        try execute("COMMIT")
    }

    /// Closes it. What was not committed is undone.
    func close() {
        for statement in statements.values { sqlite3_finalize(statement) }
        statements = [:]
        sqlite3_close_v2(database)
        database = nil
        identity = nil
    }

    // MARK: Statements

    /// Runs SQL without parameters that gives no rows, or whose rows nobody wants.
    func execute(_ sql: String) throws(FleetError) {
        let code = sqlite3_exec(database, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code) }
    }

    /// The first number of the first row; 0 where there is none.
    func number(_ sql: String) throws(FleetError) -> Int {
        try row(sql, []) { Int(sqlite3_column_int64($0, 0)) } ?? 0
    }

    /// A value to put into a statement.
    enum Value {
        case int(Int)
        case blob([UInt8])
        case text(String)
    }

    /// Runs a statement, which is kept prepared, and reads its first row; nil where there is none.
    func row<Result>(
        _ sql: String, _ values: [Value], _ read: (OpaquePointer) -> Result
    ) throws(FleetError) -> Result? {
        let statement = try prepared(sql)
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (index, value) in values.enumerated() { bind(value, to: statement, at: Int32(index + 1)) }
        switch sqlite3_step(statement) {
        case SQLITE_ROW: return read(statement)
        case SQLITE_DONE: return nil
        case let code: throw failure(code)
        }
    }

    /// Runs a statement that changes something.
    func run(_ sql: String, _ values: [Value] = []) throws(FleetError) { _ = try row(sql, values) { _ in } }

    /// The bytes of a column.
    static func blob(_ statement: OpaquePointer, _ column: Int32) -> [UInt8] {
        guard let bytes = sqlite3_column_blob(statement, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(statement, column))))
    }

    /// The text of a column.
    static func text(_ statement: OpaquePointer, _ column: Int32) -> String {
        sqlite3_column_text(statement, column).map { String(cString: $0) } ?? ""
    }

    /// The number of a column.
    static func int(_ statement: OpaquePointer, _ column: Int32) -> Int { Int(sqlite3_column_int64(statement, column)) }

    private func prepared(_ sql: String) throws(FleetError) -> OpaquePointer {
        if let statement = statements[sql] { return statement }
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v2(database, sql, -1, &statement, nil)
        guard code == SQLITE_OK, let statement else { throw failure(code) }
        statements[sql] = statement
        return statement
    }

    private func bind(_ value: Value, to statement: OpaquePointer, at index: Int32) {
        switch value {
        case .int(let number): sqlite3_bind_int64(statement, index, Int64(number))
        case .blob(let bytes): csqlite_bind_blob(statement, index, bytes, Int32(clamping: bytes.count))
        case .text(let text): csqlite_bind_text(statement, index, text, Int32(clamping: text.utf8.count))
        }
    }

    // MARK: Failures

    private func failure(_ code: Int32) -> FleetError {
        let said = database.map { String(cString: sqlite3_errmsg($0)) } ?? String(cString: sqlite3_errstr(code))
        let what =
            switch code & 0xFF {
            case SQLITE_FULL: "no room on the disk of \(path)"
            case SQLITE_READONLY: "\(path) is read-only: give this user the right to write it and its folder"
            case SQLITE_CORRUPT, SQLITE_NOTADB: "\(path) is damaged: stop all members, move it away, start them again"
            case SQLITE_BUSY, SQLITE_LOCKED: "\(path) is held by another process"
            case SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_AUTH: "\(path) cannot be opened by this user"
            default: "\(path) cannot be used"
            }
        return .cut("\(what) (SQLite: \(said))")
    }

    /// Makes the file if it is missing, for nobody else's eyes, and never follows a link. SQLite gives the files beside it the
    /// same rights.
    private static func prepare(_ path: String) throws(FleetError) -> FileStatus {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw Self.failure(path, errno) }
        defer { Glibc.close(descriptor) }
        guard let status = FileStatus(descriptor: descriptor), status.kind == .regular else {
            throw .foreign("\(path) is not a file: name another in fleet.engine")
        }
        if status.permissions & 0o077 != 0, fchmod(descriptor, 0o600) != 0 {
            throw .cut("\(path) is open to others: chmod 600 it")
        }
        return status
    }

    /// In words, with what to do.
    static func failure(_ path: String, _ code: Int32) -> FleetError {
        let why =
            switch code {
            case ELOOP: "\(path) is a link: name the file itself in fleet.engine"
            case EACCES, EPERM: "\(path) cannot be opened by this user: give it the right to write there"
            case EROFS: "\(path) lies on a read-only file system: name a file on a volume"
            case ENOENT, ENOTDIR: "the folder of \(path) is missing: make it"
            case ENOSPC: "no room on the disk of \(path)"
            default: "\(path) cannot be opened: \(String(cString: strerror(code)))"
            }
        return .cut(why)
    }
}
