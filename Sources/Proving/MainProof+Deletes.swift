// Deletes: what is gone is shown to nobody, and who asked for it was on record before.

import Audit
import ClashAPI
import Configuration
import Ground
import HTTPTypes
import Simulator

extension MainProof {
    /// Deletes a report while others read it, and reads it again.
    func proveDelete(_ number: Int, _ caller: ProvenCaller) async {
        func add(_ shown: Verdict, _ recorded: Verdict) {
            table.add(.deletedIsNeverShown, caller.name, shown)
            table.add(.deletesAreRecorded, caller.name, recorded)
        }
        if Task.isCancelled { return }
        let calls = calls(caller)
        let reports = world.simulator.reportIDs(iTwin: caller.home)
        guard let report = reports.last, reports.count > 3,
            let delete = caller.first(forwarded(calls.deletes(of: report)))
        else { return add(ProvenCaller.mayNotDelete, ProvenCaller.mayNotDelete) }
        let readers = readers(of: report, in: caller.home)
        let id = "prove-delete-\(number)"
        for (reader, call) in readers { _ = await world.send(call, as: reader, id: "\(id)-before") }
        async let race: Void = withTaskGroup(of: Void.self) { group in
            for (reader, call) in readers {
                group.addTask { for _ in 0..<5 { _ = await world.send(call, as: reader, id: "\(id)-meanwhile") } }
            }
        }
        let answer = await world.send(delete, as: caller, id: id)
        guard (200..<300).contains(answer.status) else {
            await race
            let why = Verdict.fail("\(delete.operation) was answered \(answer.shown)")
            return add(why, why)
        }
        let shown = await firstThatShows(report, calls, readers, id)
        await race
        let late = await firstThatShows(report, calls, readers, id)
        if readers.isEmpty {
            table.add(
                .deletedIsNeverShown, caller.name,
                .notApplicable("no caller may read reports there: there is nobody to show it to"))
        } else {
            table.add(
                .deletedIsNeverShown, caller.name,
                (shown ?? late).map { .fail("after the delete was answered, \($0) still showed it") }
                    ?? .pass("deleted while it was read; gone for \(readers.count) reads, cached before"))
        }
        table.add(.deletesAreRecorded, caller.name, recorded(id, delete, caller))
    }

    /// Who may read it, and how; some are enough.
    private func readers(of report: String, in iTwin: String) -> [(ProvenCaller, ProofCall)] {
        let shows = forwarded(world.calls(in: iTwin).shows(report))
        let all = world.callers.filter { $0.foreign == nil || $0.itwins.contains { $0.text == iTwin } }
            .flatMap { reader in shows.filter { reader.may($0.operation) }.map { (reader, $0) } }
        return Array(all.prefix(Self.mostReaders(ofCallers: world.callers.count)))
    }

    /// How many read while each of so many callers deletes: with many, all of that together would take too long.
    static func mostReaders(ofCallers count: Int) -> Int { min(12, max(2, 96 / max(count, 1))) }

    private func firstThatShows(
        _ report: String, _ calls: ProofCalls, _ readers: [(ProvenCaller, ProofCall)], _ id: String
    ) async -> String? {
        for (reader, call) in readers {
            let answer = await world.send(call, as: reader, id: "\(id)-after")
            // The iTwin's own path is in every link.
            let names = [report, calls.legacyID(report)]
            let isItem = call.operation.hasSuffix(".get")
            if isItem ? answer.status == 200 : names.contains(where: { answer.text.contains($0) }) {
                return "\(call.operation) for \(reader.name)"
            }
        }
        return nil
    }

    /// The log says who it was, and said so before Bentley was asked.
    private func recorded(_ id: String, _ delete: ProofCall, _ caller: ProvenCaller) -> Verdict {
        var found: AuditRow?
        do throws(AuditReadFailure) {
            try AuditReader(folder: world.auditFolder).rows(AuditFilter()) { row in
                if row.call.id == id { found = row }
                return found == nil
            }
        } catch {
            return .fail("the log cannot be read: \(error.description)")
        }
        guard let found else { return .fail("\(delete.operation) is not in the log") }
        guard found.result == "deleted" else { return .fail("the log says \(found.result) of \(delete.operation)") }
        guard caller.recordedAs.isEmpty || found.call.caller.name == caller.recordedAs else {
            return .fail("the log says that \(found.call.caller.name) asked for it")
        }
        let arrival = world.arrived(id).filter { $0.method != "GET" }.map(\.time).min() ?? .zero
        let asked = Duration.microseconds(found.time.microseconds)
        guard asked <= arrival else { return .fail("its intent is younger than its arrival at Bentley") }
        return .pass("record \(found.seq) names the caller; its outcome followed")
    }
}
