// Tokens that must not pass, each with its reason; and those that look odd and are good.

import Crypto
import Ground
import Testing
import _CryptoExtras

@testable import Proxy

@Suite struct BadTokenTests {
    private func rig() async throws -> IssuerRig {
        let rig = try IssuerRig()
        try await rig.start(
            TokenForge.set(
                try TokenForge.jwk(.es256), try TokenForge.jwk(.rs256, kid: "r"), try TokenForge.jwk(.edDSA, kid: "ed"))
        )
        return rig
    }

    @Test("headers that must not pass, correctly signed")
    func headers() async throws {
        let rig = try await rig()
        let jwk = try TokenForge.jwk(.es256)
        let cases: [(String, String)] = [
            (#"{"alg":"none"}"#, "unsigned"),
            (#"{"alg":"None","kid":"k"}"#, "algorithmUnknown"),
            (#"{"alg":"es256","kid":"k"}"#, "algorithmUnknown"),
            (#"{"alg":"HS256","kid":"k"}"#, "algorithmUnknown"),
            (#"{"alg":["ES256"],"kid":"k"}"#, "algorithmUnknown"),
            (#"{"kid":"k"}"#, "algorithmUnknown"),
            (#"{"alg":"ES256","alg":"ES256","kid":"k"}"#, "headerUnreadable"),
            (#"{"alg":"none","alg":"ES256","kid":"k"}"#, "headerUnreadable"),
            (#"["ES256"]"#, "headerUnreadable"),
            (#"{"alg":"ES256","kid":"k","crit":["exp"]}"#, "criticalExtension"),
            (#"{"alg":"ES256","kid":"k","crit":[],"b64":false}"#, "criticalExtension"),
            (#"{"alg":"ES256","kid":"k","cty":"JWT"}"#, "encrypted"),
            (#"{"alg":"RSA-OAEP","enc":"A256GCM","kid":"k"}"#, "encrypted"),
            (#"{"alg":"ES256","kid":7}"#, "keyIDUnusable"),
            (#"{"alg":"ES256","kid":""}"#, "keyIDUnusable"),
            (#"{"alg":"ES256","kid":"\#(String(repeating: "k", count: 10_240))"}"#, "keyIDUnusable"),
            // Keys that the token brings along, or says where to find, mean nothing.
            (#"{"alg":"ES256","kid":"k","jku":"https://evil.example/keys","x5u":"https://evil.example/c"}"#, "alice"),
            (#"{"alg":"ES256","kid":"k","jwk":\#(jwk),"x5c":["AAAA"]}"#, "alice"),
            // Another key than the one that signed it.
            (#"{"alg":"ES256","kid":"r"}"#, "wait"),
        ]
        for (header, word) in cases {
            #expect(rig.word(try TokenForge.token(header: header)) == word, "\(header.prefix(90))")
        }
    }

    @Test("claims that must not pass, correctly signed")
    func claims() async throws {
        let rig = try await rig()
        let now = TokenForge.now
        let cases: [([(String, String?)], String)] = [
            ([("exp", nil)], "expiryMissing"),
            ([("exp", "\"\(now + 600)\"")], "expiryMissing"),
            ([("exp", "1e308")], "expiryMissing"),
            ([("exp", "1e999")], "expiryMissing"),
            ([("exp", "-1")], "expiryMissing"),
            ([("exp", "null")], "expiryMissing"),
            ([("exp", "0")], "expired"),
            ([("exp", "\(now - 60)")], "expired"),
            ([("exp", "\(now - 59)")], "alice"),
            ([("exp", "\(now - 59).9")], "alice"),
            ([("nbf", "\(now + 61)")], "notYetValid"),
            ([("nbf", "\(now + 60)")], "alice"),
            ([("nbf", "\"\(now)\"")], "beginUnreadable"),
            ([("sub", nil)], "subjectMissing"),
            ([("sub", "\"\"")], "subjectMissing"),
            ([("sub", "7")], "subjectMissing"),
            ([("sub", "\"a\\u0000b\"")], "subjectMissing"),
            ([("sub", "\"a\\u001fb\"")], "subjectMissing"),
            ([("sub", "\"\(String(repeating: "s", count: 256))\"")], "subjectMissing"),
            ([("iss", nil)], "issuerUnknown"),
            ([("iss", "\"https://login.example.com\"")], "issuerUnknown"),
            ([("iss", "\"https://login.example.com/tenant2\"")], "issuerUnknown"),
            ([("iss", "[\"\(TokenForge.issuer)\"]")], "issuerUnknown"),
            ([("iss", "\"\(TokenForge.issuer)/\"")], "issuerUnknown"),
            ([("iss", "\"https://Login.example.com/tenant\"")], "issuerUnknown"),
            ([("iss", "\"https://login.example.com:443/tenant\"")], "issuerUnknown"),
            ([("iss", "\"\(TokenForge.issuer)//\"")], "issuerUnknown"),
            ([("aud", nil)], "notForUs"),
            ([("aud", "\"other\"")], "notForUs"),
            ([("aud", "\"clash2\"")], "notForUs"),
            ([("aud", "[\"other\",\"clash\"]")], "alice"),
            ([("aud", "[]")], "notForUs"),
            ([("aud", "7")], "audienceUnreadable"),
            ([("aud", "[\"clash\",7]")], "audienceUnreadable"),
            ([("aud", "{\"clash\":true}")], "audienceUnreadable"),
            ([("client_id", "\"clash\""), ("aud", "\"other\"")], "notForUs"),
        ]
        for (changes, word) in cases {
            #expect(rig.word(try TokenForge.token(TokenForge.claims(changes))) == word, "\(changes)")
        }
        let twice = TokenForge.claims().dropLast() + ",\"exp\":\(now + 9000)}"
        #expect(rig.word(try TokenForge.token(String(twice))) == "payloadUnreadable")
        #expect(rig.word(try TokenForge.token("[1]")) == "payloadUnreadable")
        let nested = try TokenForge.token()
        #expect(rig.word(try TokenForge.token(nested)) == "payloadUnreadable", "a token in a token")
    }

    @Test("what is no token in compact form")
    func forms() async throws {
        let rig = try await rig()
        let good = try TokenForge.token()
        let parts = good.split(separator: ".").map(String.init)
        let bobs = TokenForge.claims([("sub", "\"bob\"")])
        #expect(rig.word(good) == "alice")
        for (token, word) in [
            (parts[0] + "=." + parts[1] + "." + parts[2], "notCompact"),
            (good + "=", "notCompact"), (good + "\n", "notCompact"), (good + ".", "notCompact"),
            (parts[0] + "." + parts[1], "notCompact"), (parts[0] + ".." + parts[2], "notCompact"),
            (parts[0] + "." + parts[1] + ".", "unsigned"),
            (parts[0] + "." + parts[1] + "." + parts[2].dropLast(2), "signatureWrong"),
            (parts[0] + "." + TokenForge.base64(bobs) + "." + parts[2], "signatureWrong"),
            (good + String(repeating: "A", count: 100 << 10), "tooLong"),
            // Five parts: it is encrypted.
            ("eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d", "notCompact"),
        ] {
            #expect(try await rig.settledWord(token) == word, "\(token.prefix(60))…")
        }
        #expect(
            rig.documents.asked.count == 2, "wrong signatures make the issuer be asked once, in case its key is another"
        )
    }

    @Test("a token that is signed with the public key as a secret is none")
    func publicKeyAsSecret() async throws {
        let rig = try await rig()
        let signed = TokenForge.base64(#"{"alg":"HS256","kid":"r"}"#) + "." + TokenForge.base64(TokenForge.claims())
        let pem = try #require(TokenForge.rsa?.publicKey.pemRepresentation)
        let code = HMAC<SHA256>.authenticationCode(
            for: Array(signed.utf8), using: SymmetricKey(data: Array(pem.utf8)))
        #expect(rig.word(signed + "." + Base64.encodeURL(Array(code))) == "algorithmUnknown")
    }

    @Test("an algorithm of another key than the one that is named does not pass")
    func confusion() async throws {
        let rig = try await rig()
        for (alg, kid) in [(TokenAlgorithm.es256, "ed"), (.rs256, "k"), (.edDSA, "r")] {
            let word = rig.word(try TokenForge.token(alg: alg, kid: kid))
            #expect(word == "wait" || word == "keyUnknown", "\(alg) by \(kid): \(word)")
        }
    }

    @Test("which bearers are meant as tokens")
    func meant() {
        let meant = ["a.b.c", "a.b.", "eyJhbGciOiJub25lIn0.e30", "eyJ.a.b.c.d", "eyJh=.b.c", "my.own.jwt"]
        let keys = ["cpk_0123456789", "a.b", "a..b.c", ".b.c", "a.b.c=", "", "eyJhbGciOiJub25lIn0", "a b.c.d"]
        for bearer in meant { #expect(CompactJWT.isMeant(bearer), "\(bearer)") }
        for bearer in keys { #expect(!CompactJWT.isMeant(bearer), "\(bearer)") }
    }

    @Test("every fault has a sentence, and none repeats the token")
    func sentences() {
        #expect(Set(TokenFault.allCases.map(\.sentence)).count == TokenFault.allCases.count)
        #expect(TokenFault.allCases.allSatisfy { $0.sentence.hasSuffix(".") })
    }
}
