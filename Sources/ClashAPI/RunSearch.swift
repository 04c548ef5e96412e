// Which run a start has made whose answer was lost, if that is sure. Nothing in the API ties a run to the call that started
// it, so that is inferred, and only from what cannot be otherwise: one run of the test that was not there before, and fits.
// Times are never a reason for a run, only against one.

import Ground

/// The runs that there were before a start. A value that outlives the process: see `json`.
package struct KnownRuns: Sendable, Equatable {
    /// The work behind each run of the start's test, by `RunRow.key`; of runs whose test is not told, too.
    private var jobs: [String: String]
    /// Whether the list was read to its end.
    private var isWhole: Bool
    /// The youngest run of the page, whatever its test, in microseconds since 1970.
    private var youngest: Int64?
    /// What upstream's clock said, in seconds since 1970.
    private var date: Int64?

    /// - Parameter date: the answer's `Date`, in seconds since 1970.
    package init(_ page: RunPage, before start: RunStart, date: Int64?) {
        jobs = Dictionary(
            page.rows.filter { $0.test == nil || $0.test == start.test }.map { ($0.key, $0.job ?? "") }
        ) { first, _ in first }
        isWhole = page.isWhole
        youngest = page.rows.compactMap(\.executed).max()
        self.date = date
    }

    /// What a page that was read after the start shows of it.
    package enum Finding: Sendable, Equatable {
        case none
        /// Surely the run that it has started.
        case found(RunRow)
        /// Something new that may be it, or not; in words.
        case unclear(String)
    }

    /// Looks for the run of a start.
    ///
    /// - Parameter span: how long after these runs were read it can have been started at most.
    package func find(_ start: RunStart, in page: RunPage, within span: Duration) -> Finding {
        let new = page.rows.filter { isNew($0, for: start) }
        guard let row = new.first else { return .none }
        guard new.count == 1 else {
            return .unclear("\(new.count) runs of the test were begun meanwhile (\(Self.list(new)))")
        }
        guard row.test == start.test else {
            return .unclear("a run was begun meanwhile (\(row.id)) that does not say of which test it is")
        }
        let isBehind = !isWhole || !page.isWhole
        if isBehind {
            guard let executed = row.executed, youngest.map({ executed > $0 }) ?? false else {
                return .unclear(
                    "a run of the test (\(row.id)) was not on the first page before; there are more pages")
            }
        }
        if let date, let executed = row.executed {
            let seconds = executed / 1_000_000
            // The answer's date has whole seconds.
            guard seconds >= date - 1, seconds <= date + 1 + span.components.seconds else {
                return .unclear("a new run of the test (\(row.id)) was begun at another time")
            }
        }
        return .found(row)
    }

    private func isNew(_ row: RunRow, for start: RunStart) -> Bool {
        guard row.test == nil || row.test == start.test else { return false }
        if let wanted = start.changesetID, let changeset = row.changeset, changeset != wanted { return false }
        guard let before = jobs[row.key] else { return true }
        // A run in place goes on under the id of the report before, with other work behind it.
        return start.isInPlace && row.job.map { !before.isEmpty && $0 != before } ?? false
    }

    private static func list(_ rows: [RunRow]) -> String {
        rows.prefix(3).map(\.id).joined(separator: ", ") + (rows.count > 3 ? ", …" : "")
    }

    // MARK: On disk

    /// For `init(json:)` of a later process.
    package var json: JSONObject {
        var object = JSONObject()
        object.add("runs", jobs.keys.sorted())
        object.add("jobs", jobs.keys.sorted().map { jobs[$0] ?? "" })
        object.add("whole", isWhole)
        object.add("youngest", youngest.map { "\($0)" })
        object.add("date", date.map { Int($0) })
        return object
    }

    /// What `json` wrote; nil for anything else.
    package init?(json: JSON) {
        guard let runs = json["runs"]?.array?.compactMap(\.string),
            let jobs = json["jobs"]?.array?.compactMap(\.string),
            runs.count == jobs.count, case .bool(let isWhole)? = json["whole"]
        else { return nil }
        self.jobs = Dictionary(zip(runs, jobs)) { first, _ in first }
        self.isWhole = isWhole
        youngest = json["youngest"]?.string.flatMap { Int64($0) }
        date = json["date"]?.number.flatMap { Int64(exactly: $0) }
    }
}

extension RunStart {
    /// The status that upstream gives a start that it answers.
    package var answerStatus: Int { version == .v2 ? 200 : 201 }

    /// What upstream would have answered to it.
    ///
    /// - Parameter base: of upstream's links, without a slash at its end.
    package func answer(_ row: RunRow, base: String) -> [UInt8] {
        var run = JSONObject()
        if version == .v1 {
            var link = JSONObject()
            link.add("href", "\(base)/clashdetection/runs/\(row.id)")
            var links = JSONObject()
            links.add("run", link)
            run.add("id", row.id)
            run.add("_links", links)
            var answer = JSONObject()
            answer.add("run", run)
            return Array(answer.text.utf8)
        }
        run.add("testId", testID)
        run.add("clashReportId", row.id)
        run.add("status", Self.word(row.status))
        var answer = JSONObject()
        answer.add("runs", [run])
        return Array(answer.text.utf8)
    }

    /// The answer to a start has a word where a list has a number.
    private static func word(_ status: String?) -> String {
        switch status {
        case "1": "Completed"
        case "2": "Failed"
        case "7": "CompletedToLimit"
        case "9": "Cancelled"
        default: "Started"
        }
    }
}
