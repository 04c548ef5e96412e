// What tells callers apart, for limits and fairness and in the audit log. A caller of the configuration is its name; somebody
// for whom an issuer vouches is the issuer's URL and its `sub`, since two persons may have one name.

enum CallerID {
    /// No name of the configuration holds a character that is not seen, so that none can be a person.
    private static let separator: Character = "\u{1F}"

    static func of(issuer: String, subject: String) -> String { "\(issuer)\(separator)\(subject)" }

    /// An id for people to read.
    static func shown(_ id: String) -> String {
        let parts = id.split(separator: separator, maxSplits: 1)
        return parts.count == 2 ? "\(parts[1]) of \(parts[0])" : id
    }
}
