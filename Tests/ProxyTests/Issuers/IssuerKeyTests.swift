// Keys of issuers: which are taken, and what they verify.

import Ground
import Testing
import _CryptoExtras

@testable import Proxy

@Suite struct IssuerKeyTests {
    @Test("every algorithm that is promised verifies, and only what it signed", arguments: TokenAlgorithm.allCases)
    func algorithms(alg: TokenAlgorithm) throws {
        let set = try TokenForge.keySet(try TokenForge.jwk(alg))
        let token = try CompactJWT(try TokenForge.token(alg: alg))
        let keys = try set.keys(for: try TokenHeader(token))
        let key = try #require(keys.first)
        #expect(key.verifies(token.signature, of: token.signed, alg))
        #expect(!key.verifies(token.signature, of: token.signed + [0], alg))
        var other = token.signature
        other[other.count / 2] ^= 1
        #expect(!key.verifies(other, of: token.signed, alg))
        #expect(!key.verifies([], of: token.signed, alg))
        for wrong in TokenAlgorithm.allCases where wrong != alg {
            #expect(!key.verifies(token.signature, of: token.signed, wrong), "as \(wrong)")
        }
    }

    @Test("keys that are not taken: for other uses, of other kinds, too weak, malformed")
    func skipped() throws {
        let numbers = try #require(try TokenForge.rsa?.publicKey.getKeyPrimitives())
        let (n, e) = (Array(numbers.modulus), Array(numbers.publicExponent))
        func rsa(_ n: [UInt8], _ e: [UInt8]) -> String { "{\(TokenForge.rsaMembers(n: n, e: e))}" }
        for key in [
            try TokenForge.jwk(.es256, more: ",\"use\":\"enc\""), try TokenForge.jwk(.es256, more: ",\"use\":7"),
            try TokenForge.jwk(.rs256, more: ",\"key_ops\":[\"encrypt\"]"),
            try TokenForge.jwk(.es256, more: ",\"alg\":7"), try TokenForge.jwk(.es256, kid: nil, more: ",\"kid\":7"),
            // 2047 bits, 1024 bits, and 2040 with leading zeros.
            rsa([n[0] & 0x7F] + n.dropFirst(), e), rsa(Array(n.prefix(128)), e), rsa([0, 0] + n.dropFirst(), e),
            rsa(Array(repeating: 0xFF, count: 2048), e),
            rsa(n, [1]), rsa(n, [2]), rsa(n, [0]), rsa(n, []), rsa(n, [1, 0, 0, 0, 1]),
            "{\"kty\":\"RSA\"}", "{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}", "{}", "7", "null",
            "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AA\",\"y\":\"AA\"}",
            "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"\(Base64.encodeURL(Array(repeating: 1, count: 32)))\",\"y\":\"\(Base64.encodeURL(Array(repeating: 1, count: 32)))\"}",
            "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}", "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"}",
        ] {
            #expect(throws: IssuerTrouble.noUsableKey, "\(key.prefix(120))") { try TokenForge.keySet(key) }
            #expect(try TokenForge.keySet(key, try TokenForge.jwk(.es384)).count == 1, "the others of its set count")
        }
        #expect(try TokenForge.keySet(rsa([0] + n, e)).count == 1, "a zero in front means nothing")
    }

    @Test("which key a token can be by")
    func choosing() throws {
        let set = try TokenForge.keySet(
            try TokenForge.jwk(.es256, kid: "a"), try TokenForge.jwk(.rs256, kid: "a", more: ",\"alg\":\"RS256\""),
            try TokenForge.jwk(.edDSA, kid: nil))
        #expect(try set.keys(for: TokenForge.header(.es256, kid: "a")).count == 1)
        #expect(try set.keys(for: TokenForge.header(.rs256, kid: "a")).count == 1)
        #expect(throws: TokenFault.keyUnknown, "the key is for another algorithm") {
            try set.keys(for: TokenForge.header(.ps256, kid: "a"))
        }
        #expect(throws: TokenFault.keyUnknown) { try set.keys(for: TokenForge.header(.es256, kid: "../../etc/passwd")) }
        #expect(try set.keys(for: TokenForge.header(.edDSA, kid: nil)).count == 1, "one that fits is there")
        #expect(throws: TokenFault.keyUnknown) { try set.keys(for: TokenForge.header(.es384, kid: nil)) }
        let two = try TokenForge.keySet(try TokenForge.jwk(.es256, kid: "a"), try TokenForge.jwk(.es256, kid: "b"))
        #expect(throws: TokenFault.keyUnclear) { try two.keys(for: TokenForge.header(.es256, kid: nil)) }
    }

    @Test("documents that are no key set, and one with ten thousand keys")
    func documents() throws {
        for text in ["", "<html></html>", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]", "{\"keys\":[],\"keys\":[]}"] {
            #expect(throws: IssuerTrouble.self, "\(text)") { try KeySet(document: Array(text.utf8)) }
        }
        #expect(throws: IssuerTrouble.noUsableKey) { try KeySet(document: Array("{\"keys\":[]}".utf8)) }
        let key = try TokenForge.jwk(.edDSA)
        let many = "{\"keys\":[" + Array(repeating: key, count: 10_000).joined(separator: ",") + "]}"
        #expect(throws: IssuerTrouble.keySet("has more than 1000 keys")) { try KeySet(document: Array(many.utf8)) }
    }

    @Test("a discovery document counts for its own issuer alone, and leads to https or this machine")
    func discovery() throws {
        func url(_ text: String, _ issuer: String = "https://a.example") throws -> String {
            try DiscoveryDocument.keySetURL(Array(text.utf8), issuer: issuer)
        }
        #expect(
            DiscoveryDocument.url(of: "https://a.example/t") == "https://a.example/t/.well-known/openid-configuration")
        #expect(
            try url(#"{"issuer":"https://a.example","jwks_uri":"https://b.example/k?v=1"}"#)
                == "https://b.example/k?v=1")
        #expect(
            try url(#"{"issuer":"https://a.example/","jwks_uri":"http://127.0.0.1:9/k"}"#, "https://a.example/")
                == "http://127.0.0.1:9/k")
        for text in [
            "<html>", "[]", "{}", #"{"issuer":"https://a.example/","jwks_uri":"https://a.example/k"}"#,
            #"{"issuer":"https://evil.example","jwks_uri":"https://a.example/k"}"#,
            #"{"issuer":"https://a.example"}"#, #"{"issuer":"https://a.example","jwks_uri":"http://b.example/k"}"#,
            #"{"issuer":"https://a.example","jwks_uri":"file:///etc/passwd"}"#,
            #"{"issuer":"https://a.example","jwks_uri":"https://b.example/k#f"}"#,
            #"{"issuer":"https://a.example","jwks_uri":"https://u@b.example/k"}"#,
            #"{"issuer":"https://a.example","issuer":"https://a.example","jwks_uri":"https://a.example/k"}"#,
        ] {
            #expect(throws: IssuerTrouble.self, "\(text)") { try url(text) }
        }
    }
}
