// What a token claims, once its signature is verified: for whom it is good, and until when (RFC 7519 section 4.1).

import Ground

/// The claims that everybody needs, read and checked for form. Unverified until its signature is.
struct TokenClaims: Sendable {
    /// Of subjects and names, in bytes.
    static let longestName = 255
    /// Clocks may differ by so much, in seconds.
    static let leeway: Int64 = 60
    /// The last second that has a date of four digits.
    private static let lastSecond = 253_402_300_799.0

    private let json: JSON

    /// The claims of a token. Throws `payloadUnreadable`.
    init(_ payload: [UInt8]) throws(TokenFault) {
        guard let json = JSON(payload), case .object = json else { throw .payloadUnreadable }
        self.json = json
    }

    /// Its issuer's name.
    var issuer: String? { json["iss"]?.string }

    /// The first second in which it does not count any more, leeway included. Throws for one that does not count at `now`.
    func end(now: Int64) throws(TokenFault) -> Int64 {
        guard let expiry = seconds(json["exp"]) else { throw .expiryMissing }
        let end = expiry + Self.leeway
        guard now < end else { throw .expired }
        if let value = json["nbf"] {
            guard let begin = seconds(value) else { throw .beginUnreadable }
            guard begin - Self.leeway <= now else { throw .notYetValid }
        }
        return end
    }

    /// Whose it is.
    func subject() throws(TokenFault) -> String {
        guard let subject = name("sub") else { throw .subjectMissing }
        return subject
    }

    /// Throws unless one of `audiences` is in `aud`, or its client is one of `clients`.
    func check(audiences: Set<String>, clients: Set<String>) throws(TokenFault) {
        let named: [String]
        switch json["aud"] {
        case nil: named = []
        case .string(let one): named = [one]
        case .array(let several):
            named = several.compactMap(\.string)
            guard named.count == several.count else { throw .audienceUnreadable }
        default: throw .audienceUnreadable
        }
        if named.contains(where: audiences.contains) { return }
        // `azp` says the same where `client_id` is missing.
        if let client = (json["client_id"] ?? json["azp"])?.string, clients.contains(client) { return }
        throw .notForUs
    }

    /// The text of a claim that can stand as a name in logs and records: of sensible length, and nothing in it that is not
    /// seen. Nil for any other.
    func name(_ claim: String) -> String? {
        guard let text = json[claim]?.string, (1...Self.longestName).contains(text.utf8.count),
            text.unicodeScalars.allSatisfy(Self.isVisible)
        else { return nil }
        return text
    }

    /// The texts of a claim: one, or a list of them. `scope` and `scp` hold words with blanks between (RFC 8693 section 4.2).
    func values(_ claim: String) -> [String] {
        switch json[claim] {
        case .string(let text):
            claim == "scope" || claim == "scp" ? text.split(separator: " ").map(String.init) : [text]
        case .array(let values): values.compactMap(\.string)
        default: []
        }
    }

    private func seconds(_ value: JSON?) -> Int64? {
        guard let number = value?.number, number >= 0, number <= Self.lastSecond else { return nil }
        return Int64(number)
    }

    private static func isVisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }
}
