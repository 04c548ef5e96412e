// v2 runs: starting one (new report, or an earlier one run again in place) and cancelling one.

extension Store {
    /// POST runs/jobs with operation `run`, or `cancel`: the cancel operation's own path is not documented.
    mutating func postRunJobs(_ call: Call) throws(Refusal) -> Answer {
        let body = try call.object { _ in Store.badRun }
        return body["operation"]?.text == "cancel" ? try cancelRun(call) : try startRun(call)
    }

    private static let badRun = Refusal.invalid(
        400, "InvalidClashDetectionRequest", "Invalid clash detection run request.")

    private mutating func startRun(_ call: Call) throws(Refusal) -> Answer {
        let position = try tenantIndex(call)
        let job = try call.singleJob(operation: "run", or: Store.badRun)
        guard let testText = job["testId"]?.text, let modelText = job["iModelId"]?.text else { throw Store.badRun }
        let mode = call.header("In-Place")?.lowercased() ?? "false"
        guard ["true", "false", "force"].contains(mode) else { throw Store.badRun }
        guard let testID = GUID(testText), let test = tenant(position).tests[testID] else { throw .testNotFound }
        guard let model = GUID(modelText) else { throw .iModelNotFound }
        let report = try run(
            test, on: model, changeset: job["changesetId"]?.text.flatMap { GUID($0) },
            limit: job["testSettings"]?["resultsLimit"], inPlace: mode != "false", in: position, now: call.now)
        let status: JSON = report.status(call.now) == 0 ? "Started" : "Completed"
        return .json(
            200,
            ["runs": [["testId": .guid(test.id), "clashReportId": .guid(report.id), "status": status]]])
    }

    /// POST runs/jobs/cancellation: only a run that goes on can be cancelled.
    mutating func cancelRun(_ call: Call) throws(Refusal) -> Answer {
        let position = try tenantIndex(call)
        let job = try call.singleJob(operation: "cancel", or: Store.badRun)
        guard let text = job.text, let id = GUID(text) else { throw Store.badRun }
        guard let report = tenant(position).reports[id] else { throw .reportNotFound }
        guard report.status(call.now) == 0 else {
            throw .unprocessable(
                .init(code: "InvalidValue", message: "The run is not in progress.", target: "jobs"))
        }
        _ = change(position) { tenant in
            tenant.reports.update(id) { report in
                report.ends = call.now
                report.finalStatus = 9
            }
        }
        return .accepted
    }

    /// Starts a run, for both API versions. In place, the latest report of the same test and iModel is run again
    /// and keeps its id; its earlier results are gone.
    mutating func run(
        _ test: TestConfiguration, on model: GUID, changeset: GUID?, limit: JSON?, inPlace: Bool, in position: Int,
        now: Duration
    ) throws(Refusal) -> Report {
        let tenant = tenant(position)
        guard let repository = tenant.repositories.first(where: { $0.id == model }) else { throw .iModelNotFound }
        let ends = now + configuration.runDuration
        let earlier = tenant.reports.ids.last { id in
            tenant.reports[id].map { $0.test == test.id && $0.repository.id == model } ?? false
        }
        if inPlace, let earlier {
            let job = GUID(from: &ids)
            let report = change(position) { tenant in
                tenant.reports.moveToEnd(earlier)
                return tenant.reports.update(earlier) { report in
                    report.jobID = job
                    report.executed = now
                    report.ends = ends
                    report.finalStatus = 1
                    report.suppressions = []
                    return report
                }
            }
            if let report { return report }
        }
        // Changesets that the fake does not know are believed: the real API looks them up elsewhere.
        let known = repository.changesets.first { $0.id == changeset } ?? repository.changesets.last
        let named = changeset.map { Changeset(id: $0, name: known?.id == $0 ? known?.name ?? "" : "") } ?? known
        let report = Report(
            id: GUID(from: &ids), test: test.id, testName: test.name, repository: repository,
            changeset: named ?? Changeset(id: GUID(from: &ids), name: ""), user: tenant.users[0],
            jobID: GUID(from: &ids), executed: now, ends: ends, finalStatus: 1,
            clashCount: configuration.clashesPerReport, resultsLimit: limit ?? 100_000,
            ruleCount: test.ruleIDs.count)
        change(position) { $0.reports.append(report) }
        return report
    }
}
