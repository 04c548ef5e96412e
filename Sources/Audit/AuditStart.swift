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
}

struct AuditStart {
    let folder: LogFolder
    let options: AuditOptions

    /// Runs until the log is closed; calls one of the two closures once, early.
    func run(
        opened: (WriterCore, AuditRecovery) -> Void, failed: (AuditOpenFailure) -> Void
    ) {
        do throws(AuditOpenFailure) {
            var (chain, recovery) = try open()
            let core = WriterCore(options: options, chain)
            opened(core, recovery)
            core.run(&chain)
            chain.abandon()
            options.fileSystem.close(chain.lock.file)
        } catch {
            failed(error)
        }
    }

    private func open() throws(AuditOpenFailure) -> (ChainWriter, AuditRecovery) {
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
            let openIntents = try AuditOpenFailure.wrapping { () throws(FileFailure) in
                try OpenIntentScan(folder: folder, fileSystem: options.fileSystem).run()
            }
            var chain = ChainWriter(
                found, lock: lock, folder: folder, fileSystem: options.fileSystem, rotateBytes: options.rotateBytes,
                now: options.wallTime)
            try writeOpened(&chain, found, notes)
            let recovery = AuditRecovery(
                previousHead: found.head, notes: notes, setAside: found.setAside, openIntents: openIntents)
            return (chain, recovery)
        } catch {
            options.fileSystem.close(lock.file)
            throw error
        }
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
