// What an audit log is opened with.

import Ground

/// How a log behaves. The defaults are those of a running process.
public struct AuditOptions: Sendable {
    /// Named in the `opened` record, such as `clash-proxy 1.0.0`.
    public var software: String
    /// A file that would grow over it is followed by a new one. One record longer than it still fits into one file.
    public var rotateBytes: Int64
    /// Longer records are refused.
    public var maxRecordBytes: Int
    /// Intents without outcome above this are refused: it bounds what has to be kept in memory when the log breaks.
    public var maxOpenIntents: Int
    /// Wall-clock time for the records.
    public var wallTime: @Sendable () -> AuditTime
    /// Monotonic time for retries.
    public var now: @Sendable () -> ContinuousClock.Instant
    /// Told when the log breaks and when it is mended, by its own thread: should not block.
    public var healthChanged: @Sendable (AuditStatus.Health) -> Void
    /// What the log is named if it has no name yet, as `NoteName.origin` makes it; nil: it stays without one.
    package var name: String?
    /// Signs checkpoints; nil: there are none.
    package var signingKey: NoteSigningKey?
    /// How often a checkpoint is written, besides every 100 records, and `AuditStatus.noted` is set.
    package var checkpointEvery = Duration.seconds(60)
    /// Told what could not be done to the checkpoint, and nil when it can again; by the log's own thread: should not block.
    package var checkpointTrouble: @Sendable (String?) -> Void = { _ in }
    /// Told of each new head, which is durable; by the log's own thread: should not block.
    package var wrote: @Sendable (AuditHead) -> Void = { _ in }

    var fileSystem: any FileSystem = PosixFileSystem()

    /// Makes options.
    public init(
        software: String = "clash-proxy", rotateBytes: Int64 = 64 << 20, maxRecordBytes: Int = 1 << 20,
        maxOpenIntents: Int = 10_000,
        wallTime: @escaping @Sendable () -> AuditTime = AuditOptions.systemWallTime,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now },
        healthChanged: @escaping @Sendable (AuditStatus.Health) -> Void = { _ in }
    ) {
        self.software = software
        self.rotateBytes = rotateBytes
        self.maxRecordBytes = maxRecordBytes
        self.maxOpenIntents = maxOpenIntents
        self.wallTime = wallTime
        self.now = now
        self.healthChanged = healthChanged
    }

    /// The machine's wall clock.
    @Sendable public static func systemWallTime() -> AuditTime {
        let time = WallTime.ofMachine()
        return AuditTime(seconds: time.seconds, nanoseconds: time.nanoseconds)
    }
}

/// How a log is doing; cheap to ask at any time.
public struct AuditStatus: Sendable, Equatable {
    /// Whether deletes can be recorded.
    public enum Health: Sendable, Equatable {
        /// Yes.
        case ready
        /// No, for this reason; it is tried again by itself.
        case broken(AuditUnavailable)
        /// Not any more.
        case closed
    }

    /// Whether deletes can be recorded.
    public var health: Health
    /// The newest durable record; for others to witness.
    public var head: AuditHead
    /// The head as it was when `checkpointEvery` was over last: for witnesses, who could not keep up with each one.
    public var noted: AuditHead
    /// The name of the file that has it, within the folder.
    public var file: String
    /// Acknowledged intents of this process whose outcome is not on disk yet.
    public var openIntents: Int
    /// Records that wait for the disk, kept ones included.
    public var waiting: Int
    /// Records written by this process.
    public var records: UInt64
    /// Writes with their sync; `records / batches` is what the group commit gains.
    public var batches: UInt64
    /// How often the log broke.
    public var failures: UInt64
}
