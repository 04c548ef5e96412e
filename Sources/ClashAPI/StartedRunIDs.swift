// What upstream says about a run that it has just started: the ids under which it will be shown.

/// Answers to starts of runs: `{"runs":[{"clashReportId":…}]}` (v2) and `{"run":{"id":…}}` (v1).
public enum StartedRunIDs {
    /// The ids of the new runs; empty when the answer does not say.
    public static func find(in answer: [UInt8]) -> [String] {
        var scanner = JSONScanner()
        let bytes = answer.span
        var offset = 0
        var isID = false
        var ids: [String] = []
        while true {
            switch scanner.next(in: bytes, at: &offset) {
            case .needsInput, .invalid: return ids
            case .key(let text):
                let name = bytes.extracting(text.range)
                let range = 0..<name.count
                // The run itself is two deep in v1 and three in v2; its links go deeper.
                isID =
                    (2...3).contains(scanner.depth)
                    && (name.equals("id", in: range) || name.equals("clashReportId", in: range)
                        || name.equals("reportId", in: range) || name.equals("runId", in: range))
            case .string(let text):
                if isID { ids.append(String(decoding: answer[text.range], as: UTF8.self)) }
                isID = false
            default: isID = false
            }
        }
    }
}

extension OperationMatch {
    /// Whether the answer to this read shows something of runs: reports, their lists, v1 runs and results.
    public var showsRuns: Bool { operation.family == .reports }

    /// The iTwins that a read is about or a start of a run goes to; nil: it may be any.
    public var itwinsOfRuns: [String]? {
        var itwins = (statedITwins + decodedITwins).map(GUID.canonical).uniqued()
        // Where the body names them, the path does not.
        if operation.version == .v1, !itwins.allSatisfy(GUID.isGUID) { itwins = [] }
        return itwins.isEmpty || body.isUnreadable || body.idsAreIncomplete ? nil : itwins
    }

    /// Whether a row's tags say that the answer is about other tests than this start's.
    public func isOfOtherTests(thanThoseOf tests: [String], _ rows: ResponseRows) -> Bool {
        guard !operation.isList, !tests.isEmpty else { return false }
        let shown = rows.tags.filter { $0.hasPrefix("test:") }
        return !shown.isEmpty && !shown.contains { tests.contains($0) }
    }

    /// The tags of the tests that a start of a run names.
    public var testTags: [String] { body.testIDs.map { Tag.object(.test, $0) } }
}
