// Where to sign in: what the issuer's discovery document says (OpenID Connect Discovery 1.0 section 4), or what is
// configured. The document decides about addresses that a browser and a secret are sent to, so it is believed only for
// its own issuer, over https or loopback, and never for a token endpoint on another host than the configured one.

import Ground

/// The addresses of one sign-in.
package struct SignInEndpoints: Sendable, Equatable {
    /// Where the browser goes.
    package let authorizeURL: String
    /// Where the code is exchanged for tokens.
    package let tokenURL: String
    /// The token endpoint as configured, to which the sign-in will belong.
    package let configuredTokenURL: String
    /// As the discovery document names itself; nil without one.
    package let issuer: String?

    /// Where the issuer of a token endpoint has its discovery document; nil if the URL is not one of https or of http
    /// on this machine.
    package static func discoveryURL(tokenURL: String) -> String? {
        EndpointURL.origin(of: tokenURL).map { $0.url + "/.well-known/openid-configuration" }
    }

    /// The endpoints to use. `document` is what `discoveryURL` answered with 200, nil if it did not; `authorizeURL` is
    /// what is configured, which goes before the document. Fails with `noEndpoints`.
    package static func choose(
        document: [UInt8]?, tokenURL: String, authorizeURL: String?
    ) throws(SignInFailure) -> SignInEndpoints {
        guard let origin = EndpointURL.origin(of: tokenURL) else {
            throw noEndpoints("token.token_url is no https URL")
        }
        if let authorizeURL, EndpointURL.origin(of: authorizeURL) == nil {
            throw noEndpoints("token.authorize_url is no https URL")
        }
        let discovered: Discovered
        do throws(SignInFailure) {
            discovered = try Discovered(document, origin: origin)
        } catch {
            guard let authorizeURL else {
                throw noEndpoints(error.message + ": set token.authorize_url")
            }
            return SignInEndpoints(
                authorizeURL: authorizeURL, tokenURL: tokenURL, configuredTokenURL: tokenURL, issuer: nil)
        }
        return SignInEndpoints(
            authorizeURL: authorizeURL ?? discovered.authorizeURL, tokenURL: discovered.tokenURL ?? tokenURL,
            configuredTokenURL: tokenURL, issuer: discovered.issuer)
    }

    fileprivate static func noEndpoints(_ message: String) -> SignInFailure {
        SignInFailure(reason: .noEndpoints, message: message)
    }
}

/// What a discovery document says.
private struct Discovered {
    let issuer: String
    let authorizeURL: String
    /// Nil where it says none, or one that is not on the issuer's host.
    let tokenURL: String?

    init(_ document: [UInt8]?, origin: Origin) throws(SignInFailure) {
        guard let document else { throw Self.bad("could not be fetched") }
        guard document.count <= TokenEndpointAnswer.maximumBodySize, let json = JSON(document) else {
            throw Self.bad("is no JSON object")
        }
        guard let issuer = json["issuer"]?.string, issuer == origin.url || issuer == origin.url + "/" else {
            throw Self.bad("is one of another issuer")
        }
        guard let authorizeURL = json["authorization_endpoint"]?.string,
            EndpointURL.origin(of: authorizeURL) != nil
        else { throw Self.bad("names no authorization endpoint with https") }
        // Where the member is missing the issuer has not said; the real one takes no other method.
        if let methods = json["code_challenge_methods_supported"]?.array, !methods.contains(.string("S256")) {
            throw Self.bad("says that PKCE with S256 is not supported")
        }
        self.issuer = issuer
        self.authorizeURL = authorizeURL
        tokenURL = json["token_endpoint"]?.string.flatMap {
            EndpointURL.origin(of: $0) == origin ? $0 : nil
        }
    }

    private static func bad(_ what: String) -> SignInFailure {
        SignInEndpoints.noEndpoints("the issuer's discovery document " + what)
    }
}
