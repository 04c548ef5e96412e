// One call of each documented operation, with ids of the simulated world.

import HTTPTypes
import Simulator

/// A call as a tool makes it. A value.
struct ProofCall: Sendable {
    let operation: String
    let method: HTTPRequest.Method
    private(set) var target: String
    let body: String?
    /// Beside those that say who calls.
    let fields: HTTPFields

    init(
        _ operation: String, _ method: HTTPRequest.Method, _ target: String, _ fields: HTTPFields = [:],
        body: String? = nil
    ) {
        self.operation = operation
        self.method = method
        self.target = target
        self.fields = fields
        self.body = body
    }

    /// The same with another pair in its query, which makes it a read of its own.
    func with(_ pair: String) -> ProofCall {
        var call = self
        call.target += (target.contains("?") ? "&" : "?") + pair
        return call
    }
}

/// The calls that can be made in one iTwin.
struct ProofCalls: Sendable {
    let iTwin: String
    private let tests: [String]
    private let reports: [String]
    private let rule: String
    private let repository: String
    private let result: String
    private let legacy: @Sendable (String) -> String

    init(_ simulator: Simulator, iTwin: String) {
        self.iTwin = iTwin
        tests = simulator.testIDs(iTwin: iTwin)
        reports = simulator.reportIDs(iTwin: iTwin)
        rule = simulator.ruleIDs(iTwin: iTwin).first ?? iTwin
        repository = simulator.repositoryIDs(iTwin: iTwin).first ?? iTwin
        result = simulator.legacyResultID(report: reports.first ?? "") ?? ""
        legacy = { simulator.legacyID(project: iTwin, entity: $0) ?? "" }
    }

    private var v2: String { "/clash-detection/itwins/\(iTwin)" }
    private let v1 = "/clashdetection"
    private var test: String { tests.first ?? iTwin }
    private var report: String { reports.first ?? iTwin }

    /// Without it there is no list of tests.
    private static let allTests: HTTPFields = [.proofConfigType: "2"]

    static func job(_ id: String, _ operation: String) -> String { #"{"jobs":["\#(id)"],"operation":"\#(operation)"}"# }

    /// Reads whose answers are kept, the most usual first.
    var cachedReads: [ProofCall] {
        [
            ProofCall("v2.reports.list", .get, "\(v2)/reports?$top=2"),
            ProofCall("v2.tests.list", .get, "\(v2)/tests?$top=2", Self.allTests),
            ProofCall("v2.suppression-rules.list", .get, "\(v2)/suppression-rules?$top=2"),
            ProofCall("v1.runs.list", .get, "\(v1)/runs?projectId=\(iTwin)"),
            ProofCall("v1.tests.list", .get, "\(v1)/tests?projectId=\(iTwin)"),
            ProofCall("v1.suppression-rules.list", .get, "\(v1)/suppressionrules?projectId=\(iTwin)"),
        ]
    }

    /// Deletes of one report.
    func deletes(of report: String) -> [ProofCall] {
        [
            ProofCall(
                "v2.reports.delete", .post, "\(v2)/reports/jobs/deletion", body: Self.job(report, "delete")),
            ProofCall("v1.runs.delete", .delete, "\(v1)/runs/\(legacy(report))"),
        ]
    }

    /// Deletes of anything with this id.
    func deletes(named id: String, inLegacyForm legacyID: String?) -> [ProofCall] {
        [
            ProofCall("v2.reports.delete", .post, "\(v2)/reports/jobs/deletion", body: Self.job(id, "delete")),
            ProofCall("v2.tests.delete", .post, "\(v2)/tests/jobs/deletion", body: Self.job(id, "delete")),
            ProofCall("v1.runs.delete", .delete, "\(v1)/runs/\(legacyID ?? legacy(id))"),
        ]
    }

    /// What would show a report.
    func shows(_ report: String) -> [ProofCall] {
        [
            ProofCall("v2.reports.list", .get, "\(v2)/reports?$top=100"),
            ProofCall("v2.reports.get", .get, "\(v2)/reports/\(report)"),
            ProofCall("v1.runs.list", .get, "\(v1)/runs?projectId=\(iTwin)"),
            ProofCall("v1.runs.get", .get, "\(v1)/runs/\(legacy(report))"),
        ]
    }

    /// How a run's report is called in v1.
    func legacyID(_ report: String) -> String { legacy(report) }

    /// Starts of runs; each number is another run.
    func start(_ number: Int) -> [ProofCall] {
        let test = tests.isEmpty ? iTwin : tests[number % tests.count]
        let body =
            #"{"jobs":[{"testId":"\#(test)","iModelId":"\#(repository)","testSettings":{"resultsLimit":\#(number + 1)}}],"#
            + #""operation":"run"}"#
        return [
            ProofCall("v2.runs.start", .post, "\(v2)/runs/jobs", body: body),
            ProofCall(
                "v1.runs.start", .post, "\(v1)/runs",
                body: #"{"testId":"\#(legacy(test))","iModelId":"\#(repository)","namedVersionId":"\#(test)"}"#),
        ]
    }

    /// Every documented operation once.
    var all: [ProofCall] { reads + changes }

    private var reads: [ProofCall] {
        let project = "projectId=\(iTwin)"
        return [
            ProofCall("v2.tests.list", .get, "\(v2)/tests", Self.allTests),
            ProofCall("v2.tests.get", .get, "\(v2)/tests/\(test)"),
            ProofCall("v2.reports.list", .get, "\(v2)/reports"),
            ProofCall("v2.reports.get", .get, "\(v2)/reports/\(report)"),
            ProofCall("v2.suppression-rules.list", .get, "\(v2)/suppression-rules"),
            ProofCall("v2.suppression-rules.get", .get, "\(v2)/suppression-rules/\(rule)"),
            ProofCall("v2.suppression-templates.list", .get, "\(v2)/suppression-templates"),
            ProofCall("v2.manual-suppressions.list", .get, "\(v2)/manual-suppressions?clashReportId=\(report)"),
            ProofCall("v1.tests.list", .get, "\(v1)/tests?\(project)"),
            ProofCall("v1.tests.get", .get, "\(v1)/tests/\(legacy(test))"),
            ProofCall("v1.runs.list", .get, "\(v1)/runs?\(project)"),
            ProofCall("v1.runs.get", .get, "\(v1)/runs/\(legacy(report))"),
            ProofCall("v1.results.get", .get, "\(v1)/results/\(result)"),
            ProofCall("v1.suppression-rules.list", .get, "\(v1)/suppressionrules?\(project)"),
            ProofCall("v1.suppression-rules.get", .get, "\(v1)/suppressionrules/\(legacy(rule))"),
            ProofCall("v1.suppression-templates.list", .get, "\(v1)/suppressionruletemplates?\(project)"),
            ProofCall(
                "v1.models-and-categories.get", .get, "\(v1)/modelsandcategories/imodels/\(repository)?\(project)"),
            ProofCall("v1.schemas.get", .get, "\(v1)/schemas/imodels/\(repository)?\(project)"),
        ]
    }

    private var changes: [ProofCall] {
        let inProject = #"{"projectId":"\#(iTwin)"}"#
        return [
            ProofCall("v2.tests.create", .post, "\(v2)/tests", body: #"{"name":"prove"}"#),
            ProofCall("v2.tests.update", .put, "\(v2)/tests/\(test)", body: #"{"name":"prove"}"#),
            ProofCall("v2.tests.delete", .post, "\(v2)/tests/jobs/deletion", body: Self.job(test, "delete")),
            ProofCall("v2.runs.cancel", .post, "\(v2)/runs/jobs", body: Self.job(report, "cancel")),
            ProofCall("v2.runs.delete", .post, "\(v2)/runs/jobs/deletion", body: Self.job(report, "delete")),
            ProofCall("v2.suppression-rules.create", .post, "\(v2)/suppression-rules", body: #"{"name":"prove"}"#),
            ProofCall(
                "v2.suppression-rules.update", .patch, "\(v2)/suppression-rules/\(rule)", body: #"{"reason":"r"}"#),
            ProofCall("v2.suppression-rules.delete", .delete, "\(v2)/suppression-rules/\(rule)"),
            ProofCall("v2.manual-suppressions.apply", .post, "\(v2)/manual-suppressions", body: #"{"reason":"r"}"#),
            ProofCall("v2.manual-suppressions.remove", .post, "\(v2)/manual-suppressions/removal", body: "{}"),
            ProofCall("v1.tests.create", .post, "\(v1)/tests", body: inProject),
            ProofCall("v1.tests.update", .put, "\(v1)/tests/\(legacy(test))", body: #"{"displayName":"prove"}"#),
            ProofCall("v1.tests.delete", .delete, "\(v1)/tests/\(legacy(test))"),
            ProofCall("v1.suppression-rules.create", .post, "\(v1)/suppressionrules", body: inProject),
            ProofCall(
                "v1.suppression-rules.update", .put, "\(v1)/suppressionrules/\(legacy(rule))",
                body: #"{"displayName":"prove"}"#),
            ProofCall("v1.suppression-rules.delete", .delete, "\(v1)/suppressionrules/\(legacy(rule))"),
            ProofCall(
                "v1.models-and-categories.extract", .post, "\(v1)/modelsandcategories/imodels/\(repository)",
                body: inProject),
            ProofCall("v1.schemas.extract", .post, "\(v1)/schemas/imodels/\(repository)", body: inProject),
        ] + start(0) + deletes(of: report)
    }
}
