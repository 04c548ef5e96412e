// What method and path alone say about a request. Cheap: the target is kept, not copied, and ids are cut out of it
// only when somebody asks.

import HTTPTypes

/// The operation a request seems to be before its body has been read.
package struct RouteMatch: Sendable {
    /// The target as it was sent.
    package let target: String
    /// The row of the table, or a stand-in for an unknown operation.
    package let operation: Operation
    /// The class as far as method and path decide it; a body can only raise it to `delete` (or name another row).
    package let operationClass: OperationClass

    let verb: Verb
    let routeIndex: Int?
    let itwinRange: Range<Int>?
    let idRange: Range<Int>?

    /// Whether the body must be read before the class is known. Never for GET, HEAD, OPTIONS and DELETE.
    package var bodyDecides: Bool { verb.bodyMatters }

    /// The classes that the request can turn out to have, whatever its body says.
    package var possibleClasses: [OperationClass] {
        guard bodyDecides else { return [operationClass] }
        var classes = [operationClass, .delete]
        if let routeIndex, let cancel = RouteTable.shared.routes[routeIndex].whenCancel {
            classes.append(RouteTable.shared.routes[cancel].row.operation.operationClass)
        }
        return operationClass == .delete ? [.delete] : classes
    }

    /// The iTwin that the path names, as it is spelled there.
    package var pathITwin: String? { text(itwinRange) }

    /// The id that the path names, as it is spelled there.
    package var pathID: String? { text(idRange) }

    /// The final verdict on the request.
    ///
    /// - Parameters:
    ///   - body: what `BodyClassifier` found, `.empty` where `bodyDecides` is false.
    ///   - headers: the request's; `In-Place` and the clash report id are read.
    package func resolve(body: RequestBodyFacts = .empty, headers: HTTPFields = [:]) -> OperationMatch {
        OperationMatch(route: self, body: body, headers: headers)
    }

    init(verb: Verb, target: String) {
        let table = RouteTable.shared
        let utf8 = target.utf8
        let bytes = utf8.span
        let path = PathScan(bytes, vocabulary: table.vocabulary)
        self.target = target
        self.verb = verb
        routeIndex = table.firstMatch(verb, path)

        let version = RouteMatch.version(path, table)
        let underITwin = version == .v2 && path.count > 2 && path.segments[1].word == table.itwinsWord
        itwinRange = underITwin ? path.segments[2].range : nil

        if let routeIndex {
            operation = table.routes[routeIndex].row.operation
            operationClass = operation.operationClass
            let position = table.routes[routeIndex].pattern.firstIndex(of: .id)
            idRange = position.map { path.segments[$0].range }
        } else {
            operation = .unknown(version)
            operationClass = RouteMatch.unknownClass(verb, bytes)
            idRange = nil
        }
    }

    private static func version(_ path: borrowing PathScan, _ table: RouteTable) -> APIVersion {
        guard path.count > 0 else { return .other }
        switch path.segments[0].word {
        case table.v1Word: return .v1
        case table.v2Word: return .v2
        default: return .other
        }
    }

    private static func unknownClass(_ verb: Verb, _ target: Span<UInt8>) -> OperationClass {
        // Nobody knows what upstream makes of an unfamiliar method such as PURGE.
        if verb == .delete || verb == .other { return .delete }
        if PathScan.soundsLikeDeletion(target, loosely: !verb.isSafe) { return .delete }
        return verb.isSafe ? .read : .write
    }

    /// Segments that look like ids: what an unknown operation may be about. The iTwin is not among them.
    var segmentsLikeIDs: [String] {
        let utf8 = target.utf8
        let bytes = utf8.span
        let path = PathScan(bytes, vocabulary: RouteTable.shared.vocabulary)
        var ids: [String] = []
        for index in 0..<min(path.count, PathScan.capacity) {
            let segment = path.segments[index]
            guard segment.word == PathVocabulary.noWord, segment.range != itwinRange else { continue }
            let text = PathScan.text(bytes, segment.range)
            if GUID.isGUID(text) || ClashID(text) != nil { ids.append(text) }
        }
        return ids
    }

    private func text(_ range: Range<Int>?) -> String? {
        guard let range else { return nil }
        let utf8 = target.utf8
        return PathScan.text(utf8.span, range)
    }
}
