// What upstream says about a run that it has just started: the ids under which it will be shown.

/// One run of an answer to a start: `{"runs":[{"testId":…,"clashReportId":…}]}` (v2) or `{"run":{"id":…}}` (v1).
package struct StartedRunIDs: Sendable, Equatable {
    /// The test that is run, where the answer says so.
    package private(set) var testID: String?
    /// The ids of the new run.
    package private(set) var ids: [String] = []

    /// The runs that the answer names by an id; empty when it does not say.
    package static func find(in answer: [UInt8]) -> [StartedRunIDs] {
        var scanner = JSONScanner()
        let bytes = answer.span
        var offset = 0
        var name: Name?
        var runs: [StartedRunIDs] = []
        // The run itself is two deep in v1 and three in v2; its links go deeper.
        var open: [Int: StartedRunIDs] = [:]
        while true {
            switch scanner.next(in: bytes, at: &offset) {
            case .needsInput, .invalid: return runs
            case .objectStart:
                open[scanner.depth] = depths.contains(scanner.depth) ? StartedRunIDs() : nil
                name = nil
            case .objectEnd:
                if let run = open.removeValue(forKey: scanner.depth + 1), !run.ids.isEmpty { runs.append(run) }
                name = nil
            case .key(let text): name = depths.contains(scanner.depth) ? Name(bytes.extracting(text.range)) : nil
            case .string(let text):
                let value = String(decoding: answer[text.range], as: UTF8.self)
                switch name {
                case .id: open[scanner.depth]?.ids.append(value)
                case .test: open[scanner.depth]?.testID = value
                case nil: break
                }
                name = nil
            default: name = nil
            }
        }
    }

    private static let depths = 2...3

    private enum Name {
        case id
        case test

        init?(_ name: Span<UInt8>) {
            let range = 0..<name.count
            if ["id", "clashReportId", "reportId", "runId"].contains(where: { name.equals($0, in: range) }) {
                self = .id
            } else if name.equals("testId", in: range) {
                self = .test
            } else {
                return nil
            }
        }
    }
}

extension OperationMatch {
    /// Whether the answer to this read shows something of runs: reports, their lists, v1 runs and results.
    package var showsRuns: Bool { operation.family == .reports }

    /// The iTwins that a read is about or a start of a run goes to; nil: it may be any.
    package var itwinsOfRuns: [String]? {
        var itwins = (statedITwins + decodedITwins).map(GUID.canonical).uniqued()
        // Where the body names them, the path does not.
        if operation.version == .v1, !itwins.allSatisfy(GUID.isGUID) { itwins = [] }
        return itwins.isEmpty || body.isUnreadable || body.idsAreIncomplete ? nil : itwins
    }

    /// Whether a row's tags say that the answer is about other tests than this start's.
    package func isOfOtherTests(thanThoseOf tests: [String], _ rows: ResponseRows) -> Bool {
        guard !operation.isList, !tests.isEmpty else { return false }
        let shown = rows.tags.filter { $0.hasPrefix("test:") }
        return !shown.isEmpty && !shown.contains { tests.contains($0) }
    }

    /// The tags of the tests that a start of a run names.
    package var testTags: [String] { body.testIDs.map { Tag.object(.test, $0) } }
}
