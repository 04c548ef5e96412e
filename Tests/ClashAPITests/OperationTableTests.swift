import HTTPTypes
import Testing

@testable import ClashAPI

@Suite("Operation table")
struct OperationTableTests {
    struct Sample: CustomTestStringConvertible, Sendable {
        let name: String
        let method: HTTPRequest.Method
        let target: String
        var body = ""
        var expected: OperationClass
        var ids: [String] = []

        var testDescription: String { "\(name) \(method.rawValue) \(target)" }
    }

    static let itwin = "11112222-3333-4444-5555-666677778888"
    static let v2 = "/clash-detection/itwins/\(itwin)"
    static let id = "aAbBcCdD-0000-4000-8000-0123456789ab"
    static let v1ID = SampleIDs.test

    static let samples: [Sample] = [
        Sample(name: "v2.tests.list", method: .get, target: "\(v2)/tests?$top=5", expected: .read),
        Sample(name: "v2.tests.create", method: .post, target: "\(v2)/tests", body: #"{"name":"n"}"#, expected: .write),
        Sample(name: "v2.tests.get", method: .get, target: "\(v2)/tests/\(id)", expected: .read, ids: [id]),
        Sample(
            name: "v2.tests.update", method: .put, target: "\(v2)/tests/\(id)", body: "{}", expected: .write, ids: [id]),
        Sample(
            name: "v2.tests.delete", method: .post, target: "\(v2)/tests/jobs/deletion",
            body: #"{"jobs":["\#(id)"],"operation":"delete"}"#, expected: .delete, ids: [id]),
        Sample(
            name: "v2.runs.start", method: .post, target: "\(v2)/runs/jobs",
            body: #"{"jobs":[{"testId":"\#(id)","iModelId":"m"}],"operation":"run"}"#, expected: .run, ids: [id]),
        Sample(
            name: "v2.runs.cancel", method: .post, target: "\(v2)/runs/jobs",
            body: #"{"jobs":["\#(id)"],"operation":"cancel"}"#, expected: .run, ids: [id]),
        Sample(
            name: "v2.runs.cancel", method: .post, target: "\(v2)/runs/jobs/cancellation",
            body: #"{"jobs":["\#(id)"],"operation":"cancel"}"#, expected: .run, ids: [id]),
        Sample(
            name: "v2.runs.delete", method: .post, target: "\(v2)/runs/jobs",
            body: #"{"jobs":["\#(id)"],"operation":"delete"}"#, expected: .delete, ids: [id]),
        Sample(
            name: "v2.runs.delete", method: .post, target: "\(v2)/runs/jobs/deletion", body: #"{"jobs":["\#(id)"]}"#,
            expected: .delete, ids: [id]),
        Sample(name: "v2.reports.list", method: .get, target: "\(v2)/reports", expected: .read),
        Sample(name: "v2.reports.get", method: .get, target: "\(v2)/reports/\(id)?cuid=x", expected: .read, ids: [id]),
        Sample(
            name: "v2.reports.delete", method: .post, target: "\(v2)/reports/jobs/deletion",
            body: #"{"jobs":["\#(id)"],"operation":"delete"}"#, expected: .delete, ids: [id]),
        Sample(name: "v2.suppression-rules.list", method: .get, target: "\(v2)/suppression-rules", expected: .read),
        Sample(
            name: "v2.suppression-rules.create", method: .post, target: "\(v2)/suppression-rules",
            body: #"{"templateId":"t"}"#, expected: .write),
        Sample(
            name: "v2.suppression-rules.get", method: .get, target: "\(v2)/suppression-rules/\(id)", expected: .read,
            ids: [id]),
        Sample(
            name: "v2.suppression-rules.update", method: .patch, target: "\(v2)/suppression-rules/\(id)",
            body: #"{"name":"n"}"#, expected: .write, ids: [id]),
        Sample(
            name: "v2.suppression-rules.delete", method: .delete, target: "\(v2)/suppression-rules/\(id)",
            expected: .delete, ids: [id]),
        Sample(
            name: "v2.suppression-templates.list", method: .get, target: "\(v2)/suppression-templates", expected: .read),
        Sample(
            name: "v2.manual-suppressions.list", method: .get,
            target: "\(v2)/manual-suppressions?clashReportId=\(id)&$skip=10", expected: .read, ids: [id]),
        Sample(
            name: "v2.manual-suppressions.apply", method: .post, target: "\(v2)/manual-suppressions",
            body: #"{"elementIds":[["a","b"]],"reason":"r"}"#, expected: .write),
        Sample(
            name: "v2.manual-suppressions.remove", method: .post, target: "\(v2)/manual-suppressions/jobs/removal",
            body: #"{"elementIds":[["a","b"]],"reason":"r"}"#, expected: .delete),
        Sample(
            name: "v1.tests.list", method: .get, target: "/clashdetection/tests?projectId=\(itwin)", expected: .read),
        Sample(
            name: "v1.tests.create", method: .post, target: "/clashdetection/tests",
            body: #"{"projectId":"\#(itwin)"}"#,
            expected: .write),
        Sample(
            name: "v1.tests.get", method: .get, target: "/clashdetection/tests/\(v1ID)", expected: .read, ids: [v1ID]),
        Sample(
            name: "v1.tests.update", method: .put, target: "/clashdetection/tests/\(v1ID)", body: "{}",
            expected: .write,
            ids: [v1ID]),
        Sample(
            name: "v1.tests.delete", method: .delete, target: "/clashdetection/tests/\(v1ID)", expected: .delete,
            ids: [v1ID]),
        Sample(
            name: "v1.runs.start", method: .post, target: "/clashdetection/runs", body: #"{"testId":"\#(v1ID)"}"#,
            expected: .run, ids: [v1ID]),
        Sample(name: "v1.runs.list", method: .get, target: "/clashdetection/runs?projectId=\(itwin)", expected: .read),
        Sample(name: "v1.runs.get", method: .get, target: "/clashdetection/runs/\(v1ID)", expected: .read, ids: [v1ID]),
        Sample(
            name: "v1.runs.delete", method: .delete, target: "/clashdetection/runs/\(v1ID)", expected: .delete,
            ids: [v1ID]),
        Sample(
            name: "v1.results.get", method: .get, target: "/clashdetection/results/\(SampleIDs.result)",
            expected: .read,
            ids: [SampleIDs.result]),
        Sample(
            name: "v1.suppression-rules.list", method: .get, target: "/clashdetection/suppressionRules?projectId=p",
            expected: .read),
        Sample(
            name: "v1.suppression-rules.create", method: .post, target: "/clashdetection/suppressionRules", body: "{}",
            expected: .write),
        Sample(
            name: "v1.suppression-rules.get", method: .get, target: "/clashdetection/suppressionRules/\(v1ID)",
            expected: .read, ids: [v1ID]),
        Sample(
            name: "v1.suppression-rules.update", method: .put, target: "/clashdetection/suppressionRules/\(v1ID)",
            body: "{}", expected: .write, ids: [v1ID]),
        Sample(
            name: "v1.suppression-rules.delete", method: .delete, target: "/clashdetection/suppressionRules/\(v1ID)",
            expected: .delete, ids: [v1ID]),
        Sample(
            name: "v1.suppression-templates.list", method: .get,
            target: "/clashdetection/suppressionRuleTemplates?projectId=p", expected: .read),
        Sample(
            name: "v1.models-and-categories.extract", method: .post,
            target: "/clashdetection/modelsAndCategories/imodels/\(id)", body: "{}", expected: .write, ids: [id]),
        Sample(
            name: "v1.models-and-categories.get", method: .get,
            target: "/clashdetection/modelsAndCategories/imodels/\(id)?projectId=p", expected: .read, ids: [id]),
        Sample(
            name: "v1.schemas.extract", method: .post, target: "/clashdetection/schemas/imodels/\(id)", body: "{}",
            expected: .write, ids: [id]),
        Sample(
            name: "v1.schemas.get", method: .get, target: "/clashdetection/schemas/imodels/\(id)?projectId=p",
            expected: .read, ids: [id]),
    ]

    @Test("every documented call is recognised, with its class, ids and iTwin", arguments: samples)
    func documentedCalls(sample: Sample) {
        check(sample, target: sample.target)
    }

    @Test("spelling variants of a call are the same operation", arguments: samples)
    func spellingVariants(sample: Sample) {
        for variant in TargetVariants.all(of: sample.target, keeping: sample.ids + [Self.itwin]) {
            check(sample, target: variant)
        }
    }

    private func check(_ sample: Sample, target: String) {
        let match = resolve(sample.method, target, body: sample.body)
        #expect(match.operation.name == sample.name, "\(target)")
        #expect(match.operationClass == sample.expected, "\(target)")
        #expect(match.objectIDs == sample.ids, "\(target)")
        #expect(ClashAPI.checkTarget(target) == nil, "\(target)")
        if sample.name.hasPrefix("v2.") { #expect(match.itwin == Self.itwin, "\(target)") }
    }

    @Test("every operation of the table has a sample here")
    func samplesAreComplete() {
        let names = Set(Self.samples.map(\.name))
        #expect(Set(Operation.all.filter(\.isKnown).map(\.name)) == names)
        for name in names { #expect(Operation.named(name)?.name == name) }
    }

    @Test("HEAD is matched as its GET", arguments: samples.filter { $0.method == .get })
    func head(sample: Sample) {
        #expect(resolve(.head, sample.target).operation.name == sample.name)
    }

    @Test("only the two run operations count against the run window")
    func runWindow() {
        #expect(Operation.all.filter(\.countsAsRun).map(\.name) == ["v2.runs.start", "v1.runs.start"])
    }

    @Test("reads show a family or are polled, writes touch what they can make untrue")
    func tableIsConsistent() {
        for operation in Operation.all where operation.isKnown {
            let isRead = operation.operationClass == .read
            #expect(isRead || operation.family == nil, "\(operation.name)")
            #expect(!isRead || operation.touchesLists.isEmpty, "\(operation.name)")
            #expect(isRead || operation.cachePolicy == .never, "\(operation.name)")
            #expect(operation.operationClass != .delete || !operation.touchesLists.isEmpty, "\(operation.name)")
            #expect(operation.operationClass != .delete || operation.objectKind != nil, "\(operation.name)")
        }
    }

    @Test("answers whose run may not have ended are cached by the state of that run")
    func policies() {
        func policy(_ name: String) -> CachePolicy? { Operation.named(name)?.cachePolicy }
        #expect(policy("v2.reports.get") == .terminal)
        #expect(policy("v1.runs.get") == .terminal)
        #expect(policy("v1.results.get") == .terminal)
        #expect(policy("v2.reports.list") == .list)
        #expect(policy("v2.suppression-templates.list") == .stable)
        #expect(policy("v1.models-and-categories.get") == .never)
        #expect(policy("v2.tests.get") == .item)
        #expect(Operation.all.filter { !$0.isKnown }.allSatisfy { $0.cachePolicy == .never })
    }
}
