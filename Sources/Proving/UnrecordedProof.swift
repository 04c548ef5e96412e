// A proxy whose audit log goes away: no record, no delete.

import Configuration
import Glibc
import Ground
import HTTPTypes
import Simulator

/// Deletes against a log that cannot be written.
struct UnrecordedProof: Sendable {
    let world: ProofWorld
    let table: ProofTable

    func run() async {
        // As when a disk is taken away.
        guard rename(world.auditFolder, world.folder.path + "/gone") == 0 else {
            return table.isCut("the audit folder cannot be taken away")
        }
        for (number, caller) in world.callers.enumerated() where !Task.isCancelled {
            table.add(.noRecordNoDelete, caller.name, await refused(number, caller))
        }
    }

    private func refused(_ number: Int, _ caller: ProvenCaller) async -> Verdict {
        guard world.promised.audit.required else {
            return .notApplicable("audit.required = false: while the log cannot be written, deletes go out unrecorded")
        }
        let calls = world.calls(in: caller.home)
        let report = world.simulator.reportIDs(iTwin: caller.home).last ?? ""
        let deletes = calls.deletes(of: report).filter { world.isForwarded($0) && caller.may($0.operation) }
        guard !deletes.isEmpty else { return ProvenCaller.mayNotDelete }
        for call in deletes {
            let id = "prove-unrecorded-\(number)-\(call.operation)"
            let answer = await world.send(call, as: caller, id: id)
            if world.arrived(id).contains(where: { $0.method != "GET" }) {
                return .fail("without a log, \(call.operation) was sent to Bentley")
            }
            guard answer.status == 503, answer.code == "AuditUnavailable" else {
                return .fail("without a log, \(call.operation) was answered \(answer.shown)")
            }
        }
        return .pass("without a log, answered 503 and not sent")
    }
}
