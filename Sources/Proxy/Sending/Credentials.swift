// Whose credentials go upstream: the proxy's own token, or in pass-through mode the one that the tool brings.

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
