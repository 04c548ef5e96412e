// A sign-in through the browser, from the address that is opened to the state file: what is asked, what is believed of
// what comes back, and what the issuer would make of it.

import Crypto
import Ground
import Synchronization
import TestSupport
import Testing

@testable import Tokens

/// Keeps the forms that it is sent.
private final class RecordingEndpoint: TokenEndpoint {
    private let forms = Mutex<[[String: String]]>([])
    private let answer: TokenEndpointAnswer

    init(_ answer: TokenEndpointAnswer) { self.answer = answer }

    var form: [String: String] { forms.withLock { $0.first ?? [:] } }

    func post(_ request: TokenRequest) async throws(TokenEndpointFailure) -> TokenEndpointAnswer {
        let form = FormEncoding.fields(String(decoding: request.form, as: UTF8.self)) ?? [:]
        forms.withLock { $0.append(form) }
        return answer
    }
}

@Suite("A sign-in through the browser", .timeLimit(.minutes(8)))
struct SignInAttemptTests {
    private static let redirect = "http://127.0.0.1:3000/signin-callback"

    private static let endpoints = SignInEndpoints(
        authorizeURL: "https://ims.example/connect/authorize", tokenURL: "https://ims.example/connect/token2",
        configuredTokenURL: "https://ims.example/connect/token", issuer: "https://ims.example")

    private let attempt = SignInAttemptTests.attempt()

    private static func attempt(
        scope: String = "itwin-platform", authorizeURL: String? = nil, secret: String? = nil
    ) -> SignInAttempt {
        var next = UInt8(0)
        return SignInAttempt(
            .init(clientID: "spa/é", clientSecret: secret.map { ClientSecret($0) }, scope: scope),
            at: SignInEndpoints(
                authorizeURL: authorizeURL ?? endpoints.authorizeURL, tokenURL: endpoints.tokenURL,
                configuredTokenURL: endpoints.configuredTokenURL, issuer: endpoints.issuer),
            redirectURI: redirect,
            randomBytes: { count in
                (0..<count).map { _ in
                    next &+= 1
                    return next
                }
            })
    }

    private func query(of url: String) throws -> [String: String] {
        let mark = try #require(url.firstIndex(of: "?"))
        return try #require(FormEncoding.fields(url[url.index(after: mark)...]))
    }

    private func failure(_ redirect: String) throws -> SignInFailure {
        try #require(throws: SignInFailure.self) { try attempt.code(in: redirect) }
    }

    private var state: String { (try? query(of: attempt.url)["state"]) ?? "" }

    // MARK: Asking

    @Test("the browser is sent to the issuer with everything that PKCE and the redirect need")
    func url() throws {
        #expect(attempt.url.hasPrefix("https://ims.example/connect/authorize?"))
        let query = try query(of: attempt.url)
        #expect(query.count == 7)
        #expect(query["response_type"] == "code")
        #expect(query["client_id"] == "spa/é")
        #expect(query["redirect_uri"] == Self.redirect)
        #expect(query["scope"] == "itwin-platform offline_access")
        #expect(query["code_challenge_method"] == "S256")
        #expect(query["code_challenge"]?.count == 43)
        #expect((query["state"]?.count ?? 0) >= 22)
    }

    @Test("offline_access is asked for once, and an endpoint with a query keeps it")
    func variants() throws {
        let scoped = try query(of: Self.attempt(scope: "offline_access itwin-platform").url)
        #expect(scoped["scope"] == "offline_access itwin-platform")
        let url = Self.attempt(authorizeURL: "https://ims.example/a?tenant=1").url
        #expect(try query(of: url)["tenant"] == "1")
        #expect(try query(of: url)["response_type"] == "code")
    }

    @Test("the example of RFC 7636 appendix B")
    func appendixB() {
        let verifier: [UInt8] = [
            116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105, 214, 191,
            240, 91, 88, 5, 88, 83, 132, 141, 121,
        ]
        #expect(Base64.encodeURL(verifier) == "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        let attempt = SignInAttempt(
            .init(clientID: "c", clientSecret: nil), at: Self.endpoints, redirectURI: Self.redirect,
            randomBytes: { $0 == 32 ? verifier : [UInt8](repeating: 0, count: $0) })
        #expect(attempt.url.contains("code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&"))
    }

    @Test("no two attempts have a state or a challenge in common")
    func random() throws {
        var seen: Set<String> = []
        for _ in 0..<50 {
            let attempt = SignInAttempt(
                .init(clientID: "c", clientSecret: nil), at: Self.endpoints, redirectURI: Self.redirect)
            let query = try query(of: attempt.url)
            #expect(seen.insert(try #require(query["state"])).inserted)
            #expect(seen.insert(try #require(query["code_challenge"])).inserted)
        }
    }

    // MARK: What comes back

    @Test("the code is found in a request's target, a pasted address, a broken line, a bare query")
    func codes() throws {
        let query = "code=a%2Fb%20c&state=\(state)"
        let redirects = [
            "/signin-callback?\(query)", "\(Self.redirect)?\(query)", "  \"\(Self.redirect)?\(query)\"\r\n",
            "<\(Self.redirect)?\(query)#_=_>", "\(Self.redirect)?code=a%2Fb\n%20c&state=\(state)", query, "?\(query)",
            "\(Self.redirect)?\(query)&iss=https%3A%2F%2Fims.example&session_state=x",
        ]
        for redirect in redirects {
            #expect(try attempt.code(in: redirect) == .init(value: Hidden("a/b c")), "\(redirect)")
        }
    }

    @Test("what the browser asks for besides is not ours, and the right one may still come")
    func others() throws {
        let query = "code=x&state=\(state)"
        for redirect in [
            "", "/favicon.ico", "/", "/signin-callback", "/other?\(query)",
            "http://127.0.0.1:3001/signin-callback?\(query)",
            "https://evil.example/signin-callback?\(query)", "hello",
        ] {
            let failure = try failure(redirect)
            #expect(failure.reason == .notOurs && failure.mayStillCome, "\(redirect)")
        }
    }

    @Test("an answer without our state is not looked at further, whatever it says")
    func wrongState() throws {
        for parameters in [
            "code=x", "code=x&state=", "code=x&state=\(state)x", "code=x&state=\(String(state.dropLast()))",
            "error=access_denied", "error=access_denied&state=other",
        ] {
            let failure = try failure("/signin-callback?" + parameters)
            #expect(failure.reason == .wrongState && failure.mayStillCome)
        }
    }

    @Test("an answer that says something twice, or nothing, or no code, is malformed")
    func malformed() throws {
        for parameters in [
            "code=x&code=y&state=\(state)", "code=x&state=\(state)&state=\(state)", "code=%zz&state=\(state)",
            "state=\(state)", "code=&state=\(state)", "code=a%0D%0Ab&state=\(state)",
        ] {
            #expect(try failure("/signin-callback?" + parameters).reason == .malformed)
        }
    }

    @Test("what the issuer says is told by its standard code alone, and ends the attempt")
    func refusals() throws {
        let declined = try failure("/signin-callback?error=access_denied&state=\(state)")
        #expect(declined.reason == .declined && !declined.mayStillCome)
        let refused = try failure(
            "/signin-callback?error=invalid_scope&error_description=%3Cscript%3E&state=\(state)&code=x")
        #expect(refused.reason == .refused && refused.message.contains("invalid_scope"))
        #expect(!refused.message.contains("script"))
        let unknown = try failure("/signin-callback?error=%3Cscript%3E&state=\(state)")
        #expect(unknown.reason == .refused && !unknown.message.contains("script"))
    }

    @Test("an answer that names another issuer is refused")
    func mixUp() throws {
        let failure = try failure("/signin-callback?code=x&state=\(state)&iss=https%3A%2F%2Fevil.example")
        #expect(failure.reason == .refused)
    }

    // MARK: The exchange

    @Test("the exchange proves who began: verifier and challenge belong together, the redirect is the same")
    func exchange() async throws {
        let code = try attempt.code(in: "/signin-callback?code=abc&state=\(state)")
        let endpoint = RecordingEndpoint(
            json(
                """
                {"access_token":"A","token_type":"Bearer","expires_in":3600,"refresh_token":"R","scope":"itwin-platform"}
                """))
        let clock = TestClock()
        let signIn = try await attempt.signIn(with: code, endpoint: endpoint, time: .hand(clock))
        let form = endpoint.form
        #expect(form["grant_type"] == "authorization_code" && form["code"] == "abc")
        #expect(form["redirect_uri"] == Self.redirect)
        #expect(form["client_id"] == "spa/é", "a public client says who it is")
        let verifier = try #require(form["code_verifier"])
        #expect((43...128).contains(verifier.utf8.count))
        let hash = SHA256.hash(data: Array(verifier.utf8))
        #expect(try query(of: attempt.url)["code_challenge"] == Base64.encodeURL(Array(hash)))

        #expect(signIn.clientID == "spa/é" && signIn.tokenURL == Self.endpoints.configuredTokenURL)
        #expect(signIn.scope == "itwin-platform" && signIn.refreshToken == Hidden("R"))
        let grant = signIn.grant(insteadOf: nil, now: clock.now, wallTime: .seconds(1_800_000_000))
        #expect(grant?.value == Hidden("A") && grant?.life == .seconds(3600))
    }

    @Test("a confidential client authenticates as it does everywhere")
    func confidential() async throws {
        let attempt = Self.attempt(secret: "s")
        let state = try #require(try query(of: attempt.url)["state"])
        let code = try attempt.code(in: "code=abc&state=\(state)")
        let endpoint = RecordingEndpoint(json(#"{"access_token":"A","refresh_token":"R"}"#))
        _ = try await attempt.signIn(with: code, endpoint: endpoint)
        #expect(endpoint.form["client_id"] == nil, "but in the Authorization field")
    }

    @Test("an answer without a refresh token is no sign-in, and says what to ask for")
    func noRefreshToken() async throws {
        let code = try attempt.code(in: "code=abc&state=\(state)")
        for answer in [#"{"access_token":"A"}"#, #"{"access_token":"A","refresh_token":""}"#] {
            let endpoint = RecordingEndpoint(json(answer))
            let failure = try await #require(throws: SignInFailure.self) {
                try await attempt.signIn(with: code, endpoint: endpoint)
            }
            #expect(failure.reason == .noRefreshToken && failure.message.contains("offline_access"))
        }
    }

    @Test("a code that the endpoint refuses says what to do; what it echoes is not repeated")
    func refusedCode() async throws {
        let code = try attempt.code(in: "code=s3cret&state=\(state)")
        for (error, hint) in [("invalid_grant", "sign in again"), ("invalid_client", "token.client_id")] {
            let endpoint = RecordingEndpoint(
                json(#"{"error":"\#(error)","error_description":"s3cret"}"#, status: 400))
            let failure = try await #require(throws: SignInFailure.self) {
                try await attempt.signIn(with: code, endpoint: endpoint)
            }
            #expect(failure.reason == .noToken && failure.message.contains(hint))
            #expect(!failure.message.contains("s3cret"))
        }
    }

    @Test("what a sign-in stores, a source uses and renews")
    func wholeWay() async throws {
        let issuer = RotatingIssuer()
        let clock = TestClock()
        let disk = MemoryDisk()
        let files = MemoryFiles(disk)
        let path = RefreshRig<IssuerRoute>.path
        try await SignInFile(path: path, files: files).store(issuer.signIn(.hand(clock)), time: .hand(clock))
        let rig = RefreshRig(files, IssuerRoute(issuer, files), .hand(clock))
        let token = try await rig.source.current()
        #expect(token.headerValue == "Bearer A1" && issuer.requests == 0)
        clock.advance(by: .seconds(10))
        #expect(try await rig.source.refused(token)?.headerValue == "Bearer A2")
        await rig.source.stop()
    }

    // MARK: The page

    @Test("the page shows text as text")
    func page() {
        #expect(SignInPage.success.contains("You are signed in"))
        let page = SignInPage.failure(SignInFailure(reason: .refused, message: #"<script>alert("x")</script> & 'y'"#))
        #expect(!page.contains("<script>"))
        #expect(page.contains("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;y&#39;"))
    }
}
