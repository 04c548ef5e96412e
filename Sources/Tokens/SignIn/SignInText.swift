// The bytes of the state file. Strict in reading: a file that is torn, of another version or of something else is not
// guessed at.

import Ground

/// What stands in a state file.
struct SignInText: Sendable, Equatable {
    private static let version = 1.0

    let signIn: SignIn
    /// Fingerprint of the refresh token that this one was given for; nil for the first. A file whose writer was killed
    /// before it could be moved to its place is known by it as the successor of the one that stands there.
    let replaces: String?

    init(_ signIn: SignIn, replaces: String?) {
        self.signIn = signIn
        self.replaces = replaces
    }

    /// The file's content, or nil if it is not the whole of one.
    init?(_ bytes: [UInt8]) {
        guard let json = JSON(bytes), json["version"]?.number == Self.version,
            let clientID = json["client_id"]?.string, let tokenURL = json["token_url"]?.string,
            let refreshToken = json["refresh_token"]?.string, !refreshToken.isEmpty,
            refreshToken.utf8.allSatisfy({ (0x20...0x7E).contains($0) }),
            let obtainedAt = Self.time(json["obtained_at"])
        else { return nil }
        signIn = SignIn(
            clientID: clientID, tokenURL: tokenURL, scope: json["scope"]?.string ?? "",
            refreshToken: Hidden(refreshToken), obtainedAt: obtainedAt, access: Self.access(json))
        replaces = json["replaces"]?.string
    }

    var bytes: [UInt8] {
        var members: [(String, String)] = [
            ("version", "1"),
            ("client_id", JSONText.quoted(signIn.clientID)),
            ("token_url", JSONText.quoted(signIn.tokenURL)),
            ("scope", JSONText.quoted(signIn.scope)),
            ("refresh_token", JSONText.quoted(signIn.refreshToken.value)),
            ("obtained_at", Self.text(signIn.obtainedAt)),
        ]
        if let access = signIn.access {
            members.append(("access_token", JSONText.quoted(access.value.value)))
            members.append(("expires_at", Self.text(access.expiresAt)))
        }
        if let replaces { members.append(("replaces", JSONText.quoted(replaces))) }
        let lines = members.map { "  \(JSONText.quoted($0)): \($1)" }
        return Array(("{\n" + lines.joined(separator: ",\n") + "\n}\n").utf8)
    }

    /// One that could break out of its header field is as if it were missing.
    private static func access(_ json: JSON) -> SignIn.Access? {
        guard let value = json["access_token"]?.string, !value.isEmpty,
            value.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), let expiresAt = time(json["expires_at"])
        else { return nil }
        return SignIn.Access(value: Hidden(value), expiresAt: expiresAt)
    }

    /// Seconds since 1970 with three decimals (RFC 7519 calls it NumericDate).
    private static func text(_ time: Duration) -> String {
        let (seconds, attoseconds) = time.components
        let fraction = String(attoseconds / 1_000_000_000_000_000)
        return "\(seconds)." + String(repeating: "0", count: 3 - fraction.utf8.count) + fraction
    }

    private static func time(_ json: JSON?) -> Duration? {
        // Until the year 9999.
        guard let seconds = json?.number, (0..<253_402_300_800).contains(seconds) else { return nil }
        return .milliseconds(Int64((seconds * 1000).rounded()))
    }
}
