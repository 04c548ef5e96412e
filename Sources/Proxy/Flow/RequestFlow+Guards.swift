// What a delete has to pass when its class is settled and permitted, and before it asks for its turn: somebody's
// approval, and the archive.

import Audit
import ClashAPI
import CurlTransport
import RateLimiting

extension RequestFlow {
    /// Throws why the call may not be made yet; what was done for it stands in the visit.
    func passGuards(_ call: UpstreamCall, _ visit: Visit) async throws(FlowExit) {
        guard call.match.operationClass == .delete, guards.areUp else { return }
        // Nothing is asked for and nothing read for what would be refused anyway.
        if let refusal = audit?.refusal(of: call.match, visit) { throw .failed(refusal) }
        try await takeApproval(call, visit)
        try await archive(call, visit)
    }

    /// What a delete that is only asked about would be refused with for want of an approval.
    func outlook(_ verdict: DryRunVerdict, _ call: UpstreamCall, _ visit: Visit) -> DryRunVerdict {
        guard case .wouldBeSent = verdict, guards.wantsApproval else { return verdict }
        guard let audit, let approvals = guards.approvals else { return .wouldBeRefused(.noLogForApprovals) }
        do throws(Failure) {
            let delete = try asked(call, audit.policy.call(call.match, visit, visit.admission.caller))
            return approvals.refusal(of: delete).map { .wouldBeRefused($0) } ?? .wouldBeSent
        } catch {
            return .wouldBeRefused(error)
        }
    }

    /// Keeps what the call destroys. After an approval, and before the call's own turn: a read takes as long as it takes, and holds
    /// up no turn.
    private func archive(_ call: UpstreamCall, _ visit: Visit) async throws(FlowExit) {
        guard let archiver = guards.archiver else { return }
        // What the reads come to says nothing about the delete.
        let progress = CallProgress(trace: visit.trace)
        let began = environment.now()
        defer { visit.progress.spent(.audit, from: began, to: environment.now()) }
        visit.guarded.archive = try await archiver.keep(call) { read throws(FlowExit) in
            var permit = try await sender.turn(read, progress)
            let credential = try await sender.credential(read, progress)
            let answer = try await sender.deliver(read, credential, &permit, progress) { () throws(FlowExit) in
                try visit.checkAnew()
            }
            permit.release()
            return answer
        } missed: { exit in
            await recordNotSent(exit, call, visit)
        }
    }

    private func takeApproval(_ call: UpstreamCall, _ visit: Visit) async throws(FlowExit) {
        guard guards.wantsApproval else { return }
        guard let audit, let approvals = guards.approvals, let recorded = visit.auditCall else {
            throw .failed(.noLogForApprovals)
        }
        do throws(Failure) {
            let delete = try asked(call, recorded)
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

    private func asked(_ call: UpstreamCall, _ recorded: AuditCall) throws(Failure) -> AskedDelete {
        var body: [UInt8] = []
        if case .bytes(let bytes) = call.body { body = bytes }
        return try AskedDelete(recorded, call.match, call.request.fields, body: body)
    }
}

extension Failure {
    fileprivate static let noLogForApprovals = Failure(
        .auditUnavailable,
        "Deletes need an approval (deletes.approval), and the audit log that would hold it cannot be opened.",
        retryAfter: .seconds(5))
}
