// One public key of an issuer (RFC 7517, RFC 7518 section 6, RFC 8037 section 2), and whether a signature is by it.
//
// swift-crypto's own verification, not jwt-kit's: the desk decides on the event loop, and jwt-kit's key collection is an
// actor, whose every answer is a suspension. It also picks a key by what it holds, not by the exact rules for `use`, sizes
// and missing key ids that are promised here.

import Crypto
import Ground
import _CryptoExtras

/// A key that verifies signatures. Immutable.
struct IssuerKey: Sendable {
    private enum Material: Sendable {
        case rsa(_RSA.Signing.PublicKey)
        case p256(P256.Signing.PublicKey)
        case p384(P384.Signing.PublicKey)
        case p521(P521.Signing.PublicKey)
        case ed25519(Curve25519.Signing.PublicKey)
    }

    /// Its `kid`.
    let id: String?
    /// The one algorithm that it is for; nil: every one that it can be used with.
    private let algorithm: String?
    private let material: Material
    /// Tells keys apart that have the same name.
    private let bytes: [UInt8]

    private static let smallestModulus = 2048
    /// Bits; checking a signature takes longer the larger it is.
    private static let largestModulus = 8192

    /// Nil for what is no key that signatures are verified with here: of other kinds, for another use, too weak, malformed.
    init?(_ jwk: JSON) {
        guard Self.isForSignatures(jwk), let made = Self.material(jwk) else { return nil }
        if let value = jwk["kid"] {
            guard let id = value.string, (1...TokenHeader.longestKeyID).contains(id.utf8.count) else { return nil }
            self.id = id
        } else {
            id = nil
        }
        if let value = jwk["alg"] {
            guard let name = value.string else { return nil }
            algorithm = name == "Ed25519" ? TokenAlgorithm.edDSA.rawValue : name
        } else {
            algorithm = nil
        }
        (material, bytes) = made
    }

    private static func isForSignatures(_ jwk: JSON) -> Bool {
        if let use = jwk["use"], use.string != "sig" { return false }
        if let operations = jwk["key_ops"], operations.array?.contains(.string("verify")) != true { return false }
        return true
    }

    private static func material(_ jwk: JSON) -> (Material, [UInt8])? {
        switch (jwk["kty"]?.string, jwk["crv"]?.string) {
        case ("RSA", _): return rsa(jwk)
        case ("EC", "P-256"?):
            return point(jwk, 32) { bytes in (try? P256.Signing.PublicKey(x963Representation: bytes)).map(Material.p256)
            }
        case ("EC", "P-384"?):
            return point(jwk, 48) { bytes in (try? P384.Signing.PublicKey(x963Representation: bytes)).map(Material.p384)
            }
        case ("EC", "P-521"?):
            return point(jwk, 66) { bytes in (try? P521.Signing.PublicKey(x963Representation: bytes)).map(Material.p521)
            }
        case ("OKP", "Ed25519"?):
            guard let x = number(jwk, "x"), x.count == 32,
                let key = try? Curve25519.Signing.PublicKey(rawRepresentation: x)
            else { return nil }
            return (.ed25519(key), x)
        default: return nil
        }
    }

    private static func rsa(_ jwk: JSON) -> (Material, [UInt8])? {
        guard let n = number(jwk, "n").map(withoutZeros), let e = number(jwk, "e").map(withoutZeros),
            let first = n.first, let last = e.last
        else { return nil }
        let bits = n.count * 8 - first.leadingZeroBitCount
        // An even exponent, or 1, is none (RFC 8017 section 3.1); more than 4 bytes nobody has and libraries refuse.
        guard (smallestModulus...largestModulus).contains(bits), e.count <= 4, last & 1 == 1, e != [1],
            let key = try? _RSA.Signing.PublicKey(n: n, e: e)
        else { return nil }
        return (.rsa(key), n + e)
    }

    private static func point(
        _ jwk: JSON, _ size: Int, _ key: ([UInt8]) -> Material?
    ) -> (Material, [UInt8])? {
        guard let x = number(jwk, "x"), let y = number(jwk, "y"), x.count == size, y.count == size else { return nil }
        let bytes = [4] + x + y
        return key(bytes).map { ($0, bytes) }
    }

    private static func number(_ jwk: JSON, _ name: String) -> [UInt8]? {
        jwk[name]?.string.flatMap { Base64.decodeURL($0.utf8) }
    }

    private static func withoutZeros(_ number: [UInt8]) -> [UInt8] { Array(number.drop { $0 == 0 }) }

    /// Whether a token with this `alg` can be by it.
    func fits(_ algorithm: TokenAlgorithm) -> Bool {
        if let own = self.algorithm, own != algorithm.rawValue { return false }
        switch (material, algorithm) {
        case (.rsa, .rs256), (.rsa, .rs384), (.rsa, .rs512), (.rsa, .ps256), (.rsa, .ps384), (.rsa, .ps512): return true
        case (.p256, .es256), (.p384, .es384), (.p521, .es512), (.ed25519, .edDSA): return true
        default: return false
        }
    }

    /// Whether this is its signature of `bytes`. Some 50 µs, up to a millisecond for the largest keys.
    func verifies(_ signature: [UInt8], of bytes: [UInt8], _ algorithm: TokenAlgorithm) -> Bool {
        guard fits(algorithm) else { return false }
        switch material {
        case .rsa(let key): return Self.verifies(key, signature, of: bytes, algorithm)
        case .p256(let key):
            return (try? P256.Signing.ECDSASignature(rawRepresentation: signature))
                .map { key.isValidSignature($0, for: SHA256.hash(data: bytes)) } ?? false
        case .p384(let key):
            return (try? P384.Signing.ECDSASignature(rawRepresentation: signature))
                .map { key.isValidSignature($0, for: SHA384.hash(data: bytes)) } ?? false
        case .p521(let key):
            return (try? P521.Signing.ECDSASignature(rawRepresentation: signature))
                .map { key.isValidSignature($0, for: SHA512.hash(data: bytes)) } ?? false
        case .ed25519(let key): return key.isValidSignature(signature, for: bytes)
        }
    }

    private static func verifies(
        _ key: _RSA.Signing.PublicKey, _ signature: [UInt8], of bytes: [UInt8], _ algorithm: TokenAlgorithm
    ) -> Bool {
        let signature = _RSA.Signing.RSASignature(rawRepresentation: signature)
        switch algorithm {
        case .rs256:
            return key.isValidSignature(signature, for: SHA256.hash(data: bytes), padding: .insecurePKCS1v1_5)
        case .rs384:
            return key.isValidSignature(signature, for: SHA384.hash(data: bytes), padding: .insecurePKCS1v1_5)
        case .rs512:
            return key.isValidSignature(signature, for: SHA512.hash(data: bytes), padding: .insecurePKCS1v1_5)
        case .ps256: return key.isValidSignature(signature, for: SHA256.hash(data: bytes), padding: .PSS)
        case .ps384: return key.isValidSignature(signature, for: SHA384.hash(data: bytes), padding: .PSS)
        case .ps512: return key.isValidSignature(signature, for: SHA512.hash(data: bytes), padding: .PSS)
        case .es256, .es384, .es512, .edDSA: return false
        }
    }
}

extension IssuerKey: Equatable {
    static func == (left: IssuerKey, right: IssuerKey) -> Bool {
        left.id == right.id && left.algorithm == right.algorithm && left.bytes == right.bytes
    }
}
