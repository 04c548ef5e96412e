// One conversation with the token endpoint, whatever the grant: secret, request, answer.

/// Sends the fields of a grant in the client's name and reads what comes back.
struct TokenExchange: Sendable {
    let configuration: TokenSource.Configuration
    let endpoint: any TokenEndpoint

    /// The tokens that `fields` bring.
    func tokens(for fields: [(String, String)]) async throws(FetchFailure) -> TokenAnswer.Tokens {
        let secret = try await secret()
        let request = ClientAuthentication.request(fields, for: configuration, secret: secret)
        let answer: TokenEndpointAnswer
        do {
            answer = try await endpoint.post(request)
        } catch {
            throw TokenAnswer.failure(error)
        }
        do {
            return try TokenAnswer.read(answer)
        } catch {
            guard error.reason == .invalidClient else { throw error }
            // A secret that was exchanged while the request was on its way: the next try need not wait long.
            var failure = error
            failure.isMended = (try? await self.secret()) != secret
            throw failure
        }
    }

    private func secret() async throws(FetchFailure) -> String? {
        guard let source = configuration.clientSecret else { return nil }
        do {
            return try await source.read()
        } catch {
            throw FetchFailure(reason: .secretUnavailable, message: "the client secret cannot be read")
        }
    }
}

/// How a source gets its tokens. Used by one flight at a time, except that flights which were given up may still be
/// ending.
protocol TokenFetching: Sendable {
    /// A token to use instead of `held`, the one that the source has now. Runs in a task that is cancelled when nobody
    /// wants the answer any more.
    func fetch(insteadOf held: UpstreamToken?) async -> Result<TokenGrant, FetchFailure>

    /// The last call, after every `fetch` has returned.
    func close() async
}

/// The client credentials grant (RFC 6749 section 4.4): every fetch is a request, and nothing is kept.
struct ClientCredentialsFetch: TokenFetching {
    let exchange: TokenExchange

    /// The fields of the request (section 4.4.2).
    static func fields(scope: String) -> [(String, String)] {
        [("grant_type", "client_credentials")] + (scope.isEmpty ? [] : [("scope", scope)])
    }

    func fetch(insteadOf held: UpstreamToken?) async -> Result<TokenGrant, FetchFailure> {
        do throws(FetchFailure) {
            let tokens = try await exchange.tokens(for: Self.fields(scope: exchange.configuration.scope))
            return .success(TokenGrant(value: tokens.value, life: tokens.life))
        } catch {
            return .failure(error)
        }
    }

    func close() async {}
}
