// One sign-in of a person through a browser: authorization code (RFC 6749 section 4.1) with PKCE S256 (RFC 7636) and a
// loopback redirect (RFC 8252). Pure but for `signIn`, which sends one request. Whoever has a listener or a terminal
// shows `url` and hands in what came back, until one redirect is the right one.

import Ground

/// A sign-in on its way. Good for one code; printing or dumping it shows no secret.
package struct SignInAttempt: Sendable {
    /// The code that the browser brought back. Secret, good once and for a minute or so.
    package struct Code: Sendable, Equatable {
        let value: Hidden<String>
    }

    private let configuration: TokenSource.Configuration
    private let endpoints: SignInEndpoints
    private let redirectURI: String
    private let state: Hidden<String>
    private let verifier: Hidden<String>

    /// An attempt for the client in `configuration`, which asks for its scope and for `offline_access`: without that
    /// there is no refresh token. `redirectURI` is absolute, has no query, and must be one of those that are registered
    /// for the client. `randomBytes` gives so many unpredictable bytes.
    package init(
        _ configuration: TokenSource.Configuration, at endpoints: SignInEndpoints, redirectURI: String,
        randomBytes: (Int) -> [UInt8] = { count in
            var system = SystemRandomNumberGenerator()
            return (0..<count).map { _ in UInt8.random(in: 0...255, using: &system) }
        }
    ) {
        self.configuration = configuration
        self.endpoints = endpoints
        self.redirectURI = redirectURI
        state = Hidden(Base64.encodeURL(randomBytes(16)))
        // 43 characters, as RFC 7636 section 4.1 advises.
        verifier = Hidden(Base64.encodeURL(randomBytes(32)))
    }

    /// What the browser has to open.
    package var url: String {
        let separator = endpoints.authorizeURL.contains("?") ? "&" : "?"
        return endpoints.authorizeURL + separator
            + FormEncoding.text([
                ("response_type", "code"), ("client_id", configuration.clientID), ("redirect_uri", redirectURI),
                ("scope", scope), ("state", state.value),
                ("code_challenge", Base64.encodeURL(Digest.bytes(of: verifier.value))),
                ("code_challenge_method", "S256"),
            ])
    }

    private var scope: String {
        let scopes = configuration.scope.split(separator: " ")
        return (scopes.contains("offline_access") ? scopes : scopes + ["offline_access"]).joined(separator: " ")
    }

    // MARK: What comes back

    /// The code in what came back: the target of a request to the listener (`/path?…`), or what a person has pasted: the
    /// whole address, or its query. See `SignInFailure.mayStillCome` for what to do after a failure.
    package func code(in redirect: String) throws(SignInFailure) -> Code {
        guard let fields = FormEncoding.fields(try query(of: redirect)) else {
            throw SignInFailure(reason: .malformed, message: "the address has a parameter twice or wrongly encoded")
        }
        guard fields["code"] != nil || fields["error"] != nil else {
            throw SignInFailure(reason: .malformed, message: "the address has neither a code nor an error")
        }
        // First of all: nothing else of an answer to somebody else's question is looked at.
        guard let returned = fields["state"], isState(returned) else {
            throw SignInFailure(
                reason: .wrongState, message: "the address belongs to another sign-in (its state is not ours)")
        }
        // RFC 9207: an answer of another issuer than the one that was asked.
        if let issuer = endpoints.issuer, let named = fields["iss"], named != issuer {
            throw SignInFailure(reason: .refused, message: "the answer comes from another issuer")
        }
        if let error = fields["error"] { throw refusal(error) }
        guard let code = fields["code"], !code.isEmpty, code.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw SignInFailure(reason: .malformed, message: "the code in the address is no code")
        }
        return Code(value: Hidden(code))
    }

    private func query(of redirect: String) throws(SignInFailure) -> Substring {
        // Terminals break long lines, and people put quotes around them.
        var text = redirect.filter { !$0.isWhitespace }[...]
        while let first = text.first, "<\"'".contains(first) { text.removeFirst() }
        while let last = text.last, ">\"'".contains(last) { text.removeLast() }
        let address = text.prefix { $0 != "#" }
        guard let mark = address.firstIndex(of: "?") else {
            if address.contains("state="), !address.hasPrefix("/"), !address.contains("://") { return address }
            throw notOurs
        }
        let place = address[..<mark]
        let path = redirectURI.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false).dropFirst(3)
        guard place.isEmpty || place == redirectURI || place == "/" + (path.first ?? "") else { throw notOurs }
        return address[address.index(after: mark)...]
    }

    private var notOurs: SignInFailure {
        SignInFailure(reason: .notOurs, message: "this is not the address that begins with \(redirectURI)")
    }

    /// Takes as long for a near miss as for a far one.
    private func isState(_ text: String) -> Bool {
        let left = Array(text.utf8)
        let right = Array(state.value.utf8)
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    private func refusal(_ error: String) -> SignInFailure {
        switch error {
        case "access_denied":
            SignInFailure(
                reason: .declined, message: "the sign-in was declined, by you or by the issuer (access_denied)")
        // The standard ones, of RFC 6749 section 4.1.2.1 and OpenID Connect Core section 3.1.2.6.
        case "invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope", "server_error",
            "temporarily_unavailable", "interaction_required", "login_required", "consent_required",
            "account_selection_required":
            SignInFailure(reason: .refused, message: "the issuer refused the sign-in (\(error))")
        default: SignInFailure(reason: .refused, message: "the issuer refused the sign-in")
        }
    }

    // MARK: The exchange

    /// Exchanges the code for tokens at `endpoint`, which posts to `SignInEndpoints.tokenURL`.
    package func signIn(
        with code: Code, endpoint: any TokenEndpoint, time: Time = .system
    ) async throws(SignInFailure) -> SignIn {
        let askedAt = time.wallTime().sinceEpoch
        let tokens: TokenAnswer.Tokens
        do {
            tokens = try await TokenExchange(configuration: configuration, endpoint: endpoint).tokens(for: [
                ("grant_type", "authorization_code"), ("code", code.value.value), ("redirect_uri", redirectURI),
                ("code_verifier", verifier.value),
            ])
        } catch {
            let hint =
                switch error.reason {
                case .invalidGrant: ": the code has run out or has been used; sign in again"
                case .invalidClient: ": check token.client_id and the client's secret"
                case .unauthorizedClient: ": the client may not sign people in"
                default: ""
                }
            throw SignInFailure(reason: .noToken, message: error.message + hint)
        }
        guard let refreshToken = tokens.refreshToken else {
            throw SignInFailure(
                reason: .noRefreshToken,
                message: "the issuer gave no refresh token: the client must be allowed the scope offline_access")
        }
        return SignIn(
            clientID: configuration.clientID, tokenURL: endpoints.configuredTokenURL, scope: tokens.scope ?? scope,
            refreshToken: refreshToken, obtainedAt: askedAt,
            access: SignIn.Access(value: tokens.value, expiresAt: askedAt + TokenSchedule.life(told: tokens.life)))
    }
}
