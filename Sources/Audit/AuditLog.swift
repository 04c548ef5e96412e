// The log as the rest of the house sees it. An intent is acknowledged only when it is durable in the file that has the
// log's name; whatever goes wrong underneath, intents are refused until the chain's end has been found and proved again.

import Ground

/// A hash-chained, append-only log with one writer. Safe to use from any task.
public final class AuditLog: Sendable {
    /// What was found when the log was opened. Its open intents are the caller's to settle with `recovered`.
    public let recovery: AuditRecovery

    let folder: LogFolder
    let core: WriterCore
    private let thread: NamedThread

    private init(folder: LogFolder, core: WriterCore, thread: NamedThread, recovery: AuditRecovery) {
        self.folder = folder
        self.core = core
        self.thread = thread
        self.recovery = recovery
    }

    deinit {
        core.close(nil)
    }

    /// Opens or begins the log in a folder, sets a torn tail aside, and writes `opened`.
    ///
    /// - Parameters:
    ///   - folder: made if it is missing (0700); its parent must exist. Others' right to write in it is taken away.
    ///   - options: see there.
    /// - Throws: when the folder is in use, unsafe or unreadable, or `opened` cannot be written.
    public static func open(
        folder: String, options: AuditOptions = AuditOptions()
    ) async throws(AuditOpenFailure) -> AuditLog {
        let thread = NamedThread()
        let (answers, answer) = AsyncStream<Result<AuditLog, AuditOpenFailure>>.makeStream()
        do throws(NamedThread.Failure) {
            try thread.start("audit") {
                let folder = LogFolder(path: folder)
                AuditStart(folder: folder, options: options).run { core, recovery in
                    answer.yield(.success(AuditLog(folder: folder, core: core, thread: thread, recovery: recovery)))
                } failed: {
                    answer.yield(.failure($0))
                }
                answer.finish()
            }
        } catch {
            throw .thread(code: error.code)
        }
        for await result in answers { return try result.get() }
        throw .file("the audit thread ended early")
    }

    /// Health, head and counts.
    public var status: AuditStatus { core.status }

    /// Records what is about to be done. When this returns, the record is on disk and the call may be sent.
    ///
    /// Every receipt is to be closed by `append(_:for:)`. A task that is cancelled gets its error at once; should the
    /// intent reach the disk all the same, an outcome `not_sent` follows it by itself.
    public func append(_ intent: AuditIntent) async throws(AuditUnavailable) -> AuditReceipt {
        let draft = RecordDraft.intent(intent)
        guard draft.maxBytes <= core.options.maxRecordBytes else { throw tooLarge(draft) }
        switch await core.submit(draft) {
        case .written(let seq): return AuditReceipt(seq: seq, call: draft.call)
        case .refused(let trouble), .kept(let trouble): throw trouble
        }
    }

    /// Records what came of a call. Returns when that is durable, or known to have to wait.
    ///
    /// Never throws: what upstream did is done. As long as an outcome is `kept`, intents are refused.
    @discardableResult
    public func append(_ outcome: AuditOutcome, for receipt: AuditReceipt) async -> AuditDurability {
        durability(of: await core.submit(.outcome(outcome, of: receipt.call, intent: receipt.seq)))
    }

    /// Records a call that the proxy refused (403, 428, 429).
    ///
    /// - Parameter status: the answer's status.
    @discardableResult
    public func denied(_ call: AuditCall, status: Int) async -> AuditDurability {
        let draft = RecordDraft.denied(call, status: status)
        guard draft.maxBytes <= core.options.maxRecordBytes else { return .dropped(tooLarge(draft)) }
        return durability(of: await core.submit(draft))
    }

    /// Records that a delete was asked for that needs an approval: in place of its denial. When this returns, the record is on
    /// disk.
    ///
    /// - Parameter status: the answer's status.
    package func asked(
        _ approval: AuditApproval, of call: AuditCall, status: Int
    ) async throws(AuditUnavailable) {
        try await permit(.approval(.approvalAsked, approval, of: call, status: status))
    }

    /// Records what somebody has decided about a delete. When this returns, the record is on disk, and the decision counts.
    package func decided(
        _ approval: AuditApproval, isApproved: Bool, of call: AuditCall
    ) async throws(AuditUnavailable) {
        try await permit(
            .approval(isApproved ? .approved : .approvalDenied, approval, of: call, status: nil))
    }

    /// Records that archived files are about to be taken away. When this returns, the record is on disk, and they may be.
    ///
    /// - Parameter setting: what the record says of the reason, such as `deletes.archive_keep 8760h`.
    package func archiveRemoved(_ files: [AuditArchived], setting: String) async throws(AuditUnavailable) {
        let reason =
            "\(core.options.software); \(setting): \(files.count == 1 ? "1 file" : "\(files.count) files") removed"
        try await permit(.archiveRemoved(files, reason: reason))
    }

    private func permit(_ draft: RecordDraft) async throws(AuditUnavailable) {
        guard draft.maxBytes <= core.options.maxRecordBytes else { throw tooLarge(draft) }
        switch await core.submit(draft) {
        case .written: break
        case .refused(let trouble), .kept(let trouble): throw trouble
        }
    }

    /// Closes an intent that an earlier process left open: by a read of the object, or as `unknown`.
    @discardableResult
    public func recovered(
        _ intent: AuditOpenIntent, result: AuditResult, status: Int? = nil
    ) async -> AuditDurability {
        durability(
            of: await core.submit(.recovered(result, status: status, of: intent.encoded, intent: intent.seq)))
    }

    /// Writes what waits and `closed`, and gives the folder free. Calls that still run should have ended before.
    public func close() async {
        core.close(.lifecycle(.closed, reason: core.options.software))
        await thread.ended()
    }

    /// Makes the writer look at the clock again, for tests that move it by hand.
    func wake() {
        core.wake()
    }

    private func tooLarge(_ draft: RecordDraft) -> AuditUnavailable {
        AuditUnavailable(
            .tooLarge, "the record needs up to \(draft.maxBytes) bytes; \(core.options.maxRecordBytes) are allowed")
    }

    func durability(of verdict: WriterState.Verdict) -> AuditDurability {
        switch verdict {
        case .written(let seq): .durable(seq: seq)
        case .kept(let trouble): .kept(trouble)
        case .refused(let trouble): .dropped(trouble)
        }
    }
}
