// Whose credentials go upstream: the proxy's own token, or in pass-through mode the one that the tool brings.

import Crypto
import HTTPTypes
import Tokens

/// Where the `Authorization` of calls comes from. Usable from every thread.
enum Credentials: Sendable {
    case own(TokenSource)
    /// Each tool's own token goes upstream unchanged.
    case passthrough

    var source: TokenSource? { if case .own(let source) = self { source } else { nil } }
}

/// What one call is sent with.
enum CallCredential: Sendable {
    case own(UpstreamToken)
    /// The call's fields hold what the tool brought, if it brought any.
    case tool
}

/// A tool in pass-through mode, known by its token alone. Claims in the token are not looked at: nobody has verified them.
enum PassedToken {
    /// What stands for the token where answers must not be mixed: the SHA-256 of the whole `Authorization` value in
    /// hexadecimal digits.
    static func partition(_ authorization: HTTPField) -> String {
        SHA256.hash(data: Array(authorization.value.utf8)).reduce(into: "") { text, byte in
            let digits = String(byte, radix: 16)
            text += byte < 16 ? "0" + digits : digits
        }
    }

    /// Its name in logs: `token:` and 8 digits of the hash.
    static func callerName(_ partition: String?) -> String {
        partition.map { "token:" + $0.prefix(8) } ?? "anonymous"
    }
}
