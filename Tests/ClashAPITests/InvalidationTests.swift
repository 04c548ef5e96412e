import HTTPTypes
import Testing

@testable import ClashAPI

@Suite("Tags and invalidation")
struct InvalidationTests {
    static let itwin = OperationTableTests.itwin
    static let v2 = OperationTableTests.v2
    static let report = "0badcafe-0000-4000-8000-000000000001"
    static let other = "/clash-detection/itwins/99999999-3333-4444-5555-666677778888"

    /// Whether the write makes the answer of that GET untrue.
    private func purges(
        _ write: OperationMatch, _ target: String, headers: [(String, String)] = [], rows: [String] = []
    ) -> Bool {
        let read = resolve(.get, target)
        let invalidation = write.invalidation()
        if invalidation.reach == .everything { return true }
        return !Set(invalidation.tags).isDisjoint(with: read.tags(headers: HTTPFields(headers)) + rows)
    }

    private func delete(_ collection: String, _ id: String, itwin: String = v2) -> OperationMatch {
        resolve(.post, "\(itwin)/\(collection)/jobs/deletion", body: #"{"jobs":["\#(id)"],"operation":"delete"}"#)
    }

    @Test("a read is tagged with its iTwin, family, object and iModel")
    func tags() {
        let headers = HTTPFields([("repository-id", "AAAABBBB-0000-4000-8000-0000000000FF")])
        let list = resolve(.get, "\(Self.v2)/reports?$top=5").tags(headers: headers)
        #expect(
            list == [
                "itwin:\(Self.itwin)", "list:reports", "list:reports:\(Self.itwin)",
                "repository:aaaabbbb-0000-4000-8000-0000000000ff",
            ])
        let item = resolve(.get, "\(Self.v2)/reports/\(Self.report.uppercased())").tags()
        #expect(
            item == [
                "itwin:\(Self.itwin)", "item:reports", "item:reports:\(Self.itwin)", "report:\(Self.report)",
            ])
        let suppressions = resolve(.get, "\(Self.v2)/manual-suppressions?clashReportId=\(Self.report)").tags()
        #expect(suppressions.contains("report:\(Self.report)"))
        #expect(resolve(.get, "\(Self.v2)/tests?repositoryId=R").tags().contains("repository:R"))
    }

    @Test("v1 answers carry the project and entity that their ids decode to")
    func v1Tags() {
        let run = resolve(.get, "/clashdetection/runs/\(SampleIDs.run)").tags()
        #expect(run.contains("itwin:\(SampleIDs.project)"))
        #expect(run.contains("run:\(SampleIDs.runGUID)"))
        #expect(run.contains("item:reports:\(SampleIDs.project)"))
        let opaque = resolve(.get, "/clashdetection/runs/opaque").tags()
        #expect(opaque == ["itwin:?", "item:reports", "item:reports:?", "run:opaque"])
    }

    @Test("deleting a report purges every page of its iTwin's reports, the report and its suppressions, nothing else")
    func deleteReport() {
        let write = delete("reports", Self.report)
        #expect(purges(write, "\(Self.v2)/reports"))
        #expect(purges(write, "\(Self.v2)/reports?$top=10&$continuationToken=Mg=="))
        #expect(purges(write, "\(Self.v2)/reports/\(Self.report)"))
        #expect(purges(write, "\(Self.v2)/reports/\(Self.report.uppercased())?cuid=1"))
        #expect(purges(write, "\(Self.v2)/manual-suppressions?clashReportId=\(Self.report)"))
        #expect(purges(write, "/clashdetection/runs?projectId=\(Self.itwin)"))
        #expect(purges(write, "/clashdetection/runs"), "a page of no known iTwin may be of this one")
        #expect(!purges(write, "\(Self.v2)/reports/0badcafe-0000-4000-8000-000000000002"))
        #expect(!purges(write, "\(Self.v2)/tests"))
        #expect(!purges(write, "\(Self.v2)/suppression-templates"))
        #expect(!purges(write, "\(Self.other)/reports"))
    }

    @Test("spelling of the iTwin does not matter")
    func caseOfITwin() {
        let write = delete("reports", Self.report, itwin: "/Clash-Detection/iTwins/\(Self.itwin.uppercased())")
        #expect(purges(write, "\(Self.v2)/reports"))
    }

    @Test("deleting a v1 run purges its result, its v2 report and the lists, whatever its id decodes to")
    func deleteRun() {
        let write = resolve(.delete, "/clashdetection/runs/\(SampleIDs.run)")
        #expect(purges(write, "/clashdetection/runs/\(SampleIDs.run)"))
        #expect(purges(write, "/clashdetection/results/\(SampleIDs.result)"))
        #expect(purges(write, "/clash-detection/itwins/\(SampleIDs.project)/reports/\(SampleIDs.runGUID)"))
        #expect(purges(write, "/clashdetection/runs?projectId=\(SampleIDs.project)"))
        #expect(purges(write, "/clashdetection/runs?projectId=some-other-spelling"))
        let misled = resolve(.delete, "/clashdetection/runs/\(SampleIDs.run)?projectId=wrong")
        #expect(purges(misled, "/clashdetection/runs?projectId=\(SampleIDs.project)"))
        let start = resolve(
            .post, "/clashdetection/runs", body: #"{"testId":"\#(SampleIDs.test)","projectId":"wrong"}"#)
        #expect(purges(start, "/clashdetection/runs?projectId=\(SampleIDs.project)"))
        let opaque = resolve(.delete, "/clashdetection/runs/opaque")
        #expect(purges(opaque, "/clashdetection/runs?projectId=p"))
        #expect(purges(opaque, "/clashdetection/results/opaque-result"))
        #expect(!purges(opaque, "/clashdetection/tests?projectId=p"))
    }

    @Test(
        "a v1 write reaches the project that its id decodes to, what may be of it, and no other; all where it does not",
        arguments: ["DELETE", "PUT"])
    func v1Scope(method: String) throws {
        let verb = try #require(HTTPRequest.Method(rawValue: method))
        func list(_ project: String) -> String { "/clashdetection/tests?projectId=\(project)" }
        let write = resolve(verb, "/clashdetection/tests/\(SampleIDs.test)", body: method == "PUT" ? "{}" : "")
        #expect(purges(write, list(SampleIDs.project)) && purges(write, list(SampleIDs.project.uppercased())))
        #expect(purges(write, "/clash-detection/itwins/\(SampleIDs.project)/tests"))
        #expect(!purges(write, list(Self.itwin)) && !purges(write, "\(Self.v2)/tests"))
        #expect(purges(write, list("no-guid")) && purges(write, "/clashdetection/tests"), "which may be of any")
        let opaque = resolve(verb, "/clashdetection/tests/opaque", body: method == "PUT" ? "{}" : "")
        #expect(purges(opaque, list(Self.itwin)) && purges(opaque, list(SampleIDs.project)))
        let unknown = write.invalidationOfUnknownOutcome()
        #expect(unknown.reach == .itwins && unknown.tags == ["itwin:\(SampleIDs.project)", "itwin:?", "itwin:~"])
    }

    @Test("a v1 create touches the lists of the project its body names")
    func v1Create() {
        let write = resolve(.post, "/clashdetection/tests?projectId=wrong", body: #"{"projectId":"\#(Self.itwin)"}"#)
        #expect(purges(write, "/clashdetection/tests?projectId=\(Self.itwin)"))
        #expect(purges(write, "\(Self.v2)/tests"))
        #expect(!purges(write, "\(Self.other)/tests"))
    }

    @Test("tests: a create touches the list, an update also the reports that show its name")
    func tests() {
        let create = resolve(.post, "\(Self.v2)/tests", body: "{}")
        #expect(purges(create, "\(Self.v2)/tests?$top=500"))
        #expect(!purges(create, "\(Self.v2)/tests/t"))
        #expect(!purges(create, "\(Self.v2)/reports"))
        let update = resolve(.put, "\(Self.v2)/tests/t", body: "{}")
        #expect(purges(update, "\(Self.v2)/tests"))
        #expect(purges(update, "\(Self.v2)/tests/t"))
        #expect(purges(update, "\(Self.v2)/reports"))
        #expect(!purges(update, "\(Self.v2)/tests/u"))
    }

    @Test("rules: an update or delete also touches the tests that use them")
    func rules() {
        for write in [
            resolve(.delete, "\(Self.v2)/suppression-rules/r"),
            resolve(.patch, "\(Self.v2)/suppression-rules/r", body: "{}"),
        ] {
            #expect(purges(write, "\(Self.v2)/suppression-rules"))
            #expect(purges(write, "\(Self.v2)/suppression-rules/r"))
            #expect(purges(write, "\(Self.v2)/tests/any"))
            #expect(!purges(write, "\(Self.v2)/reports"))
        }
    }

    @Test("a run touches the reports; one in place everything of its iTwin")
    func runs() {
        let body = #"{"jobs":[{"testId":"t","iModelId":"m"}],"operation":"run"}"#
        let run = resolve(.post, "\(Self.v2)/runs/jobs", body: body)
        #expect(purges(run, "\(Self.v2)/reports"))
        #expect(!purges(run, "\(Self.v2)/reports/finished"))
        let inPlace = resolve(.post, "\(Self.v2)/runs/jobs", body: body, headers: HTTPFields([("In-Place", "True")]))
        #expect(inPlace.invalidation().reach == .itwins)
        #expect(purges(inPlace, "\(Self.v2)/reports/finished"))
        #expect(purges(inPlace, "\(Self.v2)/manual-suppressions?clashReportId=x"))
        #expect(purges(inPlace, "/clashdetection/runs/opaque"))
        #expect(!purges(inPlace, "\(Self.other)/reports"))
    }

    @Test("suppressions touch their report, or all of the iTwin when they do not name it")
    func suppressions() {
        let headers = HTTPFields([("clash-report-id", Self.report)])
        let named = resolve(.post, "\(Self.v2)/manual-suppressions", body: "{}", headers: headers)
        #expect(purges(named, "\(Self.v2)/reports/\(Self.report)"))
        #expect(purges(named, "\(Self.v2)/reports"))
        #expect(purges(named, "\(Self.v2)/manual-suppressions?clashReportId=\(Self.report)&$skip=10"))
        #expect(!purges(named, "\(Self.v2)/reports/another"))
        let unnamed = resolve(.post, "\(Self.v2)/manual-suppressions/removal", body: "{}")
        #expect(purges(unnamed, "\(Self.v2)/reports/another"))
    }

    @Test("an unknown write purges its iTwin, or everything when it names none")
    func unknownWrites() {
        let inITwin = resolve(.post, "\(Self.v2)/news", body: "{}")
        #expect(inITwin.invalidation().reach == .itwins)
        #expect(purges(inITwin, "\(Self.v2)/suppression-templates"))
        #expect(!purges(inITwin, "\(Self.other)/reports"))
        #expect(resolve(.delete, "/clashdetection/news/1").invalidation() == .everything)
        #expect(resolve(.delete, "/clashdetection/news/\(SampleIDs.run)").invalidation() == .everything)
        #expect(resolve(.post, "/imodels", body: "{}").invalidation().reach == .everything)
        #expect(resolve(.post, "\(Self.v2)/tests", body: "{broken").invalidation().reach == .itwins)
    }

    @Test("a read touches nothing", arguments: OperationTableTests.samples.filter { $0.expected == .read })
    func reads(sample: OperationTableTests.Sample) {
        #expect(resolve(sample.method, sample.target).invalidation() == .nothing)
    }

    @Test(
        "every write of the table makes its own list untrue",
        arguments: OperationTableTests.samples.filter { $0.expected != .read && !$0.name.contains("extract") })
    func writes(sample: OperationTableTests.Sample) {
        let write = resolve(sample.method, sample.target, body: sample.body)
        let parts = sample.name.split(separator: ".")
        let collection = parts[0] == "v2" && parts[1] == "runs" ? "reports" : String(parts[1])
        let list =
            parts[0] == "v2"
            ? "\(Self.v2)/\(collection)"
            : "/clashdetection/\(collection == "suppression-rules" ? "suppressionrules" : collection)?projectId="
        #expect(resolve(.get, list).operation.isList)
        // A create is of the project in its body, everything else of that of its ids.
        let project = write.objectIDs.isEmpty ? Self.itwin : SampleIDs.project
        #expect(purges(write, parts[0] == "v1" ? list + project : list), "\(list)")
    }

    @Test("rows of a page put their tests, iModels and jobs among the tags")
    func rowTags() throws {
        let list = try #require(Operation.named("v2.reports.list"))
        var scanner = ResponseRowScanner(operation: list)
        scanner.consume(
            Array(
                #"{"reports":[{"id":"R1","configurationId":"T1","repositoryId":"M1","jobId":"J1","status":1}]}"#.utf8))
        let rows = scanner.finish()
        #expect(rows.tags == ["report:R1", "test:T1", "repository:M1", "job:J1"])
        #expect(purges(delete("reports", "R1", itwin: Self.other), "\(Self.v2)/tests", rows: rows.tags))
    }
}
