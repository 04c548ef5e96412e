// What a credential may not hold. Such characters come from a paste or an editor, nobody sees them, and the token
// endpoint says no more than "invalid_client".

/// What HTTP Basic proves itself with (RFC 7617). Never printed.
package struct UserAndPassword: Sendable, Equatable {
    /// Never empty, without a colon.
    package let user: String
    /// Any text, also none.
    package let password: Secret

    /// The first colon separates. Nil where there is none, or nothing before it.
    package init?(_ text: String) {
        guard let colon = text.firstIndex(of: ":"), colon > text.startIndex else { return nil }
        user = String(text[..<colon])
        password = Secret(String(text[text.index(after: colon)...]))
    }

    init?(file bytes: [UInt8]) {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        self.init(text)
    }
}

enum CredentialText {
    /// What is wrong with a client id or secret, to be read after it; nil when nothing is.
    static func problem(_ text: String) -> String? {
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x0A, 0x0D: return "has a line end in it"
            case 0xFEFF: return "has a byte-order mark in it"
            case 0xFFFE, 0xFFFF: return "has a character in it that is none"
            default:
                if scalar.properties.generalCategory == .control { return "has a control character in it" }
            }
        }
        return nil
    }

    /// The same for the bytes of a file, whose one line end at the end does not count.
    static func problem(file bytes: [UInt8]) -> String? {
        guard let text = String(validating: bytes, as: UTF8.self) else { return "the credential is not UTF-8 text" }
        var scalars = text.unicodeScalars
        if scalars.last == "\n" { scalars.removeLast() }
        if scalars.last == "\r" { scalars.removeLast() }
        if scalars.isEmpty { return "the file is empty" }
        return problem(String(scalars)).map { "the credential \($0)" }
    }
}
