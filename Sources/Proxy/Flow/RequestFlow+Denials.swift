// What the audit log says about calls that were refused here.

import Audit
import ClashAPI
import Edge
import HTTPTypes
import RateLimiting

extension RequestFlow {
    /// Records what was refused with 403 before its caller was asked for, if it is recorded whatever its body says; nil
    /// where there is nothing to record. Its body is nobody's to read.
    func deniedUnasked(_ visit: Visit) -> (@Sendable () async -> Void)? {
        let route = visit.admission.route
        guard let audit, ClashAPI.checkTarget(visit.head.target) == nil, audit.policy.records(unread: route),
            let call = audit.call(route.resolve(headers: visit.fields), visit, nil)
        else { return nil }
        return { await audit.denied(call, status: 403) }
    }

    /// A refusal of an audited call that never got as far as an intent: 403, 428 or 429 by us.
    func recordDenial(_ visit: Visit, _ failure: Failure) async {
        guard let audit, let call = visit.auditCall, visit.facts.attempts == 0 else { return }
        let status = failure.reason.row(.v2).status.code
        if [403, 428, 429].contains(status) { await audit.denied(call, status: status) }
    }

    /// A delete that comes no further because upstream is down is recorded all the same, as not sent.
    func recordNotSent(_ exit: FlowExit, _ call: UpstreamCall, _ visit: Visit) async {
        guard case .failed(let failure) = exit, failure.reason.isUpstreamDown, let audit,
            let recorded = visit.auditCall
        else { return }
        visit.auditCall = nil
        await audit.notSent(
            recorded, call.match,
            Reading(
                correlationID: recorded.id, caller: recorded.caller.name, authorization: nil, token: call.turn.token,
                trace: call.trace))
    }
}
