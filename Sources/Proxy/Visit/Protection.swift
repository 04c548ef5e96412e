// What nobody may delete, whoever asks: `deletes.protect`.

import ClashAPI
import HTTPTypes

/// The protected ids. Immutable.
final class Protection: Sendable {
    /// Objects and iTwins, each by its own GUID: a v1 run, its result and the v2 report are one.
    let ids: Set<EntityID>

    /// Nil where nothing is protected. Ids that are none were refused with the configuration.
    init?(_ ids: [String]) {
        guard !ids.isEmpty else { return nil }
        self.ids = Set(ids.compactMap { AnyID($0)?.entity })
    }

    /// Throws 403 `Protected` for a delete that names what is protected, whose iTwin is, or of which that cannot be told.
    ///
    /// - Parameter body: what its body says, read with `ids` being watched for.
    func check(_ match: OperationMatch, _ body: RequestBodyFacts, _ fields: HTTPFields) throws(Failure) {
        guard match.operationClass == .delete else { return }
        if body.isUnreadable {
            throw Failure(
                .protected,
                "The body of this delete cannot be read, and some objects may not be deleted (deletes.protect): "
                    + "send it as one JSON text in UTF-8, without a coding.")
        }
        if let id = match.firstNamed(of: ids, body, headers: fields) {
            var failure = Failure(
                .protected,
                "The call would delete what is protected, or something in an iTwin that is (deletes.protect).")
            failure.protectedID = id.text
            throw failure
        }
        if match.deletesByID, match.objectIDs.isEmpty || match.objectIDs.contains(where: { AnyID($0) == nil }) {
            throw Failure(
                .protected,
                "Which objects this delete is about cannot be told, and some may not be deleted (deletes.protect): "
                    + "name each by its id, as the API spells it.")
        }
        let named = match.namedITwins(body)
        if named.unreadable != nil || named.names.isEmpty {
            throw Failure(
                .protected,
                "Which iTwin this delete is about cannot be told, and some objects may not be deleted "
                    + "(deletes.protect).")
        }
    }
}

extension OperationMatch {
    /// It names what it deletes, in its body or its path.
    fileprivate var deletesByID: Bool {
        guard operation.operationClass == .delete else { return false }
        switch operation.objectKind {
        case .test, .report, .run: return true
        case .result, .rule, .repository, nil: return false
        }
    }
}
