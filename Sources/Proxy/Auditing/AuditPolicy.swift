// Which calls are recorded, and what a record says about a call.

import Audit
import ClashAPI
import Configuration
import Edge
import Ground
import HTTPTypes

/// The configured part of auditing. Immutable.
struct AuditPolicy: Sendable {
    let settings: Config.Audit

    /// Deletes always; what `audit.also` names besides.
    func records(_ match: OperationMatch) -> Bool {
        if match.operationClass == .delete { return true }
        if settings.also.contains(.run), match.operation.countsAsRun { return true }
        return settings.also.contains(.cancel) && match.operation.isCancel
    }

    /// Whether a call is recorded whatever its body, which nobody has read, says. A body can always ask for a delete,
    /// which is recorded anyway, or for a cancel, where the path takes both.
    func records(unread route: RouteMatch) -> Bool {
        var cancels = RequestBodyFacts(form: .json)
        cancels.saysCancel = true
        return records(route.resolve()) && records(route.resolve(body: cancels))
    }

    /// The call as every one of its records repeats it.
    ///
    /// - Parameter caller: nil for who was refused before it was asked who it is.
    func call(_ match: OperationMatch, _ visit: Visit, _ caller: Caller?) -> AuditCall {
        AuditCall(
            id: visit.correlationID, operation: match.operation.name,
            method: visit.head.method.rawValue, target: KeyForm.hidden(visit.head.target), objects: match.objectIDs,
            itwin: match.itwin ?? "",
            caller: AuditCaller(caller ?? .anonymous, address: visit.record.peer),
            reason: KeyForm.hidden(visit.fields.text(of: .auditReason) ?? ""))
    }

    /// Throws 400 when a delete names more objects, or longer ids, than a record can hold.
    func checkObjects(_ match: OperationMatch) throws(Failure) {
        guard match.operationClass == .delete else { return }
        if match.body.idsAreNoText {
            throw .invalid(
                "The body names an id with an escape that stands for no character, such as a lone surrogate.")
        }
        guard match.body.idsAreIncomplete else { return }
        throw .invalid("The body names more or longer ids than can be recorded; the API takes one id at a time.")
    }

    /// Throws 428 when a delete needs a reason and has none.
    func checkReason(_ match: OperationMatch, _ fields: HTTPFields) throws(Failure) {
        guard settings.requireReason, match.operationClass == .delete else { return }
        guard fields[fields: .auditReason].allSatisfy({ $0.text.unicodeScalars.allSatisfy(Self.isBlank) }) else {
            return
        }
        throw Failure(
            .auditReasonRequired, "This proxy wants to know why: send the header X-Audit-Reason with a delete.",
            target: "X-Audit-Reason")
    }

    /// Nothing that a reader of the log could see: blanks of every kind, characters without a shape or a width.
    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
        let properties = scalar.properties
        return properties.isWhitespace || properties.isDefaultIgnorableCodePoint
            || properties.generalCategory == .format || properties.generalCategory == .control
    }
}

extension AuditCaller {
    /// - Parameter address: where it comes from.
    init(_ caller: Caller, address: String) {
        self.init(
            name: caller.name, address: address, via: caller.via.rawValue, issuer: caller.person?.issuer ?? "",
            subject: caller.person?.subject ?? "")
    }

    /// What tells it from all others, as `Caller.id` does.
    var id: String { issuer.isEmpty ? name : CallerID.of(issuer: issuer, subject: subject) }
}
