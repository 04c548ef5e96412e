// A delete that its tool only asks about, in place of the flow's steps from the turn on.

import ClashAPI
import CurlTransport
import Edge
import Ground
import HTTPTypes
import RateLimiting

extension RequestFlow {
    /// Answers a delete that is only asked about.
    func answer(_ verdict: DryRunVerdict, _ call: UpstreamCall, _ visit: Visit) async throws(FlowExit) {
        let body = try await DryRun(verdict: outlook(verdict, call, visit)).body(call) { call throws(FlowExit) in
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
}
