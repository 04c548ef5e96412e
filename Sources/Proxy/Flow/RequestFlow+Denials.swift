// What a call is refused for when its class is known, and what the audit log says about it.

import Audit
import ClashAPI
import Edge
import HTTPTypes
import RateLimiting

extension RequestFlow {
    /// Throws why the call may not be made. Of a delete that is only asked about, what its caller may see is kept for the answer.
    func permit(_ match: OperationMatch, _ said: RequestBodyFacts, _ visit: Visit) throws(FlowExit) {
        let caller = visit.admission.caller
        let isDryRun = match.operationClass == .delete && Prefer.asksDryRun(visit.fields)
        do throws(Failure) {
            // It deletes nothing, so its refusal is none of a delete.
            if isDryRun { visit.auditCall = nil }
            try FrontDesk.authorize(caller, match.operationClass)
            if let refusal = visit.admission.denial ?? caller.bounds?.refusal(of: match, said, by: caller.name) {
                throw refusal
            }
            var refusal: Failure?
            do throws(Failure) {
                try visit.admission.protection?.check(match, said, visit.fields)
                try audit?.policy.checkReason(match, visit.fields)
            } catch {
                guard isDryRun else { throw error }
                refusal = error
            }
            try audit?.policy.checkObjects(match)
            try OwnTag.checkMatch(visit.fields)
            guard isDryRun else { return }
            try DryRun.checkObjects(match, isProtected: refusal?.reason == .protected)
            refusal = refusal ?? audit?.refusal(of: match, visit)
            visit.dryRun = refusal.map { .wouldBeRefused($0) } ?? .wouldBeSent
        } catch {
            throw .failed(error)
        }
    }

    /// Records what was refused with 403 before its caller was asked for, if it is recorded whatever its body says; nil
    /// where there is nothing to record. Its body is nobody's to read.
    func deniedUnasked(_ visit: Visit) -> (@Sendable () async -> UInt64?)? {
        let route = visit.admission.route
        guard let audit, ClashAPI.checkTarget(visit.head.target) == nil, audit.policy.records(unread: route),
            let call = audit.call(route.resolve(headers: visit.fields), visit, nil)
        else { return nil }
        return { await audit.denied(call, status: 403) }
    }

    /// Does this, and counts its time as that of the audit log.
    func auditing<Answer>(_ visit: Visit, _ work: () async -> Answer) async -> Answer {
        let asked = environment.now()
        defer { visit.progress.facts.auditTime += environment.now() - asked }
        return await work()
    }

    /// A refusal of an audited call that never got as far as an intent: 403, 428 or 429 by us.
    func recordDenial(_ visit: Visit, _ failure: Failure) async {
        guard let audit, let call = visit.auditCall, visit.facts.attempts == 0 else { return }
        let status = failure.reason.row(.v2).status.code
        guard [403, 428, 429].contains(status) else { return }
        if let seq = await auditing(visit, { await audit.denied(call, status: status) }) {
            visit.record.steps.append(.denied(seq: seq))
        }
    }

    /// A delete that comes no further because upstream is down is recorded all the same, as not sent.
    func recordNotSent(_ exit: FlowExit, _ call: UpstreamCall, _ visit: Visit) async {
        guard case .failed(let failure) = exit, failure.reason.isUpstreamDown, let audit,
            let recorded = visit.auditCall
        else { return }
        visit.auditCall = nil
        let reading = Reading(
            correlationID: recorded.id, caller: recorded.caller.name, authorization: nil, token: call.turn.token,
            trace: call.trace)
        await auditing(visit) { await audit.notSent(recorded, call.match, reading) }
    }
}
