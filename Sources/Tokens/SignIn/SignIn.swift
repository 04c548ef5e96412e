// A person's sign-in as it is kept between two refreshes, and its form on disk: one small JSON object.
//
// The access token stands beside the refresh token, so that a second process, or this one after a restart, needs no
// refresh of its own while the first one's token is good. It makes the file no more secret than it is: the refresh
// token in it buys any number of access tokens.

import Crypto
import Ground

/// A sign-in: what `login` obtains and every refresh replaces. Printing or dumping it shows no token.
package struct SignIn: Sendable, Equatable {
    struct Access: Sendable, Equatable {
        let value: Hidden<String>
        /// Since 1970, as `obtainedAt`.
        let expiresAt: Duration
    }

    /// The client that it was granted to.
    package let clientID: String
    /// The token endpoint that granted it; its tokens are shown to no other.
    package let tokenURL: String
    /// What was granted, separated by spaces; empty where nobody has said.
    package let scope: String
    let refreshToken: Hidden<String>
    /// When the tokens were asked for, by the clock of the time of day, since 1970.
    let obtainedAt: Duration
    let access: Access?

    /// What the endpoint's answer makes of a sign-in.
    init(
        clientID: String, tokenURL: String, scope: String, refreshToken: Hidden<String>, obtainedAt: Duration,
        access: Access?
    ) {
        self.clientID = clientID
        self.tokenURL = tokenURL
        self.scope = scope
        self.refreshToken = refreshToken
        self.obtainedAt = obtainedAt
        self.access = access
    }

    /// After a refresh. An answer without a refresh token leaves the one that was sent in force (RFC 6749 section 6).
    func renewed(by tokens: TokenAnswer.Tokens, askedAt: Duration) -> SignIn {
        SignIn(
            clientID: clientID, tokenURL: tokenURL, scope: tokens.scope ?? scope,
            refreshToken: tokens.refreshToken ?? refreshToken, obtainedAt: askedAt,
            access: Access(
                value: tokens.value, expiresAt: askedAt + TokenSchedule.life(told: tokens.life)))
    }

    /// The access token, if it is worth using instead of `held`: another one, and it still lives.
    func grant(insteadOf held: UpstreamToken?, now: ContinuousClock.Instant, wallTime: Duration) -> TokenGrant? {
        guard let access, held?.carries(access.value) != true else { return nil }
        let life = min(access.expiresAt - obtainedAt, TokenSchedule.longestLife)
        let age = wallTime - obtainedAt
        // A clock that has gone back since tells nothing about the age; a second may be two machines' difference.
        guard age >= .seconds(-1), age < life else { return nil }
        let since = now.advanced(by: .zero - max(age, .zero))
        return TokenGrant(value: access.value, life: life, askedAt: since, sharedSince: since)
    }

    /// Tells refresh tokens apart without keeping them.
    var fingerprint: String { Digest.hex(of: refreshToken.value) }
}

/// SHA-256.
enum Digest {
    static func bytes(of text: String) -> [UInt8] {
        var hash = SHA256()
        Array(text.utf8).withUnsafeBytes { hash.update(bufferPointer: $0) }
        return Array(hash.finalize())
    }

    /// 64 lower-case digits.
    static func hex(of text: String) -> String { Hex.text(bytes(of: text)) }
}
