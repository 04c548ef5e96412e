// Makes the token request of the client credentials grant (RFC 6749 section 4.4.2) with the client authentication of
// section 2.3.1. Pure: the same configuration and secret give the same bytes.

import FoundationEssentials

enum ClientCredentials {
    /// The request, or why it cannot be made.
    static func request(for configuration: TokenSource.Configuration) throws(FetchFailure) -> TokenRequest {
        var fields = [("grant_type", "client_credentials")]
        if !configuration.scope.isEmpty { fields.append(("scope", configuration.scope)) }

        var headers: [(name: String, value: String)] = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Accept", "application/json"),
        ]
        switch (try secret(of: configuration), configuration.clientAuth) {
        case (nil, _):
            // A client without a secret has nothing to authenticate with and only says who it is (section 3.2.1).
            fields.append(("client_id", configuration.clientID))
        case (let secret?, .basic):
            headers.append(("Authorization", basic(id: configuration.clientID, secret: secret)))
        case (let secret?, .post):
            fields.append(("client_id", configuration.clientID))
            fields.append(("client_secret", secret))
        }
        fields += configuration.extraParameters
        return TokenRequest(headers: headers, form: FormEncoding.body(fields))
    }

    private static func secret(of configuration: TokenSource.Configuration) throws(FetchFailure) -> String? {
        guard let source = configuration.clientSecret else { return nil }
        do {
            let secret = try source.read()
            return secret.isEmpty ? nil : secret
        } catch {
            throw FetchFailure(reason: .secretUnavailable, message: "the client secret cannot be read")
        }
    }

    /// Id and secret are form-encoded *before* they are joined and put into base64: a colon or a percent sign in
    /// either would otherwise be read differently on the other side.
    private static func basic(id: String, secret: String) -> String {
        let pair = FormEncoding.encode(id) + ":" + FormEncoding.encode(secret)
        return "Basic " + Data(pair.utf8).base64EncodedString()
    }
}

/// `application/x-www-form-urlencoded` (RFC 6749 appendix B).
enum FormEncoding {
    /// Everything but RFC 3986 "unreserved" characters becomes `%XX` of its UTF-8 bytes. A space becomes `%20`, not
    /// `+`: a form decoder reads both the same, and a server that only undoes percent-encoding reads it right too.
    static func encode(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                bytes.append(byte)
            default:
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func body(_ fields: [(String, String)]) -> [UInt8] {
        Array(fields.map { encode($0) + "=" + encode($1) }.joined(separator: "&").utf8)
    }
}
