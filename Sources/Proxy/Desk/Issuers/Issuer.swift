// One `[[issuer]]`: whom it vouches for, and what they may do.

import Configuration

/// The rules for the tokens of one issuer. Immutable but for its keys.
final class Issuer: Sendable {
    let keys: IssuerKeys
    private let audiences: Set<String>
    private let clients: Set<String>
    private let nameClaim: String
    private let rightsClaim: String
    private let rights: [String: Set<Permission>]
    private let allow: Set<Permission>
    private let priority: CallerPriority
    private let weight: Int
    private let maxInFlight: Int
    private let bounds: CallerBounds?

    init(_ configured: Config.Issuer, keys: IssuerKeys) {
        self.keys = keys
        audiences = Set(configured.audience)
        clients = Set(configured.clientIDs)
        nameClaim = configured.nameClaim
        rightsClaim = configured.rightsClaim
        rights = configured.rights
        allow = configured.allow
        priority = configured.priority
        weight = configured.weight
        maxInFlight = configured.maxInFlight
        bounds = CallerBounds(
            itwins: configured.itwins, operations: configured.operations, windows: configured.windows)
    }

    /// Whose a token with these claims is, if its signature holds, and the second in which it ends.
    func caller(_ claims: TokenClaims, now: Int64) throws(TokenFault) -> (Caller, end: Int64) {
        let end = try claims.end(now: now)
        let person = Person(issuer: keys.url, subject: try claims.subject())
        try claims.check(audiences: audiences, clients: clients)
        var allow = allow
        if !rightsClaim.isEmpty {
            for value in claims.values(rightsClaim) { allow.formUnion(rights[value] ?? []) }
        }
        let caller = Caller(
            name: claims.name(nameClaim) ?? person.subject, allow: allow, via: .jwt, priority: priority,
            weight: weight, maxInFlight: maxInFlight, bounds: bounds, person: person)
        return (caller, end)
    }
}
