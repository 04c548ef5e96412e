// What a token source has to know about the client it acts for.

extension TokenSource {
    /// The client and the token it wants.
    public struct Configuration: Sendable {
        /// How the client proves who it is (RFC 6749 section 2.3.1).
        public enum ClientAuth: String, Sendable {
            /// `Authorization: Basic`.
            case basic
            /// `client_id` and `client_secret` in the form.
            case post
        }

        /// The OAuth client.
        public var clientID: String
        /// The client's secret; nil for a public client, which sends only its id, in the form.
        public var clientSecret: ClientSecret?
        /// Where id and secret are put.
        public var clientAuth: ClientAuth
        /// Scopes, separated by spaces; empty sends none.
        public var scope: String
        /// How long before its end a token is renewed; never more than half of the token's life.
        public var refreshBefore: Duration
        /// After so long without an answer a request is given up, whatever the endpoint does.
        public var answerTimeout: Duration
        /// More form fields (`audience`, `resource`). They must not repeat a field that the grant itself sends.
        public var extraParameters: [(name: String, value: String)]

        /// A configuration; the defaults are those of the configuration file.
        public init(
            clientID: String,
            clientSecret: ClientSecret?,
            clientAuth: ClientAuth = .basic,
            scope: String = "itwin-platform",
            refreshBefore: Duration = .seconds(300),
            answerTimeout: Duration = .seconds(30),
            extraParameters: [(name: String, value: String)] = []
        ) {
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
public struct ClientSecret: Sendable {
    let read: @Sendable () throws -> String

    /// A secret that stays as it is.
    public init(_ text: String) {
        read = { text }
    }

    /// A secret that is read each time it is needed; the function may block briefly, as for a small file. What it
    /// throws is reported as `secretUnavailable` without its text. An empty secret counts as none.
    public init(reading read: @escaping @Sendable () throws -> String) {
        self.read = read
    }
}

extension ClientSecret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Says that it is hidden.
    public var description: String { "(hidden)" }
    /// Says that it is hidden.
    public var debugDescription: String { "(hidden)" }
    /// Without children.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
