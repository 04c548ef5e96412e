// Who calls in a proof: the callers of the configuration with keys of their own, and one person for each way in which an issuer
// grants rights.

import ClashAPI
import Configuration
import HTTPTypes
import RateLimiting

/// Somebody who calls, and what the configuration lets him do. A value.
struct ProvenCaller: Sendable {
    /// In the table.
    let name: String
    /// In the audit log.
    let recordedAs: String
    /// What shows who it is.
    private(set) var credentials: HTTPFields
    /// What of that is nobody else's business.
    let secrets: [String]
    /// What it brings for upstream where tools bring their own tokens; nobody else's business either, but upstream's.
    private(set) var passedToken: String?
    let allow: Set<Permission>
    let itwins: [EntityID]
    let operations: [String]
    let windows: [GateWindow]
    /// The iTwin that it works in.
    let home: String
    /// An iTwin that it may not touch; nil: it may touch all.
    let foreign: String?

    /// What the configuration says of an operation: found out here once more, by nothing that the proxy uses.
    func may(_ name: String) -> Bool {
        guard let operation = Operation.named(name),
            allow.contains(where: { $0.rawValue == operation.operationClass.rawValue })
        else { return false }
        return operations.isEmpty
            || operations.contains { $0.last == "*" ? name.hasPrefix($0.dropLast()) : $0 == name }
    }

    /// It brings a token of its own.
    mutating func bring(_ token: String) {
        passedToken = token
        credentials[.authorization] = "Bearer \(token)"
    }

    /// The first call of these that it may make.
    func first(_ calls: [ProofCall]) -> ProofCall? { calls.first { may($0.operation) } }

    /// Whether nothing is kept from it.
    var mayDoAll: Bool {
        foreign == nil && operations.isEmpty
            && OperationClass.allCases.allSatisfy { right in allow.contains { $0.rawValue == right.rawValue } }
    }

    /// Why it is not tried with deletes.
    static let mayNotDelete = Verdict.notApplicable("allow and operations grant it no delete: it cannot delete reports")
    /// Why it is not tried with reads.
    static let mayNotRead = Verdict.notApplicable("allow and operations grant it no list: it cannot read pages")
}
