// Puts the fields of a grant and the client's authentication (RFC 6749 section 2.3.1) into one request. Pure: the same
// configuration and secret give the same bytes.

import Ground

enum ClientAuthentication {
    /// A form of `fields`, from the configured client. An empty secret counts as none.
    static func request(
        _ fields: [(String, String)], for configuration: TokenSource.Configuration, secret: String?
    ) -> TokenRequest {
        var fields = fields
        var headers: [(name: String, value: String)] = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Accept", "application/json"),
        ]
        switch (secret, configuration.clientAuth) {
        case (nil, _), ("", _):
            // A client without a secret has nothing to authenticate with and only says who it is (section 3.2.1).
            fields.append(("client_id", configuration.clientID))
        case (let secret?, .basic):
            headers.append(("Authorization", basic(id: configuration.clientID, secret: secret)))
        case (let secret?, .post):
            fields.append(("client_id", configuration.clientID))
            fields.append(("client_secret", secret))
        }
        // A field that comes twice is refused (section 3.2), and none may replace what the grant itself says.
        var taken = TokenSource.Configuration.reservedParameters.union(fields.map(\.0))
        for (name, value) in configuration.extraParameters where taken.insert(name).inserted {
            fields.append((name, value))
        }
        return TokenRequest(headers: headers, form: Array(FormEncoding.text(fields).utf8))
    }

    /// Id and secret are form-encoded *before* they are joined and put into base64: a colon or a percent sign in
    /// either would otherwise be read differently on the other side.
    private static func basic(id: String, secret: String) -> String {
        "Basic " + Base64.encode(Array((FormEncoding.encode(id) + ":" + FormEncoding.encode(secret)).utf8))
    }
}
