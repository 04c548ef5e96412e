// What can be wrong with a token that a person or a machine brings, in words for whoever sent it. Nothing of the token is
// repeated: it may end in a log, and its sender has it.

/// Why a token does not hold.
enum TokenFault: Error, Sendable, Hashable, CaseIterable {
    case tooLong
    case repeated
    case notCompact
    case headerUnreadable
    case encrypted
    case unsigned
    case algorithmUnknown
    case criticalExtension
    case keyIDUnusable
    case payloadUnreadable
    case issuerUnknown
    case keyUnknown
    case keyUnclear
    case signatureWrong
    case expiryMissing
    case expired
    case beginUnreadable
    case notYetValid
    case subjectMissing
    case audienceUnreadable
    case notForUs

    /// One sentence for the tool.
    var sentence: String {
        switch self {
        case .tooLong: "The token is longer than \(CompactJWT.longest >> 10) KiB."
        case .repeated: "There are several Authorization fields, which could be read in two ways."
        case .notCompact:
            "The token is not three base64url parts with dots between them (RFC 7515); "
                + "padding, line ends and encrypted tokens are not read."
        case .headerUnreadable: "The token's header is no JSON object, or names a member twice."
        case .encrypted: "The token is encrypted, or holds another token; this proxy reads signed claims only."
        case .unsigned: "The token is not signed."
        case .algorithmUnknown: "The token's alg is none of \(TokenAlgorithm.list), spelled so."
        case .criticalExtension: "The token's header has crit, and this proxy knows no such extension."
        case .keyIDUnusable: "The token's kid is no text of 1 to \(TokenHeader.longestKeyID) bytes."
        case .payloadUnreadable: "The token's claims are no JSON object, or name a member twice."
        case .issuerUnknown: "The token's iss is none of the issuers that this proxy believes."
        case .keyUnknown: "The token's issuer has no key that its kid and alg name."
        case .keyUnclear: "The token names no kid, and not exactly one key of its issuer fits its alg."
        case .signatureWrong: "The token's signature does not hold."
        case .expiryMissing: "The token's exp is missing, or no number of seconds that a date has."
        case .expired: "The token has expired."
        case .beginUnreadable: "The token's nbf is no number of seconds that a date has."
        case .notYetValid: "The token is not valid yet (nbf)."
        case .subjectMissing: "The token's sub is missing, or no text of 1 to \(TokenClaims.longestName) bytes."
        case .audienceUnreadable: "The token's aud is neither a text nor a list of texts."
        case .notForUs:
            "The token is not meant for this proxy: neither its aud nor its client is one that is configured."
        }
    }
}
