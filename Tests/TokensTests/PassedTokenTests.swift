// A tool's own token: what it is filed under, and that nothing it says of itself can do harm.

import Ground
import TestSupport
import Testing

@testable import Tokens

@Suite("A tool's own token")
struct PassedTokenTests {
    private func jwt(_ payload: String) -> String {
        "e30." + Base64.encodeURL(Array(payload.utf8)) + ".c2ln"
    }

    private func passed(_ token: String) throws -> PassedToken {
        try #require(PassedToken(authorization: "Bearer " + token))
    }

    @Test("it is known by its SHA-256")
    func known() throws {
        let token = try passed("abc")
        #expect(token.partition == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(token.callerName == "token:ba7816bf")
        #expect(token.gateKey == "token:" + token.partition)
        #expect(token.unverifiedClientID == nil)
    }

    @Test("the scheme's case and the spaces behind it make no difference")
    func spelling() throws {
        for field in ["Bearer abc", "bearer abc", "BEARER   abc"] {
            #expect(PassedToken(authorization: field)?.partition == (try passed("abc")).partition)
        }
    }

    @Test(
        "what is no bearer token is none",
        arguments: [
            "", "abc", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "Bearer a\r\nb", "Bearer é", " Bearer abc",
            "Bearer\tabc",
        ])
    func none(field: String) {
        #expect(PassedToken(authorization: field) == nil)
    }

    @Test("the client is read from the claims, for the gate and for labels")
    func client() throws {
        let token = try passed(jwt(#"{"scope":["itwin-platform"],"client_id":"service-a1/B_c.~:@+-","exp":1}"#))
        #expect(token.unverifiedClientID == "service-a1/B_c.~:@+-")
        #expect(token.gateKey == "client:service-a1/B_c.~:@+-")
        let other = try passed(jwt(#"{"client_id":"service-a1/B_c.~:@+-","exp":2}"#))
        #expect(other.gateKey == token.gateKey && other.partition != token.partition)
    }

    @Test("a claim that could stand for something else in a log, a metric or a key is none")
    func oddClaims() throws {
        let long = String(repeating: "x", count: 129)
        for claim in [
            #""""#, #""a b""#, #""a\nb""#, #""a\"b""#, #""é""#, #""a,b""#, "1", "null", #"["a"]"#, "\"\(long)\"",
        ] {
            #expect(try passed(jwt(#"{"client_id":\#(claim)}"#)).unverifiedClientID == nil)
        }
        #expect(try passed(jwt(#"{"client_id":"a","client_id":"b"}"#)).unverifiedClientID == nil)
    }

    @Test("no token makes a fool of the reader")
    func garbage() throws {
        var random = SeededGenerator(seed: 9)
        let whole = Array(jwt(#"{"client_id":"a","x":[1,{"y":null}]}"#).utf8)
        for _ in 0..<5000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0x21...0x7E, using: &random)
            }
            let token = try passed(String(decoding: bytes, as: UTF8.self))
            if let id = token.unverifiedClientID { #expect(id.utf8.count <= 128) }
        }
        let nested = String(repeating: #"{"a":"#, count: 10_000)
        for token in ["..", ".e30.", "a.b.c.d", jwt(nested), jwt("[]"), jwt("\"client_id\""), "a." + "====" + ".b"] {
            #expect(try passed(token).unverifiedClientID == nil)
        }
    }

    @Test("printing it shows the caller's name alone")
    func printing() throws {
        let token = try passed("very.secret.token")
        var dumped = ""
        dump(token, to: &dumped)
        for text in ["\(token)", String(reflecting: token), dumped, "\([token])"] {
            #expect(!text.contains("secret"))
        }
    }
}
