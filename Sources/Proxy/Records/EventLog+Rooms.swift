// What other rooms tell, in the words of the application log.

import Audit
import Logging
import Synchronization

extension EventLog {
    /// The audit log broke, or was mended.
    func audit(_ health: AuditStatus.Health) {
        switch health {
        case .ready:
            logger.notice("audit log is written again")
            alerts?.auditMended()
        case .broken(let trouble):
            logger.error(
                "audit log cannot be written",
                metadata: ["cause": "\(trouble.cause.rawValue)", "error": "\(trouble.detail)"])
            alerts?.auditBroken(trouble.detail)
        case .closed: break
        }
    }

    /// Spans do not get to the collector any more, or do again.
    func traces(_ news: SpanExporter.News) {
        switch news {
        case .down(let trouble):
            logger.warning(
                "spans cannot be delivered: they wait, and what finds no room is dropped",
                metadata: ["key": "traces.endpoint", "error": "\(trouble)"])
        case .back(let lost):
            logger.notice("spans are delivered again", metadata: ["key": "traces.endpoint", "dropped": "\(lost)"])
        }
    }

    /// The checkpoint of the audit log could not be written; nil: it could again.
    func checkpoint(trouble: String?) {
        checkpointTrouble.withLock { $0 = trouble }
        alerts?.checkpoint(trouble)
        if let trouble {
            logger.error("the checkpoint of the audit log cannot be written", metadata: ["error": "\(trouble)"])
        } else {
            logger.notice("the checkpoint of the audit log is written again")
        }
    }

    /// Checkpoints of the audit log are signed.
    ///
    /// - Parameter key: the name that the key was made for.
    func checkpoints(by verifier: NoteVerifierKey, key: String?) {
        logger.notice("checkpoints of the audit log are signed", metadata: ["verifier_key": "\(verifier)"])
        guard let key, key != verifier.name else { return }
        logger.warning(
            "audit.signing_key_file was made for another name than the log's, which was fixed when the log began: checkpoints are verified with the key that was told last, not with the one that keygen printed",
            metadata: ["log": "\(verifier.name)", "key": "\(key)"])
    }

    /// Idempotency keys cannot be kept; nil: they can again.
    func keys(trouble: String?) {
        if let trouble {
            logger.error(
                "idempotency keys cannot be kept: calls that bring one are refused", metadata: ["error": "\(trouble)"])
        } else {
            logger.notice("idempotency keys are kept again")
        }
    }

    /// Files of the audit log were taken away as `audit.keep` says.
    func retired(files: Int, last: UInt64) {
        logger.notice(
            "files of the audit log are retired (audit.keep)",
            metadata: ["files": "\(files)", "last_record": "\(last)"])
    }

    /// Files that are old enough had to stay.
    func notRetired(_ why: String) {
        logger.warning("files of the audit log cannot be retired (audit.keep)", metadata: ["error": "\(why)"])
    }

    /// A sink of the audit log broke, or was mended, or something of its own.
    func sink(_ news: SinkNews) {
        switch news {
        case .down(let sink, let trouble):
            sinkIsDown(sink, "it \(trouble)")
            logger.error(
                "a sink of the audit log is down: records wait on disk and are sent later",
                metadata: ["sink": "\(sink)", "error": "it \(trouble)"])
        case .up(let sink, let span):
            sinkIsUp(sink)
            logger.notice(
                "a sink of the audit log takes records again",
                metadata: ["sink": "\(sink)", "down_s": "\(span.components.seconds)"])
        case .positionUnwritten(let sink, let trouble):
            logger.error(
                "the position of a sink cannot be noted: after a restart it gets records again",
                metadata: ["sink": "\(sink)", "error": "\(trouble)"])
        case .gap(let sink, let first, let last):
            logger.warning(
                "a sink of the audit log lacks records that were retired while it was not served (audit.keep)",
                metadata: ["sink": "\(sink)", "first_record": "\(first)", "last_record": "\(last)"])
        case .moved(let sink, let record):
            logger.notice(
                "a sink of the audit log has another url, and goes on where it was: give it another name to begin anew",
                metadata: ["sink": "\(sink)", "behind_record": "\(record)"])
        case .begunAnew(let sink, let why):
            logger.warning(
                "a sink of the audit log gets all records from the first on",
                metadata: ["sink": "\(sink)", "reason": "\(why)"])
        }
    }

    /// The archive of deletes cannot be written, or can again.
    ///
    /// - Parameters:
    ///   - trouble: what is wrong; nil: it is over.
    ///   - isNeeded: whether deletes are refused meanwhile.
    func archive(trouble: String?, isNeeded: Bool) {
        if let trouble {
            logger.error("the archive of deletes cannot be written", metadata: ["error": "\(trouble)"])
            alerts?.archiveBroken(trouble, isNeeded: isNeeded)
        } else {
            logger.notice("the archive of deletes is written again")
            alerts?.archiveMended()
        }
    }

    /// What a process that was killed has left unfinished is gone.
    func archiveCleared(files: Int) {
        logger.notice("unfinished files of the archive of deletes were removed", metadata: ["files": "\(files)"])
    }

    /// Old files were taken away as `deletes.archive_keep` says.
    func archiveRemoved(files: Int) {
        logger.notice(
            "files of the archive of deletes are removed (deletes.archive_keep)", metadata: ["files": "\(files)"])
    }

    /// Files that are old enough had to stay.
    func archiveNotRemoved(_ why: String) {
        logger.warning(
            "files of the archive of deletes cannot be removed (deletes.archive_keep)", metadata: ["error": "\(why)"])
    }

    /// A delete waits for somebody's approval.
    func approvalAsked(_ id: String, _ call: AuditCall) {
        logger.notice("a delete waits for an approval", metadata: facts(of: call, approval: id))
    }

    /// Somebody has decided about it.
    func approvalDecided(_ id: String, _ call: AuditCall, isApproved: Bool, by: AuditCaller) {
        var facts = facts(of: call, approval: id)
        facts["by"] = "\(by.name)"
        logger.notice(isApproved ? "a delete is approved" : "a delete is denied", metadata: facts)
    }

    private func facts(of call: AuditCall, approval: String) -> Logger.Metadata {
        [
            "approval": "\(approval)", "id": "\(call.id)", "caller": "\(call.caller.name)",
            "operation": "\(call.operation)",
        ]
    }

    /// The keys of an issuer cannot be fetched, or can again.
    ///
    /// - Parameter trouble: what it does; nil: it is over.
    func issuer(_ url: String, _ trouble: String?) {
        if let trouble {
            logger.warning(
                "the keys of an issuer cannot be fetched; those that are known are good for a day",
                metadata: ["issuer": "\(url)", "error": "\(trouble)"])
        } else {
            logger.notice("the keys of an issuer are fetched again", metadata: ["issuer": "\(url)"])
        }
    }
}
