// What tools and approvers are refused with.

import Audit
import Configuration
import Ground

extension Failure {
    /// A delete waits for somebody's decision.
    ///
    /// - Parameter id: nil where it would be asked for only now.
    static func approvalRequired(id: String?, _ expires: WallTime) -> Failure {
        guard let id else {
            return Failure(
                .approvalRequired,
                "Another caller with the right 'approve' would have to approve this delete (deletes.approval).")
        }
        var failure = Failure(
            .approvalRequired,
            "Another caller with the right 'approve' must approve this delete before it is sent (deletes.approval): "
                + "clash-proxy approvals approve \(id). Then send the very same call again, within ten minutes.")
        failure.approval = (id, expires)
        return failure
    }

    static func approvalInUse(_ id: String, _ expires: WallTime) -> Failure {
        var failure = Failure(
            .approvalRequired,
            "The approval \(id) lets this delete through once, and the same call is under way already; what comes of that, "
                + "the audit log says.")
        failure.approval = (id, expires)
        return failure
    }

    static func approvalDenied(_ by: AuditCaller, _ reason: String, _ rest: Duration) -> Failure {
        let why = reason.isEmpty ? "and gave no reason" : "because: \(reason)"
        return Failure(
            .approvalDenied,
            "'\(by.name)' has denied this delete, \(why). The same call can be asked for again in \(rest.wholeSecondsUp) s."
        )
    }

    static func tooManyWait(_ wait: Duration) -> Failure {
        Failure(
            .overloaded, "Too many deletes wait for an approval already: somebody has to decide about them first.",
            retryAfter: max(wait, .seconds(1)))
    }

    static func mayNotApprove(_ caller: Caller) -> Failure {
        Failure(
            .permissionDenied,
            "The caller '\(caller.name)' may not approve; "
                + "it has: \(caller.allow.map(\.rawValue).sorted().joined(separator: ", ")).")
    }

    static let ownDelete = Failure(
        .permissionDenied, "The delete is the caller's own, and somebody else has to decide about it.")

    static let nothingWaits = Failure(
        .approvalNotFound,
        "No delete waits for a decision under this id: somebody has decided, its hour is over, or there never was one.")
}
