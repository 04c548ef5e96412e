// Who calls the token endpoint: HTTP Basic with form-encoded id and secret, or both in the form (RFC 6749
// section 2.3.1), or a public client by its id alone.

/// How a client showed who it is.
struct PresentedClient {
    let id: String
    let secret: String?
    let isBasic: Bool

    /// Nil when there are no credentials, unreadable ones, or both kinds at once.
    init?(_ request: RecordedRequest, form: FormValues) {
        if let header = request[header: "Authorization"] {
            let parts = header.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == "basic", form["client_secret"] == nil,
                let bytes = Base64.decode(parts[1], alphabet: .standard),
                let text = String(validating: bytes, as: UTF8.self), let colon = text.firstIndex(of: ":")
            else { return nil }
            id = percentDecoded(text[..<colon], plusIsSpace: true)
            secret = percentDecoded(text[text.index(after: colon)...], plusIsSpace: true)
            isBasic = true
            guard form["client_id"] == nil || form["client_id"] == id else { return nil }
        } else {
            guard let id = form["client_id"] else { return nil }
            self.id = id
            secret = form["client_secret"]
            isBasic = false
        }
    }

    /// The registered client, if the secret is its own.
    func authenticated(among clients: [OAuthClient]) -> OAuthClient? {
        clients.first { $0.id == id && ($0.secret ?? "") == (secret ?? "") }
    }
}
