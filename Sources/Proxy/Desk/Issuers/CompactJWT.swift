// A signed token as it is sent (RFC 7515 section 7.1): three base64url parts with dots between them, read strictly, so
// that no two texts are one token.

import Ground

/// The parts of a token. Nothing in it is verified.
struct CompactJWT: Sendable {
    /// Bytes; longer ones are not looked at.
    static let longest = 16 << 10

    /// JSON.
    let header: [UInt8]
    /// JSON.
    let payload: [UInt8]
    let signature: [UInt8]
    /// What is signed: the first two parts as they were sent.
    let signed: [UInt8]

    /// Whether a bearer is meant as a token and not as a caller's key: it has the form of one, or begins like one.
    static func isMeant(_ bearer: String) -> Bool {
        var dots = 0
        for byte in bearer.utf8 {
            if byte == dot { dots += 1 } else if !isBase64URL(byte) { return begins(bearer) && bearer.contains(".") }
        }
        return dots == 2 && bearer.utf8.first != dot || dots > 0 && begins(bearer)
    }

    init(_ bearer: String) throws(TokenFault) {
        guard bearer.utf8.count <= Self.longest else { throw .tooLong }
        let parts = bearer.utf8.split(separator: Self.dot, omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, !parts[1].isEmpty, let header = Base64.decodeURL(parts[0]),
            let payload = Base64.decodeURL(parts[1]), let signature = Base64.decodeURL(parts[2])
        else { throw .notCompact }
        (self.header, self.payload, self.signature) = (header, payload, signature)
        signed = Array(bearer.utf8.prefix(parts[0].count + 1 + parts[1].count))
    }

    private static let dot = UInt8(ascii: ".")

    /// How every JSON object begins in base64.
    private static func begins(_ bearer: String) -> Bool { bearer.hasPrefix("eyJ") }

    private static func isBase64URL(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
