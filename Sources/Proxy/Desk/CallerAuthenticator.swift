// Who asks: finds the caller of a request, by its key or token or by what its connection has proved. Without `[[caller]]` and
// `[[issuer]]` tables everybody is "anonymous".

import Configuration
import Crypto
import Edge
import HTTPTypes

/// Finds the caller of a request. Usable from every event loop.
struct CallerAuthenticator: Sendable {
    private let callers: [KeyHash: Caller]
    /// By a name of the certificate, of those who have no key.
    private let holders: [String: Caller]
    /// By the uid of their processes, of those who have neither.
    private let users: [UInt32: Caller]
    /// Of the tokens of issuers; nil without `[[issuer]]` tables.
    private let judge: TokenJudge?
    /// Without `[[caller]]` and `[[issuer]]` tables nobody needs a key.
    let isOpen: Bool
    /// Whether a bearer token may be meant for upstream.
    private let passesTokens: Bool

    init(_ configured: [Config.Caller], judge: TokenJudge? = nil, passesTokens: Bool) {
        self.judge = judge
        isOpen = configured.isEmpty && judge == nil
        self.passesTokens = passesTokens
        var (callers, holders): ([KeyHash: Caller], [String: Caller]) = ([:], [:])
        var users: [UInt32: Caller] = [:]
        for caller in configured {
            switch caller.credential {
            case .key(let hash): callers[hash] = Caller(caller, via: .key)
            case .certificate(let name): holders[name] = Caller(caller, via: .certificate)
            // A name that this machine does not know was refused with the configuration, or has gone since.
            case .user(let name): UserAccount.uid(of: name).map { users[$0] = Caller(caller, via: .unix) }
            }
        }
        (self.callers, self.holders, self.users) = (callers, holders, users)
    }

    /// Who asks, by the key that came as `X-Api-Key: KEY` or `Authorization: Bearer KEY`. The first wins where both are
    /// there, so that a tool can keep sending a token of its own. A bearer that is no key and has the form of a token is
    /// judged as one of an issuer. Who sends neither is known by what its connection has proved. Throws 401, and 503 for a
    /// token that cannot be judged.
    ///
    /// Only SHA-256 hashes are looked up and compared: how long that takes says nothing about the key.
    func authenticate(_ fields: HTTPFields, _ identity: PeerIdentity?) throws(Failure) -> Authenticated {
        let given = fields[fields: .authorization]
        if isOpen { return Authenticated(caller: .anonymous, token: given.count == 1 ? given.first : nil) }
        var keys = fields[values: .apiKey].map { $0[...].trimmedSpaces }.filter { !$0.isEmpty }
        let isInOwnField = !keys.isEmpty
        if !isInOwnField { keys = given.first.flatMap { Self.bearer($0.value) }.map { [$0] } ?? [] }
        let known = keys.first.flatMap { key in keys.allSatisfy { $0 == key } ? owner(of: key) : nil }
        if known == nil, !isInOwnField, let judge, let bearer = keys.first, CompactJWT.isMeant(bearer) {
            guard given.count == 1 else { throw Failure(TokenFault.repeated) }
            let entry = try judge.judge(bearer, Self.hash(bearer))
            return Authenticated(caller: entry.caller, token: nil, standing: entry.standing)
        }
        // A token that is no key of ours is upstream's where tokens are passed on; anything else that came as a key is one.
        let hasNoKey = keys.isEmpty || passesTokens && !isInOwnField && known == nil
        if hasNoKey, let holder = holder(identity) {
            return Authenticated(caller: holder, token: given.count == 1 && !holdsKey(given) ? given.first : nil)
        }
        guard !keys.isEmpty else {
            throw Failure(
                .callerKeyMissing,
                "This proxy needs a caller key: send it as 'Authorization: Bearer KEY' or 'X-Api-Key: KEY'\(orToken).",
                target: "Authorization")
        }
        guard let known else {
            throw Failure(
                .callerKeyUnknown, "The caller key is not known to this proxy. Ask its operator for one.",
                target: "Authorization")
        }
        // A field that was looked at as a key is none of upstream's business, nor is one that holds a key all the same.
        let holdsKey = !isInOwnField || holdsKey(given)
        return Authenticated(
            caller: known, token: given.count == 1 && !holdsKey ? given.first : nil,
            keyStandsInForToken: !given.isEmpty && holdsKey)
    }

    private var orToken: String { judge == nil ? "" : ", or a token of your issuer as 'Authorization: Bearer TOKEN'" }

    /// The caller who is known by the user that its process runs as, or by the certificate: by its first name that is a
    /// caller's.
    private func holder(_ identity: PeerIdentity?) -> Caller? {
        guard let identity else { return nil }
        if let user = identity.user { return users[user] }
        return identity.certificateNames.lazy.compactMap { holders[$0] }.first
    }

    private func holdsKey(_ given: [HTTPField]) -> Bool {
        given.contains { Self.words($0.value).contains { owner(of: $0) != nil } }
    }

    private func owner(of key: String) -> Caller? { KeyHash(Self.hash(key)).flatMap { callers[$0] } }

    private static func hash(_ key: String) -> SHA256.Digest {
        var (key, hash) = (key, SHA256())
        key.withUTF8 { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
        return hash.finalize()
    }

    /// The rest of `Bearer KEY`.
    private static func bearer(_ value: String) -> String? {
        let parts = value.utf8.split(maxSplits: 1) { $0 == 0x20 || $0 == 0x09 }.map { Substring($0) }
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        let key = parts[1].trimmedSpaces
        return key.isEmpty ? nil : key
    }

    /// Whatever in an `Authorization` field could be a key, however it is written.
    private static func words(_ value: String) -> [String] {
        value.utf8.split { [0x20, 0x09, 0x22, 0x2C, 0x3A, 0x3B, 0x3D].contains($0) }.map { String(Substring($0)) }
    }
}

extension Caller {
    fileprivate init(_ caller: Config.Caller, via: Proof) {
        self.init(
            name: caller.name, allow: caller.allow, via: via, priority: caller.priority, weight: caller.weight,
            maxInFlight: caller.maxInFlight,
            bounds: CallerBounds(
                itwins: caller.itwins, operations: caller.operations, windows: caller.windows))
    }
}

/// What a request's credentials say.
struct Authenticated: Sendable {
    let caller: Caller
    /// What is left of the tool's own for upstream: `Authorization`, where that was not the key.
    let token: HTTPField?
    /// `Authorization` held a key of this proxy.
    var keyStandsInForToken = false
    /// How long that holds, where a token was judged.
    var standing: TokenStanding?
}
