// Issued tokens and what may be done with them. Refresh tokens rotate: each is good once, and presenting a used
// one revokes its whole family, access tokens included (RFC 9700 section 4.14.2). No I/O, no clock.

/// What a token stands for.
struct Grant: Sendable {
    let client: String
    let subject: String
    let scopes: [String]
    /// Tokens that descend from one sign-in share a family.
    let family: Int
}

/// The state of the token endpoint.
struct TokenStore: Sendable {
    struct Code: Sendable {
        let grant: Grant
        let redirect: String
        let challenge: String?
        let expires: Duration
        var used = false
    }

    private struct Access: Sendable {
        let grant: Grant
        let expires: Duration
    }

    private struct Refresh: Sendable {
        let grant: Grant
        var used = false
    }

    private let lifetime: Duration
    private var random: SplitMix
    private var access: [String: Access] = [:]
    private var refresh: [String: Refresh] = [:]
    private var codes: [String: Code] = [:]
    private var revoked: Set<Int> = []
    private var families = 0

    init(configuration: SimulatorConfiguration) {
        lifetime = configuration.tokenLifetime
        random = SplitMix(seed: configuration.seed, stream: 2)
    }

    // MARK: Issuing

    mutating func newGrant(client: String, subject: String, scopes: [String]) -> Grant {
        families += 1
        return Grant(client: client, subject: subject, scopes: scopes, family: families)
    }

    mutating func issueAccess(_ grant: Grant, issuer: String, now: Duration) -> String {
        if access.count > 10_000 { access = access.filter { $0.value.expires > now } }
        let expires = now + lifetime
        let token = jwt(grant, issuer: issuer, now: now, expires: expires)
        access[token] = Access(grant: grant, expires: expires)
        return token
    }

    mutating func issueRefresh(_ grant: Grant) -> String {
        let token = secret(bytes: 32)
        refresh[token] = Refresh(grant: grant)
        return token
    }

    mutating func issueCode(_ grant: Grant, redirect: String, challenge: String?, now: Duration) -> String {
        let code = secret(bytes: 24)
        codes[code] = Code(grant: grant, redirect: redirect, challenge: challenge, expires: now + .seconds(60))
        return code
    }

    // MARK: Using

    /// The client of a live access token.
    func client(of token: String, now: Duration) -> String? {
        guard let entry = access[token], entry.expires > now, !revoked.contains(entry.grant.family) else {
            return nil
        }
        return entry.grant.client
    }

    enum RefreshOutcome {
        case grant(Grant)
        case invalid
        case reused
    }

    /// Spends a refresh token.
    mutating func spend(refresh token: String, client: String) -> RefreshOutcome {
        guard let entry = refresh[token], entry.grant.client == client else { return .invalid }
        if entry.used {
            revoked.insert(entry.grant.family)
            return .reused
        }
        guard !revoked.contains(entry.grant.family) else { return .invalid }
        refresh[token]?.used = true
        return .grant(entry.grant)
    }

    /// Whether `spend` would grant.
    func accepts(refresh token: String) -> Bool {
        refresh[token].map { !$0.used && !revoked.contains($0.grant.family) } ?? false
    }

    /// Spends an authorization code; one that comes twice revokes what it had brought (RFC 6749 section 4.1.2).
    mutating func spend(code: String, client: String, redirect: String?, now: Duration) -> Code? {
        guard let entry = codes[code], entry.grant.client == client else { return nil }
        if entry.used { revoked.insert(entry.grant.family) }
        guard !entry.used, entry.expires > now, entry.redirect == redirect else { return nil }
        codes[code]?.used = true
        return entry
    }

    mutating func revoke(_ token: String) {
        access[token] = nil
        if let family = refresh[token]?.grant.family { revoked.insert(family) }
    }

    mutating func revokeAll(refreshTokens: Bool) {
        access = [:]
        if refreshTokens { refresh = [:] }
    }

    // MARK: Spelling

    /// Three base64url parts with the claims of the real issuer. The signature is noise: whether a token is good is
    /// looked up, not computed.
    private mutating func jwt(_ grant: Grant, issuer: String, now: Duration, expires: Duration) -> String {
        let header: JSON = ["alg": "RS256", "kid": "simulator", "typ": "at+jwt"]
        let claims: JSON = [
            "scope": .array(grant.scopes.map { .string($0) }), "client_id": .string(grant.client),
            "sub": .string(grant.subject), "iss": .string(issuer), "aud": .string("\(issuer)/resources"),
            "nbf": .int(now.wholeSeconds), "iat": .int(now.wholeSeconds), "exp": .int(expires.wholeSeconds),
            "jti": .guid(GUID(from: &random)),
        ]
        let parts = [header, claims].map { Base64.encode($0.bytes, alphabet: .url) }
        return (parts + [secret(bytes: 64)]).joined(separator: ".")
    }

    private mutating func secret(bytes count: Int) -> String {
        Base64.encode((0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }, alphabet: .url)
    }
}
