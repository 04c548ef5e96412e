// What a delete has to pass when its class is settled and permitted, and before it asks for its turn: somebody's approval.

import Audit
import ClashAPI
import CurlTransport

extension RequestFlow {
    /// Throws why the call may not be made yet; what was done for it stands in the visit.
    func passGuards(_ call: UpstreamCall, _ visit: Visit) async throws(FlowExit) {
        guard call.match.operationClass == .delete else { return }
        try await takeApproval(call, visit)
    }

    /// What a delete that is only asked about would be refused with for want of an approval.
    func outlook(_ verdict: DryRunVerdict, _ call: UpstreamCall, _ visit: Visit) -> DryRunVerdict {
        guard case .wouldBeSent = verdict, guards.lacksLog || guards.approvals != nil else { return verdict }
        guard let audit, let approvals = guards.approvals else { return .wouldBeRefused(.noLogForApprovals) }
        do throws(Failure) {
            let delete = try asked(call, audit.policy.call(call.match, visit, visit.admission.caller), visit)
            return approvals.refusal(of: delete).map { .wouldBeRefused($0) } ?? .wouldBeSent
        } catch {
            return .wouldBeRefused(error)
        }
    }

    /// Nothing else may speak against the delete by now: nobody is asked about what would be refused anyway.
    private func takeApproval(_ call: UpstreamCall, _ visit: Visit) async throws(FlowExit) {
        guard guards.lacksLog || guards.approvals != nil else { return }
        guard let audit, let approvals = guards.approvals, let recorded = visit.auditCall else {
            throw .failed(.noLogForApprovals)
        }
        if let refusal = audit.refusal(of: call.match, visit) { throw .failed(refusal) }
        do throws(Failure) {
            let delete = try asked(call, recorded, visit)
            let began = environment.now()
            defer { visit.progress.facts.auditTime += environment.now() - began }
            visit.guarded.approval = try await approvals.take(delete)
        } catch {
            if error.reason == .approvalRequired, error.approval != nil {
                // Its record stands in the place of a denial.
                visit.auditCall = nil
                audit.showAsked(recorded)
            }
            throw .failed(error)
        }
    }

    private func asked(_ call: UpstreamCall, _ recorded: AuditCall, _ visit: Visit) throws(Failure) -> AskedDelete {
        var body: [UInt8] = []
        if case .bytes(let bytes) = call.body { body = bytes }
        return try AskedDelete(recorded, call.match, visit.fields, body: body)
    }
}

extension Failure {
    fileprivate static let noLogForApprovals = Failure(
        .auditUnavailable,
        "Deletes need an approval (deletes.approval), and the audit log that would hold it cannot be opened.",
        retryAfter: .seconds(5))
}
