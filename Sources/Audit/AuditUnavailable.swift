// Why a record cannot be written: one error type, with a stable code for metrics and answers and a sentence for people.

/// The log cannot take a record now.
public struct AuditUnavailable: Error, Sendable, Equatable, CustomStringConvertible {
    /// A bounded vocabulary; the raw value is stable and fit for a metric's label.
    public enum Cause: String, Sendable, CaseIterable {
        /// No space, quota or file size left.
        case diskFull = "disk_full"
        /// Any other error of the file system; also a read-only one.
        case io
        /// The file or its folder is gone.
        case removed
        /// Another file stands under the log's name.
        case replaced
        /// Somebody else wrote to the log or cut it.
        case changed
        /// Another process has the folder.
        case locked
        /// The log is closed.
        case closed
        /// The record is longer than `AuditOptions.maxRecordBytes`.
        case tooLarge = "too_large"
        /// Too many intents have no outcome yet (`AuditOptions.maxOpenIntents`).
        case tooManyOpen = "too_many_open"
        /// The calling task was cancelled before the record was durable.
        case cancelled
    }

    /// What kind of trouble.
    public var cause: Cause
    /// One sentence that names file and error, for logs, readiness and status page.
    public var detail: String
    /// How long until it is worth asking again; zero if waiting is of no use or not needed.
    public var retryAfter: Duration

    /// Cause and detail.
    public var description: String { detail }

    init(_ cause: Cause, _ detail: String, retryAfter: Duration = .zero) {
        self.cause = cause
        self.detail = detail
        self.retryAfter = retryAfter
    }
}

extension AuditUnavailable {
    static let giveUp = AuditUnavailable(.cancelled, "the call ended before its record was durable")

    init(_ failure: FileFailure) {
        self.init(failure.isOutOfSpace ? .diskFull : .io, failure.description)
    }
}

/// Why a folder cannot be opened as a log.
public enum AuditOpenFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// Another process writes there; `owner` is what it left in the lock file, such as `pid 4711`.
    case locked(folder: String, owner: String)
    /// The path is no folder, or its permissions are unsafe and cannot be repaired.
    case unsafeFolder(folder: String, why: String)
    /// The end of the log is not a record, in a file that was complete: nothing can be chained to it.
    case damaged(file: String, why: String)
    /// The file system refused.
    case file(String)
    /// No thread could be started.
    case thread(code: Int32)

    /// A sentence for the one who starts the process.
    public var description: String {
        switch self {
        case .locked(let folder, let owner):
            "another process (\(owner)) writes the audit log in \(folder); one folder takes one writer"
        case .unsafeFolder(let folder, let why): "the audit folder \(folder) \(why)"
        case .damaged(let file, let why):
            "\(file) \(why); run `audit verify`, then move the folder away or restore it from a copy"
        case .file(let text): text
        case .thread(let code): "the audit thread could not be started (error \(code))"
        }
    }
}
