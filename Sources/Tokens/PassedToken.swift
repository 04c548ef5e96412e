// A tool's own token, in pass-through mode. What it is filed under is its hash, which nobody can make up. What it says of
// itself is not verified here, since the issuer's keys are upstream's business: such a claim names a queue or a label and
// decides nothing.

import Ground

/// The bearer token that a tool sent. Printing or dumping it shows the caller's name alone.
package struct PassedToken: Sendable {
    private static let longestClientID = 128

    private let token: Hidden<String>
    /// The partition of the cache: 64 hexadecimal digits, the token's SHA-256.
    package let partition: String

    /// The token in an `Authorization` field (RFC 6750 section 2.1); nil if that holds none.
    package init?(authorization: String) {
        let scheme = authorization.prefix { $0 != " " }
        let token = authorization.dropFirst(scheme.count).drop { $0 == " " }
        guard scheme.lowercased() == "bearer", !token.isEmpty,
            token.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        self.token = Hidden(String(token))
        partition = Digest.hex(of: String(token))
    }

    /// What the caller is called: `token:` and eight digits of the hash.
    package var callerName: String { "token:" + partition.prefix(8) }

    /// The claim `client_id`, **unverified**: for a queue or a label, never for a right. Nil if the token is no JWT
    /// that has one, of at most 128 characters of `[A-Za-z0-9._~@:+/-]`. Takes some microseconds.
    package var unverifiedClientID: String? {
        let parts = token.value.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let payload = Base64.decodeURL(parts[1]), let id = JSON(payload)?["client_id"]?.string,
            (1...Self.longestClientID).contains(id.utf8.count), id.utf8.allSatisfy(Self.mayName)
        else { return nil }
        return id
    }

    /// Whose calls per minute these are: those of the claimed client, since upstream counts by it, else the token's own.
    /// A tool that claims another's name waits in that one's queue, and makes it wait; it gets nothing else by it.
    package var gateKey: String { unverifiedClientID.map { "client:" + $0 } ?? "token:" + partition }

    private static func mayName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "._~@:+/-".utf8.contains(byte)
        }
    }
}

extension PassedToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The caller's name.
    package var description: String { callerName }
    /// The caller's name.
    package var debugDescription: String { callerName }
    /// Without children.
    package var customMirror: Mirror { Mirror(self, children: []) }
}
