// `/_proxy/approvals`: which deletes wait for a decision, and what somebody decides.

import Edge
import Ground
import NIOCore

extension ProxyService {
    /// What waits, as far as the caller may see it.
    func listApprovals(_ visit: Visit) {
        guard let approvals = flow.guards.approvals else { return refuseOwn(visit, .noApprovals) }
        var object = JSONObject()
        object.add("approvals", approvals.waiting(for: visit.admission.caller))
        answerOwn(OwnAnswer.body(object), visit)
    }

    /// Waits for the decision, and for its record.
    func decide(_ id: String, _ visit: Visit) {
        guard let approvals = flow.guards.approvals else { return refuseOwn(visit, .noApprovals) }
        let bound = NIOLoopBound(visit, eventLoop: visit.wire.executor.eventLoop)
        let task = Task(executorPreference: visit.wire.executor) { [self] in
            let visit = bound.value
            do throws(FlowExit) {
                let decision = try Decision(await body(of: visit))
                let object: JSONObject
                do throws(Failure) {
                    object = try await approvals.decide(
                        id, isApproved: decision.isApproved, reason: decision.reason, by: visit.admission.caller,
                        address: visit.record.peer)
                } catch {
                    throw .failed(error)
                }
                var answer = JSONObject()
                answer.add("approval", object)
                // Whether its sender is still there or not, the decision holds.
                answerOwn(OwnAnswer.body(answer), visit)
            } catch {
                await flow.giveUp(visit, error)
                activity.exchangeEnded()
            }
        }
        visit.wire.onLeaving = { task.cancel() }
    }

    private func body(of visit: Visit) async throws(FlowExit) -> [UInt8] {
        var bytes: [UInt8] = []
        do throws(RequestBodyError) {
            while let part = try await visit.wire.nextBodyPart() {
                bytes += part.readableBytesView
                if bytes.count > Decision.mostBytes { break }
            }
        } catch {
            switch error {
            case .failed(let failure): throw .failed(Failure(failure))
            case .callerLeft: throw .callerLeft
            }
        }
        guard bytes.count <= Decision.mostBytes else { throw .failed(.decisionTooLarge) }
        return bytes
    }

    private func refuseOwn(_ visit: Visit, _ failure: Failure) {
        flow.refuse(visit, failure)
        activity.exchangeEnded()
    }
}

/// What an approver sends.
private struct Decision {
    static let mostBytes = 16 << 10
    private static let longestReason = 1_000
    private static let members: Set = ["decision", "reason"]

    let isApproved: Bool
    let reason: String

    init(_ body: [UInt8]) throws(FlowExit) {
        guard let document = JSON(body), case .object(let members) = document else {
            throw .failed(
                .invalid("The body must be one JSON object: {\"decision\":\"approve\"|\"deny\",\"reason\":\"…\"}."))
        }
        // A word that means nothing here was meant to mean something: nobody decides by half of what was said.
        if let unknown = members.map(\.key).sorted().first(where: { !Self.members.contains($0) }) {
            throw .failed(
                .invalid(
                    "The body may have the members 'decision' and 'reason' only, and none '\(unknown)'.",
                    target: unknown))
        }
        switch document["decision"]?.string {
        case "approve": isApproved = true
        case "deny": isApproved = false
        default:
            throw .failed(.invalid("'decision' must be \"approve\" or \"deny\".", target: "decision"))
        }
        let reason = document["reason"]
        guard reason == nil || reason == .null || reason?.string.map({ $0.count <= Self.longestReason }) ?? false else {
            throw .failed(
                .invalid("'reason' must be a text of \(Self.longestReason) characters at most.", target: "reason"))
        }
        self.reason = reason?.string ?? ""
    }
}

extension Failure {
    fileprivate static let decisionTooLarge = Failure(
        .bodyTooLarge, "A decision may have \(Decision.mostBytes >> 10) KiB of body at most.")

    fileprivate static let noApprovals = Failure(
        .operationNotFound, "No delete needs an approval here (deletes.approval = \"none\").")
}
