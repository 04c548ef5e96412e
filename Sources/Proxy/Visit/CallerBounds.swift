// What bounds a caller beyond its rights: the iTwins and operations of its scope, and windows of its own. Judged by what
// a call says alone, so that a refusal tells nothing of what exists.

import ClashAPI
import RateLimiting

/// The bounds of a caller. Immutable, and free to share: one object for all calls of the caller under one configuration.
final class CallerBounds: Sendable {
    /// The iTwins that it may touch; empty: all.
    let itwins: Set<EntityID>
    /// The names of the operations that it may call, as they are configured; empty: all.
    let operations: [String]
    /// Hard caps on its calls.
    let windows: [GateWindow]
    /// The names of the table that `operations` stand for.
    private let operationNames: Set<String>

    /// Nil where nothing is bounded.
    init?(itwins: [EntityID], operations: [String], windows: [GateWindow]) {
        guard !itwins.isEmpty || !operations.isEmpty || !windows.isEmpty else { return nil }
        self.itwins = Set(itwins)
        self.operations = operations
        self.windows = windows
        operationNames = Set(
            Operation.all.filter(\.isKnown).map(\.name).filter { name in
                operations.contains { $0.hasSuffix("*") ? name.hasPrefix($0.dropLast()) : name == $0 }
            })
    }

    /// Whether a call's body has to be looked at for what it names.
    var readsBodies: Bool { !itwins.isEmpty }

    /// Why a call is refused by its method and target alone, nil if it is not or its body may yet decide.
    ///
    /// - Parameters:
    ///   - bodyFollows: whether it has a body, which has not been read.
    func refusal(of route: RouteMatch, by name: String, bodyFollows: Bool) -> Failure? {
        if !operations.isEmpty, !route.possibleOperations.contains(where: mayCall) {
            return .lacksOperation(name, route.operation, self)
        }
        guard !itwins.isEmpty else { return nil }
        return refusal(of: route.namedITwins, by: name, bodyFollows: bodyFollows)
    }

    /// Why a call is refused whose body has been read; nil if it is not.
    ///
    /// - Parameter body: what its body says.
    func refusal(of match: OperationMatch, _ body: RequestBodyFacts, by name: String) -> Failure? {
        if !operations.isEmpty, !mayCall(match.operation) { return .lacksOperation(name, match.operation, self) }
        guard !itwins.isEmpty else { return nil }
        return refusal(of: match.namedITwins(body), by: name, bodyFollows: false)
    }

    private func mayCall(_ operation: Operation) -> Bool { operationNames.contains(operation.name) }

    private func refusal(of named: NamedITwins, by name: String, bodyFollows: Bool) -> Failure? {
        if let unreadable = named.unreadable { return .cannotTellITwin(name, unreadable) }
        if let foreign = named.names.first(where: { !itwins.contains($0.id) }) { return .lacksITwin(name, foreign) }
        if named.isComplete || bodyFollows && named.mayGetComplete { return nil }
        return .namesNoITwin(name)
    }
}

extension CallerBounds: Equatable {
    static func == (left: CallerBounds, right: CallerBounds) -> Bool { left === right }
}

extension Failure {
    fileprivate static func lacksOperation(_ caller: String, _ operation: Operation, _ bounds: CallerBounds) -> Failure
    {
        Failure(
            .permissionDenied,
            "The caller '\(caller)' may not call \(operation.name); "
                + "its operations are: \(bounds.operations.joined(separator: ", ")).")
    }

    /// What a v1 id carries is not spelled out: whoever sent it need not know.
    fileprivate static func lacksITwin(_ caller: String, _ name: NamedITwins.Name) -> Failure {
        let iTwin =
            switch name.place {
            case .path, .query, .body: "the iTwin \(name.id.text)"
            case .id, .test, .reference: "the iTwin of an id"
            }
        return Failure(
            .permissionDenied,
            "The caller '\(caller)' may not touch \(iTwin) that the call names \(name.place.words): "
                + "it is not among the caller's itwins.", target: name.place.target)
    }

    fileprivate static func cannotTellITwin(_ caller: String, _ what: NamedITwins.Unreadable) -> Failure {
        let (why, target): (String, String?) =
            switch what {
            case .id(let place): ("an id \(place.words) cannot be read", place.target)
            case .body: ("its body cannot be read", nil)
            }
        return Failure(
            .permissionDenied,
            "The caller '\(caller)' may touch only the caller's itwins, and which iTwin the call is about cannot be told: "
                + "\(why).", target: target)
    }

    fileprivate static func namesNoITwin(_ caller: String) -> Failure {
        Failure(
            .permissionDenied,
            "The caller '\(caller)' may touch only the caller's itwins, and the call does not say which iTwin it is about."
        )
    }
}

extension ITwinPlace {
    /// Where that is, for people.
    fileprivate var words: String {
        switch self {
        case .path, .id: "in its path"
        case .query: "in its query"
        case .body, .test, .reference: "in its body"
        }
    }

    /// The parameter, where it is always the same.
    fileprivate var target: String? {
        switch self {
        case .query, .body: "projectId"
        case .test: "testId"
        case .path, .id, .reference: nil
        }
    }
}
