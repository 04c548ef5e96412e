// The kinds of alerts in their own words. Whoever tells one here tells the application log as well, or has.

import Audit
import Ground
import RateLimiting
import Tokens

extension Alerts {
    // MARK: Upstream

    private static let bentley = "upstream"

    func upstreamDown(_ reason: String, detail: String, id: String?) {
        begun(
            .upstreamDown, Self.bentley, .critical, "Bentley cannot be reached",
            [.init("reason", reason), .init("error", detail), .init("id", id)])
    }

    func upstreamBack(after span: Duration) {
        over(.upstreamDown, Self.bentley, "Bentley is back", [.init("down_seconds", "\(span.components.seconds)")])
    }

    func pauseBegan(_ key: PauseBook.Key, _ closing: Gate.Closing, until end: WallTime, id: String?) {
        begun(
            .pause, key.subject, .warning, "Bentley has asked for a pause",
            [
                .init("scope", closing.scope.text), .init("cause", closing.cause.rawValue),
                .init("seconds", "\(closing.remaining.wholeSecondsUp)"), .init("until", RFC3339.text(end, digits: 3)),
                .init("id", id),
            ])
    }

    func pauseEnded(_ key: PauseBook.Key) {
        over(.pause, key.subject, "the pause is over", [.init("scope", key.scope.text)])
    }

    // MARK: Token

    private static let client = "token"

    func token(_ event: TokenEvent) {
        switch event {
        case .requested: break
        case .fetched:
            over(.token, Self.client, "tokens are to be had again")
            over(.signIn, Self.client, "somebody has signed in")
        case .failed(let failure, let inARow):
            let details = [
                Alert.Detail("reason", failure.reason.rawValue), .init("error", failure.message),
                .init("in_a_row", "\(inARow)"),
            ]
            switch failure.reason {
            // Nobody's fault, and no trouble.
            case .stopped, .cancelled: break
            case .signInNeeded, .stateUnavailable:
                begun(.signIn, Self.client, .critical, "somebody has to sign in again (clash-proxy login)", details)
            default: begun(.token, Self.client, .critical, "no new token is to be had", details)
            }
        }
    }

    // MARK: Audit

    private static let log = "audit"

    /// - Parameter isNeeded: whether deletes are refused meanwhile.
    func auditBroken(_ error: String, isNeeded: Bool = true) {
        begun(
            .audit, Self.log, .critical,
            "the audit log cannot be written, and deletes are \(isNeeded ? "refused" : "not recorded")",
            [.init("error", error)])
    }

    func auditMended() { over(.audit, Self.log, "the audit log is written again") }

    /// The checkpoint cannot be written; nil: it can again.
    func checkpoint(_ trouble: String?) {
        let subject = "checkpoint"
        guard let trouble else { return over(.audit, subject, "the checkpoint of the audit log is written again") }
        begun(
            .audit, subject, .warning,
            "the checkpoint of the audit log cannot be written: what is recorded from now on can be cut off unseen",
            [.init("error", trouble)])
    }

    /// The log is not the one whose checkpoints these are.
    func logDisputed(_ names: [String]) {
        begun(
            .audit, "disputed", .critical, "the audit log contradicts a checkpoint that was signed over it",
            [.init("files", names.joined(separator: " "))])
    }

    private static let archive = "archive"

    /// - Parameter isNeeded: whether deletes are refused meanwhile.
    func archiveBroken(_ error: String, isNeeded: Bool) {
        begun(
            .archive, Self.archive, .critical,
            "the archive of deletes cannot be written, and deletes are \(isNeeded ? "refused" : "carried out without")",
            [.init("error", error)])
    }

    func archiveMended() { over(.archive, Self.archive, "the archive of deletes is written again") }

    func sinkDown(_ name: String, _ error: String) {
        begun(
            .sink, name, .warning, "copies of the audit records have not got to a sink for a minute",
            [.init("sink", name), .init("error", error)])
    }

    func sinkBack(_ name: String) {
        over(.sink, name, "the sink takes records again", [.init("sink", name)])
    }

    /// Of a call that is recorded.
    func unknownOutcome(_ call: AuditCall) {
        begun(
            .unknownOutcome, call.id, .warning, "nobody knows what became of a call that was sent",
            [
                .init("id", call.id), .init("caller", call.caller.name), .init("operation", call.operation),
                .init("objects", call.objects.isEmpty ? nil : call.objects.joined(separator: " ")),
            ], lasts: false)
    }

    // MARK: Requests

    /// A request ends in an error of our own.
    func refused(_ failure: Failure, _ record: ExchangeRecord) {
        let details = [
            Alert.Detail("id", record.correlationID), .init("caller", record.caller),
            .init("operation", record.operation), .init("path", record.path),
        ]
        switch failure.reason {
        // What is recorded was told with its record.
        case .outcomeUnknown:
            begun(
                .unknownOutcome, record.correlationID, .warning, "nobody knows what became of a call that was sent",
                details, lasts: false)
        case .protected:
            begun(
                .protected, failure.protectedID ?? "\(record.caller) \(record.operation) \(record.path)", .warning,
                failure.protectedID == nil
                    ? "a delete that could be of what is protected was refused"
                    : "a delete of what is protected was refused",
                [.init("object", failure.protectedID)] + details, lasts: false)
        default: break
        }
    }

    // MARK: Listeners

    private static let warnedDays: Int64 = 14

    /// Looked at every now and then.
    ///
    /// - Parameter end: in seconds since 1970.
    func certificate(ends end: Int64, secondsLeft: Int64) {
        let subject = "listen.tls_certificate"
        let details = [Alert.Detail("ends", RFC3339.text(end)), .init("days", "\(secondsLeft / 86_400)")]
        if secondsLeft < Self.warnedDays * 86_400 {
            begun(
                .certificate, subject, secondsLeft < 2 * 86_400 ? .critical : .warning,
                secondsLeft < 0 ? "the certificate has expired" : "the certificate ends", details)
        } else {
            over(.certificate, subject, "another certificate is in force", details)
        }
    }
}

extension PauseBook.Key {
    /// A token's hash is shortened, as in the log.
    fileprivate var subject: String { (gate.map { "\($0.prefix(16)) " } ?? "") + scope.text }
}
