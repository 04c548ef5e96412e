// The identifier of an issuer (RFC 8414 section 2): a URL that tokens and documents name letter for letter (section 3.3, RFC 9068
// section 4), so that a slash at its end, or a capital letter, is part of it.

/// An issuer's URL as it is written, and where that leads.
package struct IssuerURL: Sendable, Hashable, CustomStringConvertible {
    /// As it is written: what `iss` must be.
    package let description: String
    /// The same for finding it, without a slash at its end.
    package let location: BaseURL

    /// Reads `text`; throws what is wrong with it.
    init(parsing text: String) throws(ValueProblem) {
        location = try BaseURL(parsing: text)
        description = text
    }

    /// An issuer whose identifier is the URL in its usual spelling.
    package init(_ location: BaseURL) {
        self.location = location
        description = location.description
    }
}
