// The final verdict on a request: which operation, which class, which objects, which iTwin.

import Ground
import HTTPTypes

/// A request recognised by method, path, body and headers.
package struct OperationMatch: Sendable {
    /// What method and path alone said.
    package let route: RouteMatch
    /// What the body said.
    package let body: RequestBodyFacts
    /// The row of the table. A body that says "delete" where no row does makes it an unknown operation.
    package let operation: Operation
    /// The class that counts for rights and audit.
    package let operationClass: OperationClass
    /// Whether a run may overwrite earlier results: `In-Place` (v2) or `inPlace` (v1) says true or force.
    package let isInPlaceRun: Bool

    /// Ids that the call names in a header: the clash report of manual suppressions.
    private let headerIDs: [String]

    /// False for the stand-ins `v1.unknown`, `v2.unknown` and `unknown`.
    package var isKnown: Bool { operation.isKnown }

    init(route: RouteMatch, body: RequestBodyFacts, headers: HTTPFields) {
        self.route = route
        self.body = body
        operation = OperationMatch.operation(route, body)
        let mayDelete = route.bodyDecides && (body.saysDelete || body.isUnreadable)
        operationClass = mayDelete ? .delete : operation.isKnown ? operation.operationClass : route.operationClass
        isInPlaceRun =
            operation.countsAsRun
            && (body.saysInPlace || headers[values: .inPlace].contains { InPlace.isOn(Array($0.utf8)) })
        let headerNamesReport = operation.touchesLists.contains(.manualSuppressions) && body.jobIDs.isEmpty
        headerIDs = headerNamesReport ? HTTPField.Name.clashReportIDs.flatMap { headers[values: $0] } : []
    }

    private static func operation(_ route: RouteMatch, _ body: RequestBodyFacts) -> Operation {
        guard route.bodyDecides, let index = route.routeIndex else { return route.operation }
        let routes = RouteTable.shared.routes
        if body.saysDelete {
            if let row = routes[index].whenDelete { return routes[row].row.operation }
            return route.operation.operationClass == .delete ? route.operation : .unknown(route.operation.version)
        }
        if body.saysCancel, let row = routes[index].whenCancel { return routes[row].row.operation }
        return route.operation
    }

    /// The iTwin (v1: project), as the request spells it: from the path, `projectId` in query or body, or a v1 id.
    package var itwin: String? { statedITwins.first ?? decodedITwins.first }

    /// iTwins that the request names in so many words.
    var statedITwins: [String] {
        if let itwin = route.pathITwin { return [itwin] }
        return queryValues("projectId") + body.projectIDs
    }

    /// iTwins that its v1 ids seem to carry.
    var decodedITwins: [String] {
        guard operation.version == .v1 else { return [] }
        return (objectIDs + body.testIDs).compactMap { ClashID($0)?.projectID }
    }

    /// The ids the call is about, as spelled in path, body or header; for unknown operations whatever looks like one.
    package var objectIDs: [String] {
        var ids = route.pathID.map { [$0] } ?? []
        if !isKnown { ids += route.segmentsLikeIDs }
        ids += body.jobIDs
        if operation.objectKind == .test || !isKnown { ids += body.testIDs }
        ids += headerIDs
        if operation.family == .manualSuppressions { ids += queryValues("clashReportId") }
        return ids.uniqued()
    }

    /// The target of a GET that shows one object of this call, such as what a delete is about to destroy.
    ///
    /// Nil where the API has no such read, or where the id could not stand in a path as it is.
    package func readTarget(of id: String) -> String? {
        guard !id.isEmpty, id.utf8.allSatisfy(ASCII.isUnreserved), id != ".", id != ".." else { return nil }
        switch (operation.version, operation.objectKind) {
        case (.v2, .test): return v2Target("tests", id)
        case (.v2, .report): return v2Target("reports", id)
        case (.v2, .rule): return v2Target("suppression-rules", id)
        case (.v1, .test): return "/clashdetection/tests/" + id
        case (.v1, .run): return "/clashdetection/runs/" + id
        case (.v1, .rule): return "/clashdetection/suppressionrules/" + id
        default: return nil
        }
    }

    private func v2Target(_ collection: String, _ id: String) -> String? {
        guard let itwin = route.pathITwin else { return nil }
        return "/clash-detection/itwins/" + itwin + "/" + collection + "/" + id
    }

    func queryValues(_ key: String) -> [String] { route.queryValues(key) }
}

extension HTTPField.Name {
    /// v2: `False`, `True` (update existing results) or `Force` (run again).
    static let inPlace = documented("In-Place")
    /// v2: the iModel that an answer is limited to.
    static let repositoryID = documented("repository-id")
    /// The header's name is not stated by the documentation; these are the likely spellings.
    static let clashReportIDs = ["clash-report-id", "clashreport-id", "clashReportId"].map(documented)

    private static func documented(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { preconditionFailure("not a field name: \(name)") }
        return name
    }
}

extension [String] {
    /// Without repetitions, in the order of first occurrence.
    func uniqued() -> [String] {
        guard count > 1 else { return self }
        var seen: Set<String> = []
        return filter { seen.insert($0).inserted }
    }
}
