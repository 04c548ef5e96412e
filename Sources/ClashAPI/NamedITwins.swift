// Which iTwins a call names, wherever it does: what a caller's scope is held against. What cannot be read is told, since
// upstream may read it.

import Ground
import HTTPTypes

/// The iTwins that one call names.
package struct NamedITwins: Sendable, Equatable {
    /// One of them.
    package struct Name: Sendable, Hashable {
        /// The iTwin.
        package let id: EntityID
        /// Where it is named.
        package let place: ITwinPlace
    }

    /// What names an iTwin, and which one is not to be told.
    package enum Unreadable: Sendable, Equatable {
        /// What stands there is no id of the kind that belongs there.
        case id(ITwinPlace)
        /// The body as a whole: encoded, or not one JSON text, or with more ids than are read.
        case body
    }

    /// Each once, in the order path, query, body.
    package private(set) var names: [Name] = []
    /// The first that cannot be read; nil: all can.
    package private(set) var unreadable: Unreadable?
    /// Where the operation is told its iTwin; nil: nobody knows.
    private let required: ITwinPlace?

    /// Whether the call names the iTwin that its operation is about.
    package var isComplete: Bool {
        guard let required else { return !names.isEmpty }
        return names.contains { $0.place == required }
    }

    /// Whether a body that has not been read may make it complete.
    package var mayGetComplete: Bool { required == nil || required == .body || required == .test }

    /// Of what is known before the body.
    init(_ route: RouteMatch, required: ITwinPlace?) {
        self.required = required
        var collection = ""
        route.forEachSegment { segment in
            defer { collection = segment.text.lowercased() }
            // Of an unknown call, too, what stands behind these words in v1 is an id.
            if required == nil, route.operation.version == .v1, Self.v1Collections.contains(collection),
                AnyID(segment.text)?.project == nil
            {
                cannotRead(.id(.id))
            }
            if segment.isAmbiguous {
                cannotRead(.id(segment.isBehindITwins ? .path : .id))
            } else if segment.isBehindITwins {
                add(EntityID(segment.text), .path)
            } else if let project = AnyID(segment.text)?.project {
                add(project, .id)
            }
        }
        if required == .id, AnyID(route.pathID ?? "")?.project == nil { cannotRead(.id(.id)) }
        for value in ["projectId", "iTwinId"].flatMap(route.queryValues) { add(EntityID(value), .query) }
        // What only another reader would see: nobody knows how upstream reads it.
        let seen = names.filter { $0.place == .query }.map(\.id)
        let others = route.possibleQueryValues(["projectid", "itwinid"])
        if others.contains(where: { value in EntityID(value).map { !seen.contains($0) } ?? true }) {
            cannotRead(.id(.query))
        }
    }

    private static let v1Collections: Set<String> = ["results", "runs", "suppressionrules", "tests"]

    /// With what a body names.
    mutating func add(_ body: RequestBodyFacts, _ version: APIVersion) {
        switch body.form {
        case .empty: return
        case .unreadable: return cannotRead(.body)
        case .json: break
        }
        if body.idsAreIncomplete { cannotRead(.body) }
        if body.hasOddITwin { cannotRead(.id(.body)) }
        for id in body.projectIDs { add(EntityID(id), .body) }
        for id in body.testIDs { add(AnyID(id)?.project, .test, isKnownToBeOne: version == .v1) }
        for id in body.jobIDs { add(AnyID(id)?.project, .reference, isKnownToBeOne: false) }
        for project in body.referenceProjects { add(project, .reference) }
        // In v2 such ids are GUIDs, and say nothing of their iTwin.
        if version == .v1, body.hasOddReference { cannotRead(.id(.reference)) }
    }

    private mutating func add(_ id: EntityID?, _ place: ITwinPlace, isKnownToBeOne: Bool = true) {
        guard let id else { return isKnownToBeOne ? cannotRead(.id(place)) : () }
        let name = Name(id: id, place: place)
        if !names.contains(name) { names.append(name) }
    }

    private mutating func cannotRead(_ what: Unreadable) { unreadable = unreadable ?? what }
}

extension RouteMatch {
    /// The iTwins that method and target name; what the body adds is not among them.
    package var namedITwins: NamedITwins { NamedITwins(self, required: operation.itwinPlace) }

    /// The operations that the request can turn out to be, whatever its body says.
    package var possibleOperations: [Operation] {
        guard bodyDecides else { return [operation] }
        guard let routeIndex else { return [operation] }
        let routes = RouteTable.shared.routes
        let others = [routes[routeIndex].whenCancel, routes[routeIndex].whenDelete].compactMap { $0 }
        return [operation] + others.map { routes[$0].row.operation }
    }

    /// The first of these ids that path or query names, as an object or as the iTwin of one.
    package func firstNamed(of ids: Set<EntityID>) -> EntityID? {
        var found: EntityID?
        forEachSegment { segment in
            for id in segment.ids { found = found ?? id.firstNamed(of: ids) }
        }
        let utf8 = target.utf8
        QueryScan.forEachPair(utf8.span) { _, value in
            let utf8 = target.utf8
            found = found ?? AnyID(PathScan.text(utf8.span, value))?.firstNamed(of: ids)
        }
        if found == nil {
            QueryScan.forEachPossiblePair(utf8.span) { _, value in
                found = found ?? AnyID(String(decoding: value, as: UTF8.self))?.firstNamed(of: ids)
            }
        }
        return found
    }

    /// The non-empty values that these keys, in lower case, have for any server, however it reads a query.
    fileprivate func possibleQueryValues(_ keys: [String]) -> [String] {
        let utf8 = target.utf8
        let wanted = keys.map { Array($0.utf8) }
        var values: [String] = []
        QueryScan.forEachPossiblePair(utf8.span) { name, value in
            guard !value.isEmpty, wanted.contains(name.map(ASCII.folded)) else { return }
            values.append(String(decoding: value, as: UTF8.self))
        }
        return values
    }

    func queryValues(_ key: String) -> [String] {
        let utf8 = target.utf8
        return QueryScan.values(of: key, in: utf8.span)
    }
}

extension OperationMatch {
    /// The iTwins that the call names.
    ///
    /// - Parameter body: what its body says, also where that is none of the operation's business.
    package func namedITwins(_ body: RequestBodyFacts) -> NamedITwins {
        var named = NamedITwins(route, required: operation.itwinPlace)
        named.add(body, operation.version)
        return named
    }

    /// The first of these ids that the call names anywhere, as an object or as the iTwin of one.
    ///
    /// - Parameters:
    ///   - body: what its body says, read with these ids being watched for.
    ///   - headers: the request's.
    package func firstNamed(
        of ids: Set<EntityID>, _ body: RequestBodyFacts, headers: HTTPFields
    ) -> EntityID? {
        if let id = route.firstNamed(of: ids) ?? body.watchedID { return id }
        for name in HTTPField.Name.clashReportIDs {
            for value in headers[values: name] {
                if let id = AnyID(value)?.firstNamed(of: ids) { return id }
            }
        }
        return nil
    }
}

extension AnyID {
    /// Its object or the object's iTwin, whichever is among these.
    func firstNamed(of ids: Set<EntityID>) -> EntityID? {
        if ids.contains(entity) { return entity }
        return project.flatMap { ids.contains($0) ? $0 : nil }
    }
}
