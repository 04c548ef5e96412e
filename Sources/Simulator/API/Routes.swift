// The operations of both API versions: method, path, name, handler. Literal path segments match in any case, ids
// exactly. Rows marked "assumed" are operations whose path the documentation does not state.

/// One row of the operation table.
struct Route: Sendable {
    enum Segment: Sendable {
        case literal(String)
        case parameter(String)
    }

    typealias Handler = @Sendable (inout Store, Call) throws(Refusal) -> Answer

    let method: String
    let version: APIVersion
    let segments: [Segment]
    let name: String
    /// Whether the limit for starting runs applies as well.
    let isRun: Bool
    let handle: Handler

    private init(
        _ version: APIVersion, _ method: String, _ path: String, _ name: String, isRun: Bool = false,
        _ handle: @escaping Handler
    ) {
        self.method = method
        self.version = version
        self.name = "\(version).\(name)"
        self.isRun = isRun
        self.handle = handle
        segments = (Route.prefix(version) + path).split(separator: "/").map { part in
            part.hasPrefix("{") ? .parameter(String(part.dropFirst().dropLast())) : .literal(part.lowercased())
        }
    }

    static func prefix(_ version: APIVersion) -> String {
        version == .v1 ? "/clashdetection" : "/clash-detection/itwins/{itwin}"
    }

    /// The row for a request, and its path parameters. HEAD is answered as GET.
    static func find(method: String, path: Substring) -> (route: Route, parameters: [String: String])? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        let folded = parts.map { $0.lowercased() }
        for route in table where route.method == (method == "HEAD" ? "GET" : method) {
            if let parameters = route.match(parts, folded) { return (route, parameters) }
        }
        return nil
    }

    private func match(_ parts: ArraySlice<Substring>, _ folded: [String]) -> [String: String]? {
        guard parts.count == segments.count else { return nil }
        var parameters: [String: String] = [:]
        for (index, segment) in segments.enumerated() {
            switch segment {
            case .literal(let text): guard folded[index] == text else { return nil }
            case .parameter(let name): parameters[name] = String(parts[parts.startIndex + index])
            }
        }
        return parameters
    }

    private static let table: [Route] = v2 + v1

    private static let v2: [Route] = [
        Route(.v2, "GET", "/tests", "tests.list") { store, call throws(Refusal) in
            try store.listTests(call)
        },
        Route(.v2, "POST", "/tests", "tests.create") { store, call throws(Refusal) in
            try store.createTest(call)
        },
        Route(.v2, "POST", "/tests/jobs/deletion", "tests.delete") { store, call throws(Refusal) in
            try store.deleteTest(call)
        },
        Route(.v2, "GET", "/tests/{id}", "tests.get") { store, call throws(Refusal) in
            try store.getTest(call)
        },
        Route(.v2, "PUT", "/tests/{id}", "tests.update") { store, call throws(Refusal) in
            try store.updateTest(call)
        },
        Route(.v2, "POST", "/runs/jobs", "runs.start", isRun: true) { store, call throws(Refusal) in
            try store.postRunJobs(call)
        },
        // Assumed.
        Route(.v2, "POST", "/runs/jobs/cancellation", "runs.cancel") { store, call throws(Refusal) in
            try store.cancelRun(call)
        },
        Route(.v2, "GET", "/reports", "reports.list") { store, call throws(Refusal) in
            try store.listReports(call)
        },
        Route(.v2, "POST", "/reports/jobs/deletion", "reports.delete") { store, call throws(Refusal) in
            try store.deleteReport(call)
        },
        Route(.v2, "GET", "/reports/{id}", "reports.get") { store, call throws(Refusal) in
            try store.getReport(call)
        },
        Route(.v2, "GET", "/suppression-rules", "suppression-rules.list") { store, call throws(Refusal) in
            try store.listRules(call)
        },
        Route(.v2, "POST", "/suppression-rules", "suppression-rules.create") { store, call throws(Refusal) in
            try store.createRule(call)
        },
        Route(.v2, "GET", "/suppression-rules/{id}", "suppression-rules.get") { store, call throws(Refusal) in
            try store.getRule(call)
        },
        Route(.v2, "PATCH", "/suppression-rules/{id}", "suppression-rules.update") { store, call throws(Refusal) in
            try store.updateRule(call)
        },
        Route(.v2, "DELETE", "/suppression-rules/{id}", "suppression-rules.delete") { store, call throws(Refusal) in
            try store.deleteRule(call)
        },
        Route(.v2, "GET", "/suppression-templates", "suppression-templates.list") { store, call throws(Refusal) in
            try store.listTemplates(call)
        },
        Route(.v2, "GET", "/manual-suppressions", "manual-suppressions.list") { store, call throws(Refusal) in
            try store.listManualSuppressions(call)
        },
        // Assumed, this and the next three.
        Route(.v2, "POST", "/manual-suppressions", "manual-suppressions.apply") { store, call throws(Refusal) in
            try store.applyManualSuppressions(call)
        },
        Route(.v2, "POST", "/manual-suppressions/removal", "manual-suppressions.remove") {
            store, call throws(Refusal) in
            try store.removeManualSuppressions(call)
        },
        Route(.v2, "POST", "/manual-suppressions/remove", "manual-suppressions.remove") { store, call throws(Refusal) in
            try store.removeManualSuppressions(call)
        },
        Route(.v2, "POST", "/manual-suppressions/deletion", "manual-suppressions.remove") {
            store, call throws(Refusal) in
            try store.removeManualSuppressions(call)
        },
    ]

    private static let v1: [Route] = [
        Route(.v1, "GET", "/tests", "tests.list") { store, call throws(Refusal) in
            try store.listLegacyTests(call)
        },
        Route(.v1, "POST", "/tests", "tests.create") { store, call throws(Refusal) in
            try store.createLegacyTest(call)
        },
        Route(.v1, "GET", "/tests/{id}", "tests.get") { store, call throws(Refusal) in
            try store.getLegacyTest(call)
        },
        Route(.v1, "PUT", "/tests/{id}", "tests.update") { store, call throws(Refusal) in
            try store.updateLegacyTest(call)
        },
        Route(.v1, "DELETE", "/tests/{id}", "tests.delete") { store, call throws(Refusal) in
            try store.deleteLegacyTest(call)
        },
        Route(.v1, "POST", "/runs", "runs.start", isRun: true) { store, call throws(Refusal) in
            try store.startLegacyRun(call)
        },
        Route(.v1, "GET", "/runs", "runs.list") { store, call throws(Refusal) in
            try store.listLegacyRuns(call)
        },
        Route(.v1, "GET", "/runs/{id}", "runs.get") { store, call throws(Refusal) in
            try store.getLegacyRun(call)
        },
        Route(.v1, "DELETE", "/runs/{id}", "runs.delete") { store, call throws(Refusal) in
            try store.deleteLegacyRun(call)
        },
        Route(.v1, "GET", "/results/{id}", "results.get") { store, call throws(Refusal) in
            try store.getLegacyResult(call)
        },
        Route(.v1, "GET", "/suppressionrules", "suppression-rules.list") { store, call throws(Refusal) in
            try store.listLegacyRules(call)
        },
        Route(.v1, "POST", "/suppressionrules", "suppression-rules.create") { store, call throws(Refusal) in
            try store.createLegacyRule(call)
        },
        Route(.v1, "GET", "/suppressionrules/{id}", "suppression-rules.get") { store, call throws(Refusal) in
            try store.getLegacyRule(call)
        },
        Route(.v1, "PUT", "/suppressionrules/{id}", "suppression-rules.update") { store, call throws(Refusal) in
            try store.updateLegacyRule(call)
        },
        Route(.v1, "DELETE", "/suppressionrules/{id}", "suppression-rules.delete") { store, call throws(Refusal) in
            try store.deleteLegacyRule(call)
        },
        Route(.v1, "GET", "/suppressionruletemplates", "suppression-templates.list") { store, call throws(Refusal) in
            try store.listLegacyTemplates(call)
        },
        Route(.v1, "POST", "/modelsandcategories/imodels/{id}", "models.extract") { store, call throws(Refusal) in
            try store.extract(call)
        },
        Route(.v1, "GET", "/modelsandcategories/imodels/{id}", "models.get") { store, call throws(Refusal) in
            try store.getModelsAndCategories(call)
        },
        Route(.v1, "POST", "/schemas/imodels/{id}", "schemas.extract") { store, call throws(Refusal) in
            try store.extract(call)
        },
        Route(.v1, "GET", "/schemas/imodels/{id}", "schemas.get") { store, call throws(Refusal) in
            try store.getSchemas(call)
        },
    ]
}
