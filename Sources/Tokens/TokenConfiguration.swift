// What a token source has to know about the client it acts for.

import Ground

extension TokenSource {
    /// The client and the token it wants.
    package struct Configuration: Sendable {
        /// How the client proves who it is (RFC 6749 section 2.3.1).
        package enum ClientAuth: String, Sendable {
            /// `Authorization: Basic`.
            case basic
            /// `client_id` and `client_secret` in the form.
            case post
        }

        /// What is shown to the token endpoint in exchange for a token.
        package enum Grant: Sendable {
            /// The client's own credentials (section 4.4).
            case clientCredentials
            /// A person's sign-in, kept alive by a refresh token that may change with each use (section 6).
            /// `tokenURL` is the endpoint's address: a sign-in is never shown to another one.
            case refreshToken(SignInFile, tokenURL: String)
        }

        /// Names that `extraParameters` cannot set, because grants and client authentication do.
        package static let reservedParameters: Set<String> = [
            "grant_type", "client_id", "client_secret", "scope", "refresh_token", "code", "code_verifier",
            "redirect_uri",
        ]

        /// What is shown for a token.
        package var grant: Grant
        /// The OAuth client.
        package var clientID: String
        /// The client's secret; nil for a public client, which sends only its id, in the form.
        package var clientSecret: ClientSecret?
        /// Where id and secret are put.
        package var clientAuth: ClientAuth
        /// Scopes, separated by spaces; empty sends none. A refresh asks for what was granted at the sign-in.
        package var scope: String
        /// How long before its end a token is renewed; never more than half of the token's life.
        package var refreshBefore: Duration
        /// After so long without an answer a request is given up, whatever the endpoint does.
        package var answerTimeout: Duration
        /// More form fields (`audience`, `resource`), in this order. One of a reserved name, or of a name that has come
        /// before, is not sent: no field may come twice (section 3.2).
        package var extraParameters: [(name: String, value: String)]

        /// A configuration; the defaults are those of the configuration file.
        package init(
            clientID: String,
            clientSecret: ClientSecret?,
            clientAuth: ClientAuth = .basic,
            scope: String = "itwin-platform",
            refreshBefore: Duration = .seconds(300),
            answerTimeout: Duration = .seconds(30),
            extraParameters: [(name: String, value: String)] = [],
            grant: Grant = .clientCredentials
        ) {
            self.grant = grant
            self.clientID = clientID
            self.clientSecret = clientSecret
            self.clientAuth = clientAuth
            self.scope = scope
            self.refreshBefore = refreshBefore
            self.answerTimeout = answerTimeout
            self.extraParameters = extraParameters
        }
    }
}

/// The client's secret. It is read anew for every token request, so a file that was changed is believed at the next
/// try. Never shown by printing or dumping.
package struct ClientSecret: Sendable {
    private enum Source {
        case text(String)
        case function(@Sendable () throws -> String)
    }

    private let source: Source

    /// A secret that stays as it is.
    package init(_ text: String) {
        source = .text(text)
    }

    /// A secret that is read each time it is needed, on a thread of its own: the function may block. What it throws is
    /// reported as `secretUnavailable` without its text. An empty secret counts as none.
    package init(reading read: @escaping @Sendable () throws -> String) {
        source = .function(read)
    }

    func read() async throws -> String {
        switch source {
        case .text(let text): text
        case .function(let read): try await OffThread.run { Result { try read() } }.get()
        }
    }
}

extension ClientSecret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Says that it is hidden.
    package var description: String { "(hidden)" }
    /// Says that it is hidden.
    package var debugDescription: String { "(hidden)" }
    /// Without children.
    package var customMirror: Mirror { Mirror(self, children: []) }
}
