// Both operation tables as a tool calls them: one row a documented operation, with ids of the simulated world.

import Simulator

/// One call of one operation.
struct OperationRow {
    let operation: String
    let method: String
    let target: String
    var headers: [(String, String)] = []
    var body: String?
    let status: Int

    init(
        _ operation: String, _ method: String, _ target: String, headers: [(String, String)] = [], body: String? = nil,
        _ status: Int
    ) {
        self.operation = operation
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.status = status
    }
}

/// Ids to call with; each destroying row uses objects that no other row needs.
struct WorldIDs {
    let simulator: Simulator
    let iTwin: String
    let tests: [String]
    let reports: [String]
    let rules: [String]
    let repository: String
    let template: String
    let legacyTemplate: String

    init(_ rig: Rig, template: String, legacyTemplate: String) {
        simulator = rig.simulator
        iTwin = rig.iTwin
        tests = simulator.testIDs(iTwin: iTwin)
        reports = simulator.reportIDs(iTwin: iTwin)
        rules = simulator.ruleIDs(iTwin: iTwin)
        repository = simulator.repositoryIDs(iTwin: iTwin)[0]
        self.template = template
        self.legacyTemplate = legacyTemplate
    }

    func legacy(_ entity: String) -> String { simulator.legacyID(project: iTwin, entity: entity) ?? "" }

    private static let sets =
        #""suppressTouching":true,"includeSubModels":false,"touchingTolerance":0.01,"#
        + #""setA":{"modelIds":["0x1"]},"setB":{"modelIds":["0x2"]},"suppressionRules":[]"#
    private var test: String { #"{"name":"Pipes","description":"d","# + Self.sets + "}" }
    private var legacyTest: String { #"{"displayName":"Pipes","description":"d","# + Self.sets + "}" }
    private func job(_ id: String, _ operation: String) -> String {
        #"{"jobs":["\#(id)"],"operation":"\#(operation)"}"#
    }

    var v2: [OperationRow] {
        let base = "/clash-detection/itwins/\(iTwin)"
        let suppressing = [("repository-id", repository), ("clash-report-id", reports[0])]
        let pairs = #"{"elementIds":[["0x1","0x2"]],"reason":"as designed"}"#
        let run =
            #"{"jobs":[{"testId":"\#(tests[0])","iModelId":"\#(repository)","#
            + #""testSettings":{"resultsLimit":10}}],"operation":"run"}"#
        return [
            OperationRow("v2.tests.list", "GET", "\(base)/tests?$top=3", headers: [("configType", "2")], 200),
            OperationRow("v2.tests.create", "POST", "\(base)/tests", body: test, 201),
            OperationRow("v2.tests.get", "GET", "\(base)/tests/\(tests[0])", 200),
            OperationRow("v2.tests.update", "PUT", "\(base)/tests/\(tests[1])", body: test, 200),
            OperationRow("v2.tests.delete", "POST", "\(base)/tests/jobs/deletion", body: job(tests[2], "delete"), 202),
            OperationRow(
                "v2.runs.start", "POST", "\(base)/runs/jobs", headers: [("In-Place", "False")], body: run, 200),
            OperationRow(
                "v2.runs.cancel", "POST", "\(base)/runs/jobs/cancellation",
                body: job(simulator.addReport(iTwin: iTwin) ?? "", "cancel"), 202),
            OperationRow(
                "v2.runs.cancel", "POST", "\(base)/runs/jobs",
                body: job(simulator.addReport(iTwin: iTwin) ?? "", "cancel"), 202),
            OperationRow("v2.reports.list", "GET", "\(base)/reports", headers: [("repository-id", repository)], 200),
            OperationRow("v2.reports.get", "GET", "\(base)/reports/\(reports[0])", 200),
            OperationRow(
                "v2.reports.delete", "POST", "\(base)/reports/jobs/deletion", body: job(reports[1], "delete"), 202),
            OperationRow("v2.suppression-rules.list", "GET", "\(base)/suppression-rules", 200),
            OperationRow(
                "v2.suppression-rules.create", "POST", "\(base)/suppression-rules",
                body: #"{"name":"n","reason":"r","parameters":{},"templateId":"\#(template)"}"#, 201),
            OperationRow("v2.suppression-rules.get", "GET", "\(base)/suppression-rules/\(rules[0])", 200),
            OperationRow(
                "v2.suppression-rules.update", "PATCH", "\(base)/suppression-rules/\(rules[1])",
                body: #"{"reason":"because"}"#, 200),
            OperationRow("v2.suppression-rules.delete", "DELETE", "\(base)/suppression-rules/\(rules[2])", 204),
            OperationRow("v2.suppression-templates.list", "GET", "\(base)/suppression-templates", 200),
            OperationRow(
                "v2.manual-suppressions.apply", "POST", "\(base)/manual-suppressions", headers: suppressing,
                body: pairs, 201),
            OperationRow(
                "v2.manual-suppressions.list", "GET", "\(base)/manual-suppressions?clashReportId=\(reports[0])", 200),
            OperationRow(
                "v2.manual-suppressions.remove", "POST", "\(base)/manual-suppressions/removal", headers: suppressing,
                body: pairs, 204),
        ]
    }

    var v1: [OperationRow] {
        let base = "/clashdetection"
        let project = "projectId=\(iTwin)"
        let inProject = #"{"projectId":"\#(iTwin)","#
        let run = #"{"testId":"\#(legacy(tests[0]))","iModelId":"\#(repository)","namedVersionId":"\#(tests[5])"}"#
        let rule =
            inProject
            + #""displayName":"n","reason":"r","templateId":"\#(legacyTemplate)","parameters":"{}"}"#
        let result = simulator.legacyResultID(report: reports[0]) ?? ""
        return [
            OperationRow("v1.tests.list", "GET", "\(base)/tests?\(project)&$top=3", 200),
            OperationRow("v1.tests.create", "POST", "\(base)/tests", body: inProject + legacyTest.dropFirst(), 201),
            OperationRow("v1.tests.get", "GET", "\(base)/tests/\(legacy(tests[0]))", 200),
            OperationRow("v1.tests.update", "PUT", "\(base)/tests/\(legacy(tests[1]))", body: legacyTest, 200),
            OperationRow("v1.tests.delete", "DELETE", "\(base)/tests/\(legacy(tests[3]))", 204),
            OperationRow("v1.runs.start", "POST", "\(base)/runs", body: run, 201),
            OperationRow(
                "v1.runs.list", "GET", "\(base)/runs?\(project)", headers: [("Prefer", "return=minimal")], 200),
            OperationRow("v1.runs.get", "GET", "\(base)/runs/\(legacy(reports[0]))", 200),
            OperationRow("v1.runs.delete", "DELETE", "\(base)/runs/\(legacy(reports[2]))", 204),
            OperationRow("v1.results.get", "GET", "\(base)/results/\(result)", 200),
            OperationRow("v1.suppression-rules.list", "GET", "\(base)/suppressionRules?\(project)", 200),
            OperationRow("v1.suppression-rules.create", "POST", "\(base)/suppressionRules", body: rule, 201),
            OperationRow("v1.suppression-rules.get", "GET", "\(base)/suppressionrules/\(legacy(rules[0]))", 200),
            OperationRow(
                "v1.suppression-rules.update", "PUT", "\(base)/suppressionrules/\(legacy(rules[1]))",
                body: #"{"displayName":"n","reason":"r"}"#, 200),
            OperationRow("v1.suppression-rules.delete", "DELETE", "\(base)/suppressionrules/\(legacy(rules[3]))", 204),
            OperationRow("v1.suppression-templates.list", "GET", "\(base)/suppressionRuleTemplates?\(project)", 200),
            OperationRow(
                "v1.models-and-categories.extract", "POST", "\(base)/modelsAndCategories/imodels/\(repository)",
                body: inProject.dropLast() + "}", 202),
            OperationRow(
                "v1.models-and-categories.get", "GET", "\(base)/modelsandcategories/imodels/\(repository)?\(project)",
                200),
            OperationRow(
                "v1.schemas.extract", "POST", "\(base)/schemas/imodels/\(repository)", body: inProject.dropLast() + "}",
                202),
            OperationRow("v1.schemas.get", "GET", "\(base)/schemas/imodels/\(repository)?\(project)", 200),
        ]
    }
}
