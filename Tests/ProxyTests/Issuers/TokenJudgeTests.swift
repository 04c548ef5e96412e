// Who a token is, and for how long that is remembered.

import Crypto
import Ground
import TestSupport
import Testing

@testable import Configuration
@testable import Proxy

@Suite struct TokenJudgeTests {
    private static func hash(_ text: String) -> SHA256.Digest { SHA256.hash(data: Array(text.utf8)) }

    private func keys() throws -> String { TokenForge.set(try TokenForge.jwk(.es256)) }

    @Test("a token that was verified costs no other look at its signature within its life")
    func remembered() async throws {
        let rig = try IssuerRig()
        try await rig.start(try keys())
        let token = try TokenForge.token()
        let first = try rig.ask(token).get()
        var others = 0
        // Whoever verifies makes a new standing.
        for _ in 0..<200_000 where try rig.ask(token).get().standing !== first.standing { others += 1 }
        #expect(others == 0)
        rig.clock.advance(by: .seconds(659))
        #expect(try rig.ask(token).get().standing === first.standing)
        rig.clock.advance(by: .seconds(1))
        #expect(!first.standing.holds(at: TokenForge.now + 660))
        #expect(rig.word(token) == "expired", "exp and its leeway")
    }

    @Test("a decision ends with its key")
    func keyGone() async throws {
        let rig = try IssuerRig()
        try await rig.start(try keys())
        let token = try TokenForge.token(TokenForge.claims([("exp", "\(TokenForge.now + 90_000)")]))
        let entry = try rig.ask(token).get()
        rig.documents.publish(IssuerRig.keySetURL, TokenForge.set(try TokenForge.jwk(.es384, kid: "next")))
        #expect(rig.word(try TokenForge.token(alg: .es384, kid: "next")) == "wait")
        try await rig.settle()
        #expect(rig.word(try TokenForge.token(alg: .es384, kid: "next")) == "alice")
        #expect(!entry.standing.holds(at: TokenForge.now) && rig.word(token) == "keyUnknown")
    }

    @Test(
        "keys that are replaced under their name, or without one, are fetched with the first token by a new one",
        arguments: ["k", nil])
    func keyReplaced(kid: String?) async throws {
        let rig = try IssuerRig()
        try await rig.start(TokenForge.set(try TokenForge.jwk(.es256, kid: kid)))
        let old = try TokenForge.token(kid: kid)
        #expect(rig.word(old) == "alice")
        rig.documents.publish(
            IssuerRig.keySetURL, TokenForge.set(try TokenForge.jwk(.es256, kid: kid, of: TokenForge.nextP256)))
        let new = try TokenForge.token(kid: kid, by: TokenForge.nextP256)
        #expect(rig.word(old) == "alice", "nobody knows yet")
        #expect(rig.word(new) == "wait")
        try await rig.settle()
        #expect(rig.word(new) == "alice")
        for _ in 0..<100 { #expect(rig.word(old) == "signatureWrong", "what it had verified is void") }
        #expect(rig.documents.asked.count == 2)
    }

    @Test("an unknown key of an issuer that does not answer is refused at once and in words that fit, until it answers")
    func unknownWhileDown() async throws {
        let rig = try IssuerRig()
        try await rig.start(try keys())
        rig.documents.fail(IssuerRig.keySetURL)
        let strange = try TokenForge.token(kid: "strange")
        #expect(try await rig.settledWord(strange) == "unavailable")
        guard case .failure(let failure) = rig.ask(strange) else {
            Issue.record("it was let in")
            return
        }
        #expect(failure.message.contains("its key is not among those that are known"), "\(failure.message)")
        #expect(!failure.message.contains("there is no key"))
        #expect(rig.word(try TokenForge.token()) == "alice")
        rig.documents.hold()
        rig.clock.advance(by: .seconds(59))
        #expect(rig.word(strange) == "unavailable")
        rig.documents.release()
    }

    @Test("a decision ends with its issuer, and lives on over a change of its other rules")
    func withdrawn() async throws {
        let rig = try IssuerRig()
        try await rig.start(try keys())
        let token = try TokenForge.token()
        let entry = try rig.ask(token).get()
        let narrower = try rig.judgeAgain { $0.audience = ["other"] }
        #expect(entry.standing.holds(at: TokenForge.now) && rig.word(token, narrower) == "notForUs")
        #expect(rig.documents.asked.count == 1, "its keys are kept")
        #expect(rig.book.judge(for: []) == nil)
        #expect(!entry.standing.holds(at: TokenForge.now) && rig.word(token) == "issuerUnknown")
    }

    @Test("names, rights and bounds by the issuer's table")
    func rights() async throws {
        let rig = try IssuerRig { issuer in
            issuer.rightsClaim = "groups"
            issuer.rights = ["admins": [.delete], "runners": [.run]]
            issuer.weight = 3
            issuer.maxInFlight = 2
        }
        try await rig.start(try keys())
        func caller(_ changes: [(String, String?)]) throws -> Caller {
            try rig.ask(try TokenForge.token(TokenForge.claims(changes))).get().caller
        }
        let plain = try caller([])
        #expect(plain.name == "alice" && plain.allow == [.read] && plain.via == .jwt && plain.weight == 3)
        #expect(plain.maxInFlight == 2)
        #expect(plain.person?.issuer == TokenForge.issuer && plain.person?.subject == "alice")
        #expect(try caller([("email", "\"a@example.com\"")]).name == "a@example.com")
        for odd in ["\"\"", "7", "\"a\\nb\"", "\"\\u202eevil\"", "\"\(String(repeating: "n", count: 300))\""] {
            #expect(try caller([("email", odd)]).name == "alice", "\(odd.prefix(20))")
        }
        #expect(try caller([("groups", "\"admins\"")]).allow == [.read, .delete])
        #expect(try caller([("groups", "[\"admins\",\"runners\",7]")]).allow == [.read, .delete, .run])
        #expect(try caller([("groups", "\"admins runners\"")]).allow == [.read], "one value is one value")
        #expect(try caller([("groups", "{\"admins\":true}")]).allow == [.read])
        let namesake = try caller([("sub", "\"mallory\""), ("email", "\"alice\"")])
        #expect(namesake.name == plain.name && namesake.id != plain.id, "limits go by issuer and sub")
    }

    @Test("words of a scope grant one by one")
    func scopes() async throws {
        let rig = try IssuerRig { issuer in
            issuer.rightsClaim = "scope"
            issuer.rights = ["clash:write": [.write]]
        }
        try await rig.start(try keys())
        let token = try TokenForge.token(TokenForge.claims([("scope", "\"openid clash:write\"")]))
        #expect(try rig.ask(token).get().caller.allow == [.read, .write])
    }

    @Test("either list suffices: the audience, or the client")
    func clients() async throws {
        let rig = try IssuerRig { $0.clientIDs = ["app"] }
        try await rig.start(try keys())
        for (changes, word) in [
            ([("aud", nil), ("client_id", "\"app\"")], "alice"), ([("aud", nil), ("azp", "\"app\"")], "alice"),
            ([("aud", "\"other\""), ("azp", "\"app\"")], "alice"), ([("client_id", "\"x\"")], "alice"),
            ([("aud", nil), ("client_id", "\"x\""), ("azp", "\"app\"")], "notForUs"),
            ([("aud", nil), ("client_id", "[\"app\"]")], "notForUs"), ([("aud", nil)], "notForUs"),
        ] as [([(String, String?)], String)] {
            #expect(rig.word(try TokenForge.token(TokenForge.claims(changes))) == word, "\(changes)")
        }
    }

    @Test("calls wait for the first fetch alone, and are let go by its end")
    func waiting() async throws {
        let rig = try IssuerRig { $0.jwksURL = nil }
        rig.documents.hold()
        rig.book.start()
        let token = try TokenForge.token()
        guard case .failure(let failure) = rig.ask(token), let pending = failure.pending else {
            Issue.record("it was decided without keys")
            return
        }
        #expect(failure.reason == .issuerUnavailable && failure.retryAfter == .seconds(1))
        let discovery = DiscoveryDocument.url(of: TokenForge.issuer)
        rig.documents.publish(
            discovery, "{\"issuer\":\"\(TokenForge.issuer)\",\"jwks_uri\":\"\(IssuerRig.keySetURL)\"}")
        rig.documents.publish(IssuerRig.keySetURL, try keys())
        async let waited: Void = pending()
        rig.documents.release()
        await waited
        #expect(rig.word(token) == "alice" && rig.documents.asked == [discovery, IssuerRig.keySetURL])
        #expect(rig.told.isEmpty)
    }

    @Test("an issuer that is down is told once, and once when it is back")
    func news() async throws {
        let rig = try IssuerRig()
        rig.documents.fail(IssuerRig.keySetURL)
        rig.book.start()
        try await rig.settle()
        #expect(rig.word(try TokenForge.token()) == "unavailable" && rig.book.troubles.count == 1)
        for pause in [1, 2, 4] {
            let asked = rig.documents.asked.count
            try await rig.clock.waitForSleepers(1)
            rig.clock.advance(by: .seconds(pause))
            try await eventually("another try") { rig.documents.asked.count > asked }
            try await rig.settle()
        }
        #expect(rig.told == [.unreachable("is down")])
        rig.documents.publish(IssuerRig.keySetURL, try keys())
        try await rig.clock.waitForSleepers(1)
        rig.clock.advance(by: .seconds(8))
        try await eventually("it is back") { rig.told.count == 2 }
        #expect(rig.told.last == .some(nil))
        #expect(rig.word(try TokenForge.token()) == "alice")
        #expect(rig.book.troubles.isEmpty)
    }

    @Test("the memory of verified tokens is bounded, and keeps those that are used")
    func bounded() async throws {
        let memory = VerifiedTokens(limit: 100)
        let rig = try IssuerRig()
        try await rig.start(try keys())
        let entry = try rig.ask(try TokenForge.token()).get()
        let used = Self.hash("used")
        memory.remember(entry, for: used)
        for number in 0..<10_000 {
            memory.remember(entry, for: Self.hash("\(number)"))
            #expect(memory.find(used, wallSeconds: TokenForge.now) != nil)
        }
        #expect(memory.count <= 100 && memory.find(Self.hash("1"), wallSeconds: TokenForge.now) == nil)
    }
}
