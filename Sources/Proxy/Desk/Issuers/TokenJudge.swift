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
        let generation = try verify(claim)
        let entry = VerifiedTokens.Entry(
            caller: claim.caller,
            standing: TokenStanding(until: claim.end, generation: generation, of: claim.issuer.keys.generation))
        known.remember(entry, for: hash)
        return entry
    }

    /// The generation of the keys that a token's signature is found to be by.
    private func verify(_ claim: Claim) throws(Failure) -> UInt64 {
        let (token, header, keys) = (claim.token, claim.header, claim.issuer.keys)
        var finding = keys.look(header)
        while true {
            switch finding {
            case .keys(let fitting, let generation):
                if fitting.contains(where: { $0.verifies(token.signature, of: token.signed, header.algorithm) }) {
                    return generation
                }
                // Gives keys again only where they are others by now.
                finding = keys.doubt(header, generation: generation)
            case .wait: throw .waitsForKeys(of: keys)
            case .refuse(let fault): throw Failure(fault)
            case .unavailable(let trouble, let hasKeys, let wait):
                throw .noKey(of: keys, trouble, hasOthers: hasKeys, retryAfter: wait)
            }
        }
    }

    private func read(_ bearer: String, now: Int64) throws(TokenFault) -> Claim {
        let token = try CompactJWT(bearer)
        let header = try TokenHeader(token)
        let claims = try TokenClaims(token.payload)
        guard let name = claims.issuer, let issuer = issuers.first(where: { $0.keys.url == name })
        else { throw .issuerUnknown }
        let (caller, end) = try issuer.caller(claims, now: now)
        return Claim(token: token, header: header, issuer: issuer, caller: caller, end: end)
    }
}

extension Failure {
    init(_ fault: TokenFault) {
        self.init(.callerTokenInvalid, fault.sentence, target: "Authorization", detail: String(describing: fault))
    }

    /// - Parameter hasOthers: whether keys are known that the token does not name.
    fileprivate static func noKey(
        of keys: IssuerKeys, _ trouble: IssuerTrouble, hasOthers: Bool, retryAfter: Duration
    ) -> Failure {
        let lack =
            hasOthers
            ? "its key is not among those that are known of its issuer \(keys.url), which cannot be fetched anew"
            : "there is no key of its issuer \(keys.url)"
        return Failure(
            .issuerUnavailable, "The token cannot be checked: \(lack), because \(trouble.sentence).",
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
