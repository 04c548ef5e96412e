// Starts of runs: one that is repeated under its key, and one whose answer is lost.

import ClashAPI
import HTTPTypes
import Simulator

extension MainProof {
    /// Each caller starts a run and repeats the start; of the first that may, Bentley's answer is lost.
    func proveStarts() async {
        var isLost = true
        for (number, caller) in world.callers.enumerated() {
            if Task.isCancelled { return }
            guard let start = caller.first(forwarded(calls(caller).start(number))) else {
                table.add(
                    .runsStartOnce, caller.name,
                    .notApplicable("allow and operations grant it no start of runs"))
                continue
            }
            table.add(.runsStartOnce, caller.name, await proveStart(start, number, caller, isLost: isLost))
            isLost = false
        }
    }

    private func proveStart(
        _ start: ProofCall, _ number: Int, _ caller: ProvenCaller, isLost: Bool
    ) async -> Verdict {
        let call = start.with(key: "prove-start-\(number)")
        let ids = ["prove-start-\(number)-1", "prove-start-\(number)-2"]
        if isLost { world.simulator.inject(.runAnswerLost) }
        let first = await world.send(call, as: caller, id: ids[0])
        let second = await world.send(call, as: caller, id: ids[1])
        let sent = ids.flatMap { world.arrived($0) }.count { $0.method == "POST" }
        guard (200..<300).contains(first.status), second.status == first.status else {
            return .fail("\(call.operation) was answered \(first.shown), then \(second.shown)")
        }
        guard sent == 1, first.text == second.text else {
            return .fail("\(call.operation) under one key was sent \(sent) times")
        }
        let how = isLost ? "Bentley's answer was lost and made good; the same key again" : "the same key again"
        return .pass("\(how) got the same answer and was not sent")
    }
}

extension ProofCall {
    /// The same under an Idempotency-Key.
    fileprivate func with(key: String) -> ProofCall {
        var fields = fields
        if let name = HTTPField.Name("Idempotency-Key") { fields[name] = key }
        return ProofCall(operation, method, target, fields, body: body)
    }
}
