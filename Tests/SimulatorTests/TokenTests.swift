// The issuer: grants, client authentication, rotation, expiry, and what the API makes of the tokens.

import Foundation
import Simulator
import Testing

@Suite("Tokens", .timeLimit(.minutes(8)))
struct TokenTests {
    private let form = "grant_type=client_credentials&scope=itwin-platform"

    private func basic(_ id: String, _ secret: String) -> [String: String] {
        ["Authorization": "Basic \(Data("\(id):\(secret)".utf8).base64EncodedString())"]
    }

    @Test("client credentials work by Basic and by form, and the token opens the API")
    func clientCredentials() async throws {
        try await withSimulator { rig async throws in
            for response in [
                try await rig.token(form, basic("demo", "demo-secret")),
                try await rig.token(form + "&client_id=demo&client_secret=demo-secret"),
            ] {
                #expect(response.status == 200)
                #expect(response.json["token_type"] as? String == "Bearer")
                #expect(response.json["expires_in"] as? Int == 3600)
                #expect(response.json["refresh_token"] == nil)
                #expect(response.header("Cache-Control") == "no-store")
                let token = try #require(response.json["access_token"] as? String)
                let list = try await rig.get("\(rig.base)/reports", ["Authorization": "Bearer \(token)"])
                #expect(list.status == 200)
            }
            #expect(rig.simulator.counters.tokensIssued == 2)
        }
    }

    @Test("a secret with +, /, = and % must be encoded right in both ways")
    func encodedSecret() async throws {
        let secret = "a+b/c=%41 d:e"
        try await withSimulator {
            $0.clients = [OAuthClient(id: "svc-1", secret: secret)]
        } _: { rig async throws in
            let encoded = "a%2Bb%2Fc%3D%2541%20d%3Ae"
            #expect(try await rig.token(form, basic("svc-1", encoded)).status == 200)
            #expect(try await rig.token(form, basic("svc-1", secret)).status == 401)
            #expect(try await rig.token(form + "&client_id=svc-1&client_secret=\(encoded)").status == 200)
            #expect(try await rig.token(form + "&client_id=svc-1&client_secret=a+b/c=%41 d:e").status == 400)
        }
    }

    @Test("wrong or missing credentials are invalid_client, 401 after Basic and 400 after a form")
    func invalidClient() async throws {
        try await withSimulator { rig async throws in
            let byBasic = try await rig.token(form, basic("demo", "wrong"))
            #expect(byBasic.status == 401)
            #expect(byBasic.json["error"] as? String == "invalid_client")
            #expect(byBasic.header("WWW-Authenticate") != nil)
            for tail in [
                "&client_id=demo&client_secret=wrong", "&client_id=nobody&client_secret=x", "&client_id=demo", "",
            ] {
                let byForm = try await rig.token(form + tail)
                #expect(byForm.status == 400)
                #expect(byForm.json["error"] as? String == "invalid_client")
            }
        }
    }

    @Test(
        "malformed token requests have their error codes",
        arguments: [
            ("", "invalid_request"), ("grant_type=password", "unsupported_grant_type"),
            ("grant_type=client_credentials&scope=email", "invalid_scope"),
            ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
            ("grant_type=refresh_token", "invalid_request"),
            ("grant_type=refresh_token&refresh_token=nothing", "invalid_grant"),
            ("grant_type=authorization_code&code=nothing", "invalid_grant"),
        ])
    func malformed(form: String, code: String) async throws {
        try await withSimulator { rig async throws in
            let response = try await rig.token(form, basic("demo", "demo-secret"))
            #expect(response.status == 400)
            #expect(response.json["error"] as? String == code)
        }
    }

    @Test("an access token looks like a JWT with the issuer's claims and stops working when it ends")
    func expiry() async throws {
        try await withSimulator {
            $0.tokenLifetime = .seconds(60)
        } _: { rig async throws in
            let response = try await rig.token(form, basic("demo", "demo-secret"))
            #expect(response.json["expires_in"] as? Int == 60)
            let token = try #require(response.json["access_token"] as? String)
            let parts = token.split(separator: ".")
            #expect(parts.count == 3)
            var middle = parts[1].replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
            while middle.count % 4 != 0 { middle += "=" }
            let data = try #require(Data(base64Encoded: middle))
            let claims = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            #expect(claims["client_id"] as? String == "demo")
            #expect(claims["scope"] as? [String] == ["itwin-platform"])
            #expect(claims["exp"] as? Int64 == rig.clock.now.components.seconds + 60)

            let header = ["Authorization": "Bearer \(token)"]
            rig.clock.advance(by: .seconds(59))
            #expect(try await rig.get("\(rig.base)/reports", header).status == 200)
            rig.clock.advance(by: .seconds(1))
            let late = try await rig.get("\(rig.base)/reports", header)
            #expect(late.status == 401)
            #expect(late.json["message"] as? String == "Invalid JWT.")
        }
    }

    @Test("no header, no bearer, no token of ours and a revoked token are 401")
    func unauthorized() async throws {
        try await withSimulator { rig async throws in
            let connection = try await rig.connect()
            try await connection.send("GET \(rig.base)/reports HTTP/1.1\r\nHost: x\r\n\r\n")
            let missing = await connection.response()
            #expect(missing?.status == 401)
            #expect(missing?.errorCode == "HeaderNotFound")
            for value in ["Basic abc", "Bearer", "Bearer nonsense", rig.token] {
                #expect(try await rig.get("\(rig.base)/reports", ["Authorization": value]).status == 401)
            }
            rig.simulator.revokeTokens()
            #expect(try await rig.get("\(rig.base)/reports").status == 401)
            #expect(rig.simulator.counters.unauthorized == 6)
            #expect(rig.simulator.counters.executed == 0)
        }
    }

    @Test("refresh tokens rotate, and a used one revokes the whole family")
    func rotation() async throws {
        try await withSimulator { rig async throws in
            let first = rig.simulator.issueRefreshToken()
            func refresh(_ token: String) async throws -> RawResponse {
                try await rig.token("grant_type=refresh_token&refresh_token=\(token)", basic("demo", "demo-secret"))
            }
            let response = try await refresh(first)
            let second = try #require(response.json["refresh_token"] as? String)
            let access = try #require(response.json["access_token"] as? String)
            #expect(second != first)
            let header = ["Authorization": "Bearer \(access)"]
            #expect(try await rig.get("\(rig.base)/reports", header).status == 200)

            #expect(try await refresh(first).json["error"] as? String == "invalid_grant")
            #expect(rig.simulator.counters.refreshReuses == 1)
            #expect(try await refresh(second).json["error"] as? String == "invalid_grant")
            #expect(try await rig.get("\(rig.base)/reports", header).status == 401)
            // Tokens of other families live on.
            #expect(try await rig.get("\(rig.base)/reports").status == 200)
        }
    }

    @Test("a refresh token is good only for the client that it was given to")
    func foreignRefresh() async throws {
        try await withSimulator { rig async throws in
            let token = rig.simulator.issueRefreshToken(client: "demo-browser")
            let form = "grant_type=refresh_token&refresh_token=\(token)"
            #expect(try await rig.token(form, basic("demo", "demo-secret")).status == 400)
            #expect(try await rig.token(form + "&client_id=demo-browser").status == 200)
        }
    }

    @Test("a browser sign-in with PKCE brings an access token and a refresh token, once")
    func authorizationCode() async throws {
        try await withSimulator { rig async throws in
            let redirect = "http://127.0.0.1:9999/callback"
            let query =
                "response_type=code&client_id=demo-browser&redirect_uri=http%3A%2F%2F127.0.0.1%3A9999%2Fcallback"
                + "&scope=itwin-platform%20offline_access&state=s%26t&code_challenge_method=S256"
                + "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
            let location = try await authorize(rig, query)
            #expect(location.hasPrefix("\(redirect)?code="))
            #expect(location.hasSuffix("&state=s%26t"))
            let code = location.dropFirst("\(redirect)?code=".count).prefix { $0 != "&" }
            let form =
                "grant_type=authorization_code&client_id=demo-browser&code=\(code)"
                + "&redirect_uri=http%3A%2F%2F127.0.0.1%3A9999%2Fcallback&code_verifier="
            let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
            let tokens = try await rig.token(form + verifier)
            #expect(tokens.status == 200)
            #expect(tokens.json["refresh_token"] is String)
            #expect(try await rig.token(form + verifier).json["error"] as? String == "invalid_grant")
            let token = try #require(tokens.json["access_token"] as? String)
            // The second use of the code has revoked what the first had brought.
            #expect(try await rig.get("\(rig.base)/reports", ["Authorization": "Bearer \(token)"]).status == 401)
        }
    }

    @Test("a wrong verifier, a late code, and authorization without S256 are refused")
    func badAuthorization() async throws {
        try await withSimulator { rig async throws in
            let common = "response_type=code&client_id=demo-browser&redirect_uri=http://127.0.0.1:1/"
            #expect(try await authorize(rig, common).contains("error=invalid_request"))
            #expect(try await authorize(rig, common + "&code_challenge=x").contains("error=invalid_request"))
            let challenge = "&code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
            func spend(_ verifier: String, after wait: Duration) async throws -> Int {
                let location = try await authorize(rig, common + challenge)
                let code = location.split(separator: "code=")[1].prefix { $0 != "&" }
                rig.clock.advance(by: wait)
                return try await rig.token(
                    "grant_type=authorization_code&client_id=demo-browser&redirect_uri=http://127.0.0.1:1/"
                        + "&code=\(code)&code_verifier=\(verifier)"
                ).status
            }
            #expect(try await spend(String(repeating: "x", count: 43), after: .zero) == 400)
            let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
            #expect(try await spend(verifier, after: .seconds(61)) == 400)
            #expect(try await spend(verifier, after: .seconds(59)) == 200)
        }
    }

    @Test("a person can decline, and whether a refresh token is still good can be asked without spending it")
    func declined() async throws {
        try await withSimulator { rig async throws in
            rig.simulator.inject(try #require(Fault(named: "sign-in-declined")))
            let query =
                "response_type=code&client_id=demo&redirect_uri=http://127.0.0.1:1/x&scope=itwin-platform&state=s"
            #expect(try await authorize(rig, query) == "http://127.0.0.1:1/x?error=access_denied&state=s")
            #expect(try await authorize(rig, query).hasPrefix("http://127.0.0.1:1/x?code="))
            let token = rig.simulator.issueRefreshToken(client: "demo-browser")
            #expect(rig.simulator.accepts(refreshToken: token) && rig.simulator.accepts(refreshToken: token))
            let form = "grant_type=refresh_token&client_id=demo-browser&refresh_token=\(token)"
            #expect(try await rig.token(form).status == 200)
            #expect(!rig.simulator.accepts(refreshToken: token) && !rig.simulator.accepts(refreshToken: "x"))
        }
    }

    @Test("discovery names the endpoints of this issuer")
    func discovery() async throws {
        try await withSimulator { rig async throws in
            let connection = try await RawConnection.open(port: rig.addresses.tokenPort)
            try await connection.send("GET /.well-known/openid-configuration HTTP/1.1\r\nHost: x\r\n\r\n")
            let document = await connection.response()
            #expect(document?.json["issuer"] as? String == rig.addresses.issuerURL)
            #expect(document?.json["token_endpoint"] as? String == rig.addresses.tokenURL)
        }
    }

    @Test("the two listeners know only their own paths, and one listener can serve both")
    func listeners() async throws {
        try await withSimulator { rig async throws in
            #expect(try await rig.call("POST", "/connect/token").status == 404)
            let onToken = try await RawConnection.open(port: rig.addresses.tokenPort)
            try await onToken.send(rig.request("GET", "\(rig.base)/reports"))
            let refused = await onToken.response()
            #expect(refused?.status == 404)
        }
        try await withSimulator {
            $0.tokenPort = nil
        } _: { rig async throws in
            #expect(rig.addresses.apiPort == rig.addresses.tokenPort)
            #expect(try await rig.token(form, basic("demo", "demo-secret")).status == 200)
            #expect(try await rig.get("\(rig.base)/reports").status == 200)
        }
    }

    @Test(
        "expires_in can be missing, a string, zero, tiny or huge",
        arguments: [
            ("token-expiry-missing", nil), ("token-expiry-string", "\"3600\""), ("token-expiry-zero", "0"),
            ("token-expiry-tiny", "1"), ("token-expiry-huge", "99999999999"),
        ] as [(String, String?)])
    func oddExpiry(name: String, told: String?) async throws {
        try await withSimulator { rig async throws in
            rig.simulator.inject(try #require(Fault(named: name)), where: .token)
            let odd = try await rig.token(form, basic("demo", "demo-secret"))
            #expect(odd.status == 200)
            if let told {
                #expect(odd.text.contains("\"expires_in\":\(told),"))
            } else {
                #expect(!odd.text.contains("expires_in"))
            }
            #expect(try await rig.token(form, basic("demo", "demo-secret")).text.contains("\"expires_in\":3600"))
        }
    }

    @Test("an error can echo the secret, and an empty 200 can stand for a token")
    func nastyErrors() async throws {
        try await withSimulator { rig async throws in
            rig.simulator.inject(.tokenErrorEchoingSecret, where: .token)
            #expect(try await rig.token(form, basic("demo", "demo-secret")).text.contains("demo-secret"))
            rig.simulator.inject(try #require(Fault(named: "empty-200")), where: .token)
            let empty = try await rig.token(form, basic("demo", "demo-secret"))
            #expect(empty.status == 200)
            #expect(empty.body.isEmpty)
            #expect(rig.simulator.counters.tokensIssued == 0)
        }
    }

    private func authorize(_ rig: Rig, _ query: String) async throws -> String {
        let connection = try await RawConnection.open(port: rig.addresses.tokenPort)
        try await connection.send("GET /connect/authorize?\(query) HTTP/1.1\r\nHost: x\r\n\r\n")
        let response = await connection.response()
        #expect(response?.status == 302)
        return response?.header("Location") ?? ""
    }
}
