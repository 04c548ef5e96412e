// Whose a token is, or why it does not hold. Synchronous, on the event loop: a known token costs a look-up, a new one a
// signature check. Claims are looked at before keys: what has ended, or is meant for others, makes nobody ask an issuer.

import Crypto
import Ground

/// Judges tokens under one configuration. Usable from every event loop.
final class TokenJudge: Sendable {
    /// What a token says, and what is still to be verified of it.
    private struct Claim {
        let token: CompactJWT
        let header: TokenHeader
        let issuer: Issuer
        let caller: Caller
        let end: Int64
    }

    private let issuers: [Issuer]
    private let known = VerifiedTokens()
    private let wallTime: @Sendable () -> WallTime

    init(_ issuers: [Issuer], wallTime: @escaping @Sendable () -> WallTime) {
        self.issuers = issuers
        self.wallTime = wallTime
    }

    /// Whose the token is, and how long that holds. Throws 401 `InvalidCallerToken` or 503 `IssuerUnavailable`.
    ///
    /// - Parameter hash: of the token.
    func judge(_ bearer: String, _ hash: SHA256.Digest) throws(Failure) -> VerifiedTokens.Entry {
        let now = wallTime().seconds
        if let entry = known.find(hash, wallSeconds: now) { return entry }
        let claim: Claim
        do throws(TokenFault) {
            claim = try read(bearer, now: now)
        } catch {
            throw Failure(error)
        }
        let keys = claim.issuer.keys
        // Before the keys are looked at: whatever changes from here on makes the decision void.
        let generation = keys.generation.current
        switch keys.look(claim.header) {
        case .keys(let keys):
            let (token, header) = (claim.token, claim.header)
            guard keys.contains(where: { $0.verifies(token.signature, of: token.signed, header.algorithm) }) else {
                throw Failure(TokenFault.signatureWrong)
            }
        case .wait: throw .waitsForKeys(of: keys)
        case .refuse(let fault): throw Failure(fault)
        case .unavailable(let trouble, let wait): throw .noKeys(of: keys, trouble, retryAfter: wait)
        }
        let entry = VerifiedTokens.Entry(
            caller: claim.caller,
            standing: TokenStanding(until: claim.end, generation: generation, of: keys.generation))
        known.remember(entry, for: hash)
        return entry
    }

    private func read(_ bearer: String, now: Int64) throws(TokenFault) -> Claim {
        let token = try CompactJWT(bearer)
        let header = try TokenHeader(token)
        let claims = try TokenClaims(token.payload)
        guard let name = claims.issuer,
            let issuer = issuers.first(where: { DiscoveryDocument.isSame(name, $0.keys.url) })
        else { throw .issuerUnknown }
        let (caller, end) = try issuer.caller(claims, now: now)
        return Claim(token: token, header: header, issuer: issuer, caller: caller, end: end)
    }
}

extension Failure {
    init(_ fault: TokenFault) {
        self.init(.callerTokenInvalid, fault.sentence, target: "Authorization", detail: String(describing: fault))
    }

    fileprivate static func noKeys(of keys: IssuerKeys, _ trouble: IssuerTrouble, retryAfter: Duration) -> Failure {
        Failure(
            .issuerUnavailable,
            "The token cannot be checked: there is no key of its issuer \(keys.url), because \(trouble.sentence).",
            retryAfter: retryAfter)
    }

    /// It may be decided as soon as the fetch is over.
    fileprivate static func waitsForKeys(of keys: IssuerKeys) -> Failure {
        var failure = Failure(
            .issuerUnavailable,
            "The token cannot be checked yet: the keys of its issuer \(keys.url) are still being fetched.",
            retryAfter: .seconds(1))
        failure.pending = { await keys.settled() }
        return failure
    }
}
