// What a token's header says (RFC 7515 section 4). What would lead to keys that its issuer did not publish (`jku`, `jwk`,
// `x5u`, `x5c`) is not even read.

import Ground

/// The algorithms that are believed (RFC 7518 section 3.1, RFC 8037): signatures with a public key, nothing else.
enum TokenAlgorithm: String, Sendable, CaseIterable {
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    case ps256 = "PS256"
    case ps384 = "PS384"
    case ps512 = "PS512"
    case es256 = "ES256"
    case es384 = "ES384"
    case es512 = "ES512"
    case edDSA = "EdDSA"

    /// For people.
    static let list = allCases.map(\.rawValue).joined(separator: ", ")
}

/// How a token says it is signed.
struct TokenHeader: Sendable, Hashable {
    /// Bytes; a longer `kid` is none.
    static let longestKeyID = 256

    let algorithm: TokenAlgorithm
    let keyID: String?

    init(_ token: CompactJWT) throws(TokenFault) {
        guard let header = JSON(token.header), case .object = header else { throw .headerUnreadable }
        guard header["enc"] == nil, header["cty"] == nil else { throw .encrypted }
        guard header["crit"] == nil else { throw .criticalExtension }
        guard let name = header["alg"]?.string else { throw .algorithmUnknown }
        if name == "none" { throw .unsigned }
        guard let algorithm = TokenAlgorithm(rawValue: name) else { throw .algorithmUnknown }
        guard !token.signature.isEmpty else { throw .unsigned }
        self.algorithm = algorithm
        if let value = header["kid"] {
            guard let id = value.string, (1...Self.longestKeyID).contains(id.utf8.count) else { throw .keyIDUnusable }
            keyID = id
        } else {
            keyID = nil
        }
    }
}
