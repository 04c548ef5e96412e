// What `[token]` means to the token source and to a sign-in: both must say the same client and the same endpoint, or the
// one would not take what the other has brought.

import Configuration
import Tokens

extension TokenSource.Configuration {
    /// The client of `[token]` and, in `refresh_token` mode, its sign-in.
    init(_ token: Config.Token) {
        self.init(
            clientID: token.clientID, clientSecret: Self.secret(token),
            clientAuth: token.clientAuth == .basic ? .basic : .post, scope: token.scope,
            refreshBefore: token.refreshBefore,
            extraParameters: token.extraParameters.map { ($0.name, $0.value) })
        if token.mode == .refreshToken, let path = token.stateFile {
            grant = .refreshToken(SignInFile(path: path), tokenURL: token.tokenURL.description)
        }
    }

    private static func secret(_ token: Config.Token) -> ClientSecret? {
        if let path = token.clientSecretFile { return ClientSecret(reading: { try TextFile.read(path) }) }
        return token.clientSecret.map { secret in secret.withValue { ClientSecret($0) } }
    }
}
