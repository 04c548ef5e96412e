// The small vocabulary of the configuration: choices whose raw values are the words of proxy.conf,
// and the compound values (windows, link prefixes, key hashes) with the rules for their text.

import Ground
import RateLimiting

/// What a caller may do: the classes of the operation table, and `approve`.
package enum Permission: String, Sendable, Hashable, CaseIterable {
    /// Calls that change nothing.
    case read
    /// Calls that create or change settings.
    case write
    /// Calls that start or stop a detection run.
    case run
    /// Calls that destroy something.
    case delete
    /// Deciding about deletes that wait for somebody else's approval.
    case approve
}

/// `token.mode`.
package enum TokenMode: String, Sendable, CaseIterable {
    /// The proxy's own identity (RFC 6749 section 4.4).
    case clientCredentials = "client_credentials"
    /// A person's consent, kept alive by a rotating refresh token (RFC 6749 section 6).
    case refreshToken = "refresh_token"
    /// Every tool brings its own bearer token.
    case passthrough
}

/// `token.client_auth` (RFC 6749 section 2.3.1).
package enum ClientAuth: String, Sendable, CaseIterable {
    /// `Authorization: Basic`.
    case basic
    /// `client_id` and `client_secret` in the form body.
    case post
}

/// One of `token.extra_parameters`: a form field that token requests carry besides those of RFC 6749.
package struct TokenParameter: Sendable, Hashable {
    /// Of the field; never one that a grant or the client's authentication sets.
    package var name: String
    /// Of the field; may be empty.
    package var value: String

    /// From its parts, unchecked.
    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// `audit.also`: calls that are recorded although they delete nothing.
package enum AuditExtra: String, Sendable, Hashable, CaseIterable {
    /// Every start of a run.
    case run
    /// Stopping a run.
    case cancel
}

/// `log.level`, least severe first; the names of swift-log.
package enum LogLevel: String, Sendable, CaseIterable {
    /// Steps inside one request.
    case trace
    /// Facts for whoever looks for a fault.
    case debug
    /// Normal work worth a line.
    case info
    /// Unusual, but no fault.
    case notice
    /// Something an operator should look at.
    case warning
    /// A fault.
    case error
    /// The proxy cannot do its work.
    case critical
}

/// `log.format`.
package enum LogFormat: String, Sendable, CaseIterable {
    /// For people.
    case text
    /// One JSON object per line.
    case json
}

/// `caller.priority`.
package enum CallerPriority: String, Sendable, CaseIterable {
    /// Somebody waits for the answer.
    case interactive
    /// Nobody does.
    case batch
}

/// Absolute links that begin with `prefix` become paths of this proxy that begin with `replacement`.
package struct LinkPrefix: Sendable, Hashable {
    /// What the link begins with; it matches at a boundary (`/`, `?`, `#` or the end).
    package var prefix: BaseURL
    /// Empty, or a path that begins with `/` and does not end with one.
    package var replacement = ""
}

/// The SHA-256 of a caller key. Always 32 bytes.
package struct KeyHash: Sendable, Hashable {
    /// 32 bytes.
    package let bytes: [UInt8]

    /// nil unless there are exactly 32 bytes.
    package init?(_ bytes: some Sequence<UInt8>) {
        let bytes = Array(bytes)
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// nil unless `hex` is 64 hexadecimal digits of either case.
    package init?(hex: String) {
        guard let bytes = Hex.bytes(hex) else { return nil }
        self.init(bytes)
    }

    /// 64 lower-case hexadecimal digits.
    package var hex: String { Hex.text(bytes) }
}
