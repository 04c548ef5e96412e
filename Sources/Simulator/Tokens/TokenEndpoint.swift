// The issuer: token endpoint, authorization by instant redirect, revocation, discovery. Errors are RFC 6749
// section 5.2; an unknown client is told so with 401 after Basic and with 400 after a form, as both occur.

/// Answers requests to the issuer's paths.
struct TokenEndpoint {
    let configuration: SimulatorConfiguration
    /// The issuer's base URL.
    let issuer: String
    let now: Duration
    /// What to tell instead of the true `expires_in`, as JSON text; `.some(nil)` leaves it out.
    var expiresIn: String??
    /// The person who signs in says no.
    var declines = false

    static let paths = [
        "/connect/token", "/connect/authorize", "/connect/revocation", "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/jwks", "/simulator/token",
    ]

    /// What happened, for the counters.
    enum Event { case none, issued, reused }

    func answer(
        _ request: RecordedRequest, _ tokens: inout TokenStore, _ keys: inout KeyRing
    ) -> (Answer, Event) {
        let (path, query) = splitTarget(request.target)
        switch (request.method, path) {
        case ("POST", "/connect/token"): return token(request, &tokens)
        case ("GET", "/connect/authorize"): return (authorize(FormValues(query), &tokens), .none)
        case ("POST", "/connect/revocation"):
            if let token = FormValues(request.text)["token"] { tokens.revoke(token) }
            return (.empty(200), .none)
        case ("GET", "/.well-known/openid-configuration"): return (.json(200, discovery), .none)
        case ("GET", "/.well-known/openid-configuration/jwks"): return (.json(200, keys.document()), .none)
        case ("GET", "/simulator/token"): return (signed(FormValues(query), &keys), .none)
        case (_, let path) where TokenEndpoint.paths.contains(String(path)): return (.empty(405), .none)
        default: return (.empty(404), .none)
        }
    }

    private var discovery: JSON {
        [
            "issuer": .string(issuer), "authorization_endpoint": .string("\(issuer)/connect/authorize"),
            "token_endpoint": .string("\(issuer)/connect/token"),
            "revocation_endpoint": .string("\(issuer)/connect/revocation"),
            "jwks_uri": .string("\(issuer)/.well-known/openid-configuration/jwks"),
            "scopes_supported": ["itwin-platform", "offline_access"],
            "grant_types_supported": ["client_credentials", "authorization_code", "refresh_token"],
            "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        ]
    }

    /// A token for whoever the query names: no issuer has this, and a demo needs it.
    private func signed(_ query: FormValues, _ keys: inout KeyRing) -> Answer {
        guard let recipe = TokenRecipe(query) else {
            return error("invalid_request", "sub is missing, or another parameter is none.")
        }
        let token = keys.sign(recipe, issuer: issuer, now: now)
        return Answer(
            status: 200, headers: [HeaderField("Content-Type", "text/plain")] + TokenEndpoint.noStore,
            body: .bytes(Array((token + "\n").utf8)))
    }

    // MARK: The token endpoint

    private func token(_ request: RecordedRequest, _ tokens: inout TokenStore) -> (Answer, Event) {
        let type = request[header: "Content-Type"]?.lowercased() ?? ""
        guard type.hasPrefix("application/x-www-form-urlencoded") else {
            return (error("invalid_request", "The content type must be application/x-www-form-urlencoded."), .none)
        }
        let form = FormValues(request.text)
        if let name = form.repeatedName { return (error("invalid_request", "\(name) is repeated."), .none) }
        let presented = PresentedClient(request, form: form)
        guard let client = presented?.authenticated(among: configuration.clients) else {
            return (invalidClient(basic: request[header: "Authorization"] != nil), .none)
        }
        switch form["grant_type"] {
        case "client_credentials": return clientCredentials(client, form, &tokens)
        case "refresh_token": return refresh(client, form, &tokens)
        case "authorization_code": return code(client, form, &tokens)
        case nil: return (error("invalid_request", "grant_type is missing."), .none)
        default: return (error("unsupported_grant_type", nil), .none)
        }
    }

    private func clientCredentials(
        _ client: OAuthClient, _ form: FormValues, _ tokens: inout TokenStore
    ) -> (Answer, Event) {
        guard client.secret != nil else {
            return (error("unauthorized_client", "Invalid grant type for client."), .none)
        }
        let scopes = (form["scope"] ?? "itwin-platform").split(separator: " ").map(String.init)
        guard !scopes.isEmpty, scopes.allSatisfy({ $0 == "itwin-platform" }) else {
            return (error("invalid_scope", nil), .none)
        }
        let grant = tokens.newGrant(client: client.id, subject: client.id, scopes: scopes)
        return issue(grant, withRefresh: false, &tokens)
    }

    private func refresh(
        _ client: OAuthClient, _ form: FormValues, _ tokens: inout TokenStore
    ) -> (Answer, Event) {
        guard let token = form["refresh_token"] else {
            return (error("invalid_request", "refresh_token is missing."), .none)
        }
        switch tokens.spend(refresh: token, client: client.id) {
        case .grant(let grant): return issue(grant, withRefresh: true, &tokens)
        case .invalid: return (error("invalid_grant", nil), .none)
        case .reused: return (error("invalid_grant", "The refresh token has been used before."), .reused)
        }
    }

    private func code(
        _ client: OAuthClient, _ form: FormValues, _ tokens: inout TokenStore
    ) -> (Answer, Event) {
        guard let code = form["code"],
            let entry = tokens.spend(code: code, client: client.id, redirect: form["redirect_uri"], now: now)
        else { return (error("invalid_grant", nil), .none) }
        if let challenge = entry.challenge {
            guard let verifier = form["code_verifier"], PKCE.verify(verifier, against: challenge) else {
                return (error("invalid_grant", "The code verifier does not match."), .none)
            }
        }
        return issue(entry.grant, withRefresh: entry.grant.scopes.contains("offline_access"), &tokens)
    }

    private func issue(_ grant: Grant, withRefresh: Bool, _ tokens: inout TokenStore) -> (Answer, Event) {
        var body: JSON = ["access_token": .string(tokens.issueAccess(grant, issuer: issuer, now: now))]
        switch expiresIn {
        case nil: body = body.with("expires_in", .int(configuration.tokenLifetime.wholeSeconds))
        case .some(let told?): body = body.with("expires_in", .number(told))
        case .some(nil): break
        }
        body = body.with("token_type", "Bearer")
        if withRefresh { body = body.with("refresh_token", .string(tokens.issueRefresh(grant))) }
        body = body.with("scope", .string(grant.scopes.joined(separator: " ")))
        return (.json(200, body, headers: TokenEndpoint.noStore), .issued)
    }

    // MARK: Authorization

    /// Signs in at once: every request that is well formed is granted and sent back with a code.
    private func authorize(_ query: FormValues, _ tokens: inout TokenStore) -> Answer {
        guard let id = query["client_id"], let client = configuration.clients.first(where: { $0.id == id }),
            let redirect = query["redirect_uri"], redirect.hasPrefix("http")
        else { return error("invalid_request", "client_id or redirect_uri is not valid.") }
        let state = query["state"].map { "&state=\(percentEncoded($0))" } ?? ""
        func back(_ parameters: String) -> Answer {
            let separator = redirect.contains("?") ? "&" : "?"
            let location = HeaderField("Location", "\(redirect)\(separator)\(parameters)\(state)")
            return Answer(status: 302, headers: [location])
        }
        guard query["response_type"] == "code" else { return back("error=unsupported_response_type") }
        if declines { return back("error=access_denied") }
        let challenge = query["code_challenge"]
        guard challenge == nil || query["code_challenge_method"] == "S256", challenge != nil || client.secret != nil
        else { return back("error=invalid_request") }
        let scopes = (query["scope"] ?? "itwin-platform").split(separator: " ").map(String.init)
        guard scopes.contains("itwin-platform") else { return back("error=invalid_scope") }
        let grant = tokens.newGrant(client: id, subject: "3fa85f64-5717-4562-b3fc-2c963f66afa6", scopes: scopes)
        let code = tokens.issueCode(grant, redirect: redirect, challenge: challenge, now: now)
        return back("code=\(code)")
    }

    // MARK: Errors

    private static let noStore = [HeaderField("Cache-Control", "no-store"), HeaderField("Pragma", "no-cache")]

    private func error(_ code: String, _ description: String?) -> Answer {
        var body: JSON = ["error": .string(code)]
        if let description { body = body.with("error_description", .string(description)) }
        return .json(400, body, headers: TokenEndpoint.noStore)
    }

    private func invalidClient(basic: Bool) -> Answer {
        let body: JSON = [
            "error": "invalid_client", "error_description": "Invalid client or client credentials.",
        ]
        guard basic else { return .json(400, body, headers: TokenEndpoint.noStore) }
        let challenge = HeaderField("WWW-Authenticate", "Basic realm=\"issuer\"")
        return .json(401, body, headers: TokenEndpoint.noStore + [challenge])
    }
}

/// Path and query of a request target; an absolute-form target loses its authority.
func splitTarget(_ target: String) -> (path: Substring, query: Substring) {
    var rest = target[...]
    if let scheme = ["http://", "https://"].first(where: { rest.lowercased().hasPrefix($0) }) {
        rest = rest.dropFirst(scheme.count)
        rest = rest[(rest.firstIndex(of: "/") ?? rest.endIndex)...]
    }
    guard let mark = rest.firstIndex(of: "?") else { return (rest, "") }
    return (rest[..<mark], rest[rest.index(after: mark)...])
}
