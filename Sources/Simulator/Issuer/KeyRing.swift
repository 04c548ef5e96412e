// The keys of the simulator's issuer. They are made when they are first needed: an RSA key takes a while.

import Crypto
import _CryptoExtras

/// Keys that tokens are signed with, and those that were.
struct KeyRing: Sendable {
    private struct Pair: Sendable {
        let number: Int
        let rsa: _RSA.Signing.PrivateKey
        let ec: P256.Signing.PrivateKey

        init(number: Int) throws {
            self.number = number
            rsa = try _RSA.Signing.PrivateKey(keySize: .bits2048)
            ec = P256.Signing.PrivateKey()
        }

        func id(_ algorithm: SigningAlgorithm) -> String { "sim-\(algorithm == .rs256 ? "rsa" : "ec")-\(number)" }
    }

    private var current: Pair?
    private var published: [Pair] = []
    private var last = 0
    /// The key set is this text instead; for tests.
    var override: String?

    /// A new pair of keys signs from now on; those before it stay in the key set, or are gone.
    mutating func rotate(keepingOld: Bool) {
        if !keepingOld { published = [] }
        current = nil
        _ = pair()
    }

    private mutating func pair() -> Pair? {
        if let current { return current }
        guard let made = try? Pair(number: last + 1) else { return nil }
        last += 1
        current = made
        published.append(made)
        return made
    }

    /// The key set (RFC 7517 section 5).
    mutating func document() -> JSON {
        if let override { return .number(override) }
        _ = pair()
        return ["keys": .array(published.flatMap { Self.keys($0) })]
    }

    private static func keys(_ pair: Pair) -> [JSON] {
        guard let numbers = try? pair.rsa.publicKey.getKeyPrimitives() else { return [] }
        let point = Array(pair.ec.publicKey.rawRepresentation)
        return [
            [
                "kty": "RSA", "use": "sig", "alg": "RS256", "kid": .string(pair.id(.rs256)),
                "n": text(numbers.modulus), "e": text(numbers.publicExponent),
            ],
            [
                "kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256", "kid": .string(pair.id(.es256)),
                "x": text(point[..<32]), "y": text(point[32...]),
            ],
        ]
    }

    private static func text(_ bytes: some Sequence<UInt8>) -> JSON { .string(Base64.encode(bytes, alphabet: .url)) }

    /// A signed token (RFC 7515); the empty text if no key can be made.
    mutating func sign(_ recipe: TokenRecipe, issuer: String, now: Duration) -> String {
        guard let pair = pair() else { return "" }
        var header: JSON = ["alg": .string(recipe.algorithm.rawValue), "typ": "JWT"]
        let id = recipe.keyID ?? pair.id(recipe.algorithm)
        if !id.isEmpty { header = header.with("kid", .string(id)) }
        let signed = [header, recipe.payload(issuer: issuer, now: now)]
            .map { Base64.encode($0.bytes, alphabet: .url) }.joined(separator: ".")
        let signature: [UInt8]?
        switch recipe.algorithm {
        case .rs256:
            signature = (try? pair.rsa.signature(for: Array(signed.utf8), padding: .insecurePKCS1v1_5))
                .map { Array($0.rawRepresentation) }
        case .es256:
            signature = (try? pair.ec.signature(for: Array(signed.utf8))).map { Array($0.rawRepresentation) }
        }
        return signed + "." + Base64.encode(signature ?? [], alphabet: .url)
    }
}
