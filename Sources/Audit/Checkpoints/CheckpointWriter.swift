// Keeps `checkpoint` beside the log: by time, by number of records, and at both ends of the log's life. Used by the writer's
// thread. What fails here stops no record: it is told, and tried again when it is due.

struct CheckpointWriter {
    /// So many records are never without a checkpoint for long.
    static let records: UInt64 = 100

    private let signer: NoteSigningKey?
    private let file: AtomicFile
    private let every: Duration
    private let tell: @Sendable (String?) -> Void
    /// When it is to be written whatever there is.
    private(set) var due: ContinuousClock.Instant
    /// Of the checkpoint that was tried last.
    private var size: UInt64?
    private var isBroken = false

    /// - Parameter signer: with the log's name; nil: none is written.
    init(
        _ signer: NoteSigningKey?, file: AtomicFile, every: Duration, now: ContinuousClock.Instant,
        tell: @escaping @Sendable (String?) -> Void
    ) {
        (self.signer, self.file, self.every, self.tell) = (signer, file, every, tell)
        due = now
    }

    /// Writes the checkpoint if it is time; returns whether a period is over.
    mutating func look(_ tree: MerkleTree?, now: ContinuousClock.Instant) -> Bool {
        let isOver = now >= due
        if isOver { due = now + every }
        if let tree, isOver || tree.size >= (size ?? 0) + Self.records { write(tree) }
        return isOver
    }

    /// Writes the last one.
    mutating func end(_ tree: MerkleTree?) {
        if let tree, tree.size != size { write(tree) }
    }

    private mutating func write(_ tree: MerkleTree) {
        guard let signer else { return }
        size = tree.size
        var trouble: String?
        if let note = signer.sign(Checkpoint(origin: signer.name, tree: tree).text) {
            do throws(FileFailure) {
                try file.replace(with: note)
            } catch {
                trouble = error.description
            }
        } else {
            trouble = "the key of audit.signing_key_file does not sign"
        }
        guard isBroken != (trouble != nil) else { return }
        isBroken.toggle()
        tell(trouble)
    }
}
