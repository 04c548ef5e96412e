// What was let in under another configuration and has not been sent: the rules in force are asked about it once more.

import ClashAPI
import Edge

extension FrontDesk {
    /// Why a call that only waits may not be made any more; nil: it may. How large it may be is no such reason.
    func refusal(ofWaiting visit: Visit) -> Failure? {
        switch decide(visit.head, visit.wire.client.identity) {
        case .refuse(let failure, _): return failure.reason == .bodyTooLarge ? nil : failure
        case .preflight, .options, .own: return nil
        case .forward(let admission):
            do throws(Failure) {
                try check(visit, admission)
                return nil
            } catch {
                return error
            }
        }
    }

    private func check(_ visit: Visit, _ admission: Admission) throws(Failure) {
        let caller = admission.caller
        if let denial = admission.denial { throw denial }
        guard let (match, body) = visit.settled else {
            // What its body says is judged when it is here.
            if Self.hasNoRight(caller, admission.route) { try Self.authorize(caller, admission.route.operationClass) }
            return
        }
        try Self.authorize(caller, match.operationClass)
        let said = RequestBodyReader.facts(of: body, visit.fields, admission)
        if let refusal = caller.bounds?.refusal(of: match, said, by: caller.name) { throw refusal }
        try admission.protection?.check(match, said, visit.fields)
    }
}
