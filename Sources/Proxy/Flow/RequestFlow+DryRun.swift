// A delete that its tool only asks about, in place of the flow's steps from the turn on.

import ClashAPI
import Configuration
import CurlTransport
import Edge
import Ground
import HTTPTypes
import RateLimiting

extension RequestFlow {
    /// Answers a delete that is only asked about.
    func answer(_ verdict: DryRunVerdict, _ call: UpstreamCall, _ visit: Visit) async throws(FlowExit) {
        let body = try await dryRun(outlook(verdict, call, visit), call, visit).body(call) { call throws(FlowExit) in
            var permit = try await sender.turn(call, visit.progress)
            let credential = try await sender.credential(call, visit.progress)
            let answer = try await sender.deliver(call, credential, &permit, visit.progress) { () throws(FlowExit) in
                try visit.checkAnew()
            }
            permit.release()
            return answer
        }
        var fields: HTTPFields = [
            .contentType: "application/json", .cacheControl: "no-store", .preferenceApplied: "dry-run",
            .date: HTTPDate.text(environment.wallTime().seconds),
        ]
        OwnFields.add(correlationID: visit.correlationID, corsOrigin: visit.admission.corsOrigin, to: &fields)
        visit.wire.respond(.ok, fields, body: body)
    }

    /// A caller whose own windows have room for less is not asked to spend all of it before it hears that it was in vain.
    private func dryRun(_ verdict: DryRunVerdict, _ call: UpstreamCall, _ visit: Visit) -> DryRun {
        let caller = visit.admission.caller
        let room = sender.pacing.gate.budget(for: call.turn).own.map(\.remaining).min()
        return DryRun(
            verdict: verdict, mostReads: room.map { min(max($0, 1), DryRun.mostReads) } ?? DryRun.mostReads,
            mayRead: { target in
                guard caller.allow.contains(.read) else { return false }
                let read = ClashAPI.match(method: .get, target: target).resolve()
                return caller.bounds?.refusal(of: read, .empty, by: caller.name) == nil
            })
    }

    /// Whether an error of our own answers a dry run: where that is not said, the tool has to take it for the delete itself.
    func isDryRun(_ visit: Visit) -> Bool {
        guard Prefer.asksDryRun(visit.fields), visit.admission.route.possibleClasses.contains(.delete) else {
            return false
        }
        let operation = Operation.named(visit.record.operation)
        return operation.map { !$0.isKnown || $0.operationClass == .delete } ?? true
    }
}
