// Which addresses a sign-in uses: what the discovery document may say, and what it may not.

import Ground
import Testing

@testable import Tokens

@Suite("Where to sign in")
struct SignInEndpointsTests {
    private static let tokenURL = "https://ims.example/connect/token"

    private func document(
        issuer: String = "https://ims.example", authorize: String? = "https://login.example/authorize",
        token: String? = "https://ims.example/oauth/token", extra: String = ""
    ) -> [UInt8] {
        let authorize = authorize.map { #","authorization_endpoint":\#(JSONText.quoted($0))"# } ?? ""
        let token = token.map { #","token_endpoint":\#(JSONText.quoted($0))"# } ?? ""
        return Array(#"{"issuer":\#(JSONText.quoted(issuer))\#(authorize)\#(token)\#(extra)}"#.utf8)
    }

    private func choose(
        _ document: [UInt8]?, authorizeURL: String? = nil, tokenURL: String = tokenURL
    ) throws -> SignInEndpoints {
        try SignInEndpoints.choose(
            document: document, tokenURL: tokenURL, authorizeURL: authorizeURL)
    }

    @Test("the document is looked for at the token endpoint's issuer")
    func discoveryURL() {
        let path = "/.well-known/openid-configuration"
        #expect(
            SignInEndpoints.discoveryURL(tokenURL: Self.tokenURL) == "https://ims.example"
                + path)
        #expect(
            SignInEndpoints.discoveryURL(tokenURL: "HTTPS://IMS.example:443/x")
                == "https://ims.example" + path)
        #expect(
            SignInEndpoints.discoveryURL(tokenURL: "http://[::1]:81/x") == "http://[::1]:81"
                + path)
        #expect(SignInEndpoints.discoveryURL(tokenURL: "http://ims.example/x") == nil)
    }

    @Test("what the document says is used, with or without a slash behind the issuer")
    func discovered() throws {
        for issuer in ["https://ims.example", "https://ims.example/"] {
            let chosen = try choose(document(issuer: issuer, extra: #","code_challenge_methods_supported":["S256"]"#))
            #expect(chosen.authorizeURL == "https://login.example/authorize")
            #expect(chosen.tokenURL == "https://ims.example/oauth/token")
            #expect(chosen.configuredTokenURL == Self.tokenURL)
            #expect(chosen.issuer == issuer)
        }
    }

    @Test("a configured authorize_url goes before the document's, and does without one")
    func configured() throws {
        let own = "https://own.example/authorize?x=1"
        #expect(try choose(document(), authorizeURL: own).authorizeURL == own)
        for document in [nil, Array("<html>".utf8), document(issuer: "https://evil.example")] {
            let chosen = try choose(document, authorizeURL: own)
            #expect(chosen.authorizeURL == own && chosen.tokenURL == Self.tokenURL && chosen.issuer == nil)
        }
    }

    @Test("a code is never sent to another host than the configured one's, whatever the document says")
    func tokenHost() throws {
        for token in [
            nil, "https://evil.example/token", "http://ims.example/token", "https://ims.example:444/token",
            "https://ims.example@evil.example/token", "https://ims.example.evil.example/token", "token", "",
        ] {
            #expect(try choose(document(token: token)).tokenURL == Self.tokenURL)
        }
    }

    @Test("a document that cannot be believed says why and what to set")
    func refused() {
        let documents: [[UInt8]?] = [
            nil, [], Array("<html>".utf8), Array("[]".utf8), document(issuer: "https://evil.example"),
            document(issuer: "http://ims.example"), document(authorize: nil),
            document(authorize: "http://login.example/authorize"), document(authorize: "javascript:alert(1)"),
            document(authorize: "https://login.example/a#b"), document(authorize: "https://login.example/\r\nx"),
            document(extra: #","code_challenge_methods_supported":["plain"]"#),
            document(extra: #","issuer":"https://ims.example""#),
            document() + [UInt8](repeating: 0x20, count: TokenEndpointAnswer.maximumBodySize),
        ]
        for document in documents {
            let failure = #expect(throws: SignInFailure.self) { try choose(document) }
            #expect(failure?.reason == .noEndpoints)
            #expect(failure?.message.contains("token.authorize_url") == true)
        }
    }

    @Test("configured addresses are https or loopback too")
    func configuredRules() throws {
        #expect(throws: SignInFailure.self) { try choose(nil, authorizeURL: "http://own.example/authorize") }
        #expect(throws: SignInFailure.self) { try choose(nil, tokenURL: "http://ims.example/token") }
        let local = "http://127.0.0.1:9/authorize"
        #expect(try choose(nil, authorizeURL: local, tokenURL: "http://localhost/token").authorizeURL == local)
    }

    @Test(
        "what is no origin",
        arguments: [
            "", "https://", "https:///x", "https://u@h/", "https://h:0/", "https://h:99999/", "https://h:x/",
            "https://[::1/", "https://h\\@evil/", "ftp://h/", "//h/", "h", "http://127.0.0.1.evil/", "http://127.1/",
            "http://128.0.0.1/", "https://h /", "https://é/", "http://localhost.evil/",
        ])
    func origins(url: String) {
        #expect(EndpointURL.origin(of: url) == nil)
    }
}
