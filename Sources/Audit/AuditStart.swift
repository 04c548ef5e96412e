// The life of the writer's thread: folder, lock, recovery, `opened`, then the work until the log is closed.

/// What was found when a log was opened.
public struct AuditRecovery: Sendable {
    /// The newest record before `opened`.
    public let previousHead: AuditHead
    /// What was set aside, repaired or found damaged, a sentence each; also in the `opened` record.
    public let notes: [String]
    /// Names of the files that bytes were moved to, within the folder.
    public let setAside: [String]
    /// Intents without outcome, oldest first.
    public let openIntents: [AuditOpenIntent]
    /// Names of the checkpoints in the folder that the log was found to contradict, by this process or an earlier one.
    package let disputed: [String]
    /// What the log's checkpoints are verified with; nil where none are signed.
    package let verifierKey: NoteVerifierKey?
}

struct AuditStart {
    let folder: LogFolder
    let options: AuditOptions

    /// Runs until the log is closed; calls one of the two closures once, early.
    func run(
        opened: (WriterCore, AuditRecovery) -> Void, failed: (AuditOpenFailure) -> Void
    ) {
        do throws(AuditOpenFailure) {
            var (chain, signer, recovery) = try open()
            let core = WriterCore(options: options, chain)
            var checkpoints = CheckpointWriter(
                signer, file: CheckpointStart(folder: folder, options: options).file, every: options.checkpointEvery,
                now: options.now(), tell: options.checkpointTrouble)
            // Whoever has an open log has its checkpoint, too.
            _ = checkpoints.look(chain.tree, now: options.now())
            opened(core, recovery)
            core.run(&chain, &checkpoints)
            chain.abandon()
            options.fileSystem.close(chain.lock.file)
        } catch {
            failed(error)
        }
    }

    private func open() throws(AuditOpenFailure) -> (ChainWriter, NoteSigningKey?, AuditRecovery) {
        let guardian = FolderGuard(folder: folder, fileSystem: options.fileSystem)
        var notes = try guardian.prepare()
        let lock = try guardian.lock()
        do throws(AuditOpenFailure) {
            let files = try AuditOpenFailure.wrapping { () throws(FileFailure) in
                try folder.files(in: options.fileSystem)
            }
            notes += try guardian.protect(files)
            let found = try Recovery(folder: folder, fileSystem: options.fileSystem).run()
            notes += found.notes
            let signer = try CheckpointStart(folder: folder, options: options).signer()
            let scanned = try AuditOpenFailure.wrapping { () throws(FileFailure) in try scan(files, signer, &notes) }
            var chain = ChainWriter(
                found, lock: lock, folder: folder, fileSystem: options.fileSystem, rotateBytes: options.rotateBytes,
                now: options.wallTime)
            chain.tree = scanned.tree
            try writeOpened(&chain, found, notes)
            let disputed = try AuditOpenFailure.wrapping { () throws(FileFailure) in
                try CheckpointStart(folder: folder, options: options).disputed
            }
            let recovery = AuditRecovery(
                previousHead: found.head, notes: notes, setAside: found.setAside, openIntents: scanned.openIntents,
                disputed: disputed, verifierKey: signer?.verifier)
            return (chain, signer, recovery)
        } catch {
            options.fileSystem.close(lock.file)
            throw error
        }
    }

    /// Reads the whole log: what is open in it, and its tree where checkpoints are signed.
    private func scan(
        _ files: [LogFileName], _ signer: NoteSigningKey?, _ notes: inout [String]
    ) throws(FileFailure) -> (openIntents: [AuditOpenIntent], tree: MerkleTree?) {
        let start = CheckpointStart(folder: folder, options: options)
        let scan = LogScan(folder: folder, fileSystem: options.fileSystem)
        // The tree of what is gone stands behind it in the log.
        let isCut = signer != nil && files.first.map { $0.first > 1 } ?? false
        var builder = TreeBuilder(
            after: isCut ? try scan.retired() : nil, former: try signer.map(start.former) ?? nil)
        var retired: RetiredPart?
        let openIntents = try OpenIntentScan(folder: folder, fileSystem: options.fileSystem).run { line, start in
            if signer != nil { builder.take(line) }
            if start?.event == .retired { retired = RetiredPart(line) ?? retired }
        }
        if let disputed = builder.disputed { notes.append(try start.dispute(disputed)) }
        if let retired {
            try Retirement(folder: folder, fileSystem: options.fileSystem).remove(upTo: retired.last.seq)
        }
        return (openIntents, signer == nil ? nil : builder.tree.tree)
    }

    private func writeOpened(
        _ chain: inout ChainWriter, _ found: RecoveredChain, _ notes: [String]
    ) throws(AuditOpenFailure) {
        let previous = found.head.seq == 0 ? "a new log" : "previous head \(found.head)"
        let draft = RecordDraft.lifecycle(
            .opened, reason: ([options.software, previous] + notes).joined(separator: "; "))
        do throws(FileFailure) {
            try chain.prepare(bytes: draft.maxBytes)
        } catch {
            throw .refused(error)
        }
        do throws(AuditUnavailable) {
            try chain.append([draft])
        } catch {
            chain.abandon()
            throw .file(error.detail)
        }
    }
}
