// What a signed token of the simulator's issuer is to say. Everything can be wrong on purpose.

/// The algorithms that the issuer signs with.
public enum SigningAlgorithm: String, Sendable, CaseIterable {
    /// RSA, PKCS #1 v1.5, 2048 bits.
    case rs256 = "RS256"
    /// ECDSA on P-256.
    case es256 = "ES256"
}

/// A token for a person or a machine, to be shown to the proxy.
public struct TokenRecipe: Sendable {
    /// `sub`.
    public var subject: String
    /// `aud`: none, one text, or a list.
    public var audience: [String]
    /// `client_id`; nil leaves it out.
    public var client: String?
    /// More claims, each with its JSON text, such as `("groups", "[\"admins\"]")`.
    public var claims: [(name: String, json: String)]
    /// How long it lives from now on; below zero: it has ended already.
    public var life: Duration
    /// What it is signed with.
    public var algorithm: SigningAlgorithm
    /// What its header names instead of the key that signed it; the empty text leaves `kid` out.
    public var keyID: String?

    /// A token that is good for an hour.
    public init(
        subject: String, audience: [String] = [], client: String? = nil, claims: [(name: String, json: String)] = [],
        life: Duration = .seconds(3600), algorithm: SigningAlgorithm = .rs256, keyID: String? = nil
    ) {
        self.subject = subject
        self.audience = audience
        self.client = client
        self.claims = claims
        self.life = life
        self.algorithm = algorithm
        self.keyID = keyID
    }
}

extension TokenRecipe {
    /// From the query of `/simulator/token`; nil for what is none.
    init?(_ query: FormValues) {
        guard let subject = query["sub"], !subject.isEmpty else { return nil }
        self.init(subject: subject, client: query["client_id"], keyID: query["kid"])
        if let audience = query["aud"] { self.audience = audience.split(separator: " ").map(String.init) }
        if let name = query["alg"] {
            guard let algorithm = SigningAlgorithm(rawValue: name) else { return nil }
            self.algorithm = algorithm
        }
        if let text = query["life"] {
            guard let seconds = Int64(text), abs(seconds) < 1 << 32 else { return nil }
            life = .seconds(seconds)
        }
        if let text = query["claims"] {
            guard case .object(let members)? = JSONParser.parse(Array(text.utf8)) else { return nil }
            claims = members.map { ($0.name, String(decoding: $0.value.bytes, as: UTF8.self)) }
        }
    }

    /// The claims as they are signed.
    func payload(issuer: String, now: Duration) -> JSON {
        var payload: JSON = ["iss": .string(issuer), "sub": .string(subject)]
        if audience.count == 1 { payload = payload.with("aud", .string(audience[0])) }
        if audience.count > 1 { payload = payload.with("aud", .array(audience.map(JSON.string))) }
        if let client { payload = payload.with("client_id", .string(client)) }
        payload = payload.with("iat", .int(now.wholeSeconds)).with("exp", .int((now + life).wholeSeconds))
        for claim in claims { payload = payload.with(claim.name, .number(claim.json)) }
        return payload
    }
}
