// The bytes of a token request: what a token endpoint reads back out of them is what was configured, whatever
// characters id and secret are made of.

import Foundation
import Testing

@testable import Tokens

@Suite("The client's authentication")
struct ClientAuthenticationTests {
    static let printable = String(decoding: Array(UInt8(0x20)...0x7E), as: UTF8.self)
    static let awkward = [
        printable, "a+b/c=", "100%", "a:b", "%20", "ключ-秘密-🔑", "é", " leading and trailing ", "a&client_id=evil",
        "line\r\nbreak",
    ]

    private func request(
        id: String = "client", secret: String? = "secret", auth: TokenSource.Configuration.ClientAuth,
        scope: String = "itwin-platform", extra: [(name: String, value: String)] = []
    ) -> TokenRequest {
        ClientAuthentication.request(
            ClientCredentialsFetch.fields(scope: scope),
            for: TokenSource.Configuration(
                clientID: id, clientSecret: nil, clientAuth: auth, extraParameters: extra),
            secret: secret)
    }

    /// Reads a form as a server does: plus is a space, then percent-decoding.
    private func fields(_ form: [UInt8]) throws -> [String: String] {
        var fields: [String: String] = [:]
        for pair in String(decoding: form, as: UTF8.self).split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
                $0.replacingOccurrences(of: "+", with: " ").removingPercentEncoding
            }
            let name = try #require(parts.first ?? nil)
            #expect(fields[name] == nil, "a field is sent once")
            fields[name] = try #require(parts.last ?? nil)
        }
        return fields
    }

    private func header(_ name: String, _ request: TokenRequest) -> String? {
        let values = request.headers.filter { $0.name == name }.map(\.value)
        return values.count == 1 ? values[0] : nil
    }

    @Test("Basic authentication carries id and secret so that a form decoder reads them back", arguments: awkward)
    func basic(text: String) throws {
        let request = request(id: "id:" + text, secret: text, auth: .basic)
        let credentials = try #require(header("Authorization", request)?.split(separator: " "))
        #expect(credentials.first == "Basic")
        let decoded = try #require(credentials.last.flatMap { Data(base64Encoded: String($0)) })
        let halves = String(decoding: decoded, as: UTF8.self).split(
            separator: ":", omittingEmptySubsequences: false)
        try #require(halves.count == 2, "the only colon is the one between them")
        #expect(halves[0].removingPercentEncoding == "id:" + text)
        #expect(halves[1].removingPercentEncoding == text)
        #expect(!halves[1].contains("+"), "a server that undoes only percent-encoding reads the same")
        #expect(try fields(request.form) == ["grant_type": "client_credentials", "scope": "itwin-platform"])
    }

    @Test("the form carries id and secret so that a form decoder reads them back", arguments: awkward)
    func post(text: String) throws {
        let request = request(id: text, secret: text, auth: .post)
        #expect(header("Authorization", request) == nil)
        #expect(
            try fields(request.form) == [
                "grant_type": "client_credentials", "scope": "itwin-platform", "client_id": text,
                "client_secret": text,
            ])
    }

    @Test("every single printable character of a secret survives both ways", arguments: Array(UInt8(0x20)...0x7E))
    func everyCharacter(byte: UInt8) throws {
        let secret = "x" + String(UnicodeScalar(byte)) + "y"
        try basic(text: secret)
        try post(text: secret)
    }

    @Test("known bytes: the header for a pair with reserved characters")
    func knownHeader() throws {
        // "client%2Fid:p%40ss%20w%2Brd%25" in base64.
        let request = request(id: "client/id", secret: "p@ss w+rd%", auth: .basic)
        #expect(header("Authorization", request) == "Basic Y2xpZW50JTJGaWQ6cCU0MHNzJTIwdyUyQnJkJTI1")
    }

    @Test("a client without a secret says who it is in the form and nothing else", arguments: [nil, ""])
    func publicClient(secret: String?) throws {
        let request = request(id: "spa", secret: secret, auth: .basic, scope: "")
        #expect(header("Authorization", request) == nil)
        #expect(try fields(request.form) == ["grant_type": "client_credentials", "client_id": "spa"])
    }

    @Test("extra parameters are encoded and added; content type and accept are set")
    func extra() throws {
        let request = request(auth: .basic, extra: [(name: "audience", value: "https://x/?a=b&c")])
        #expect(try fields(request.form)["audience"] == "https://x/?a=b&c")
        #expect(header("Content-Type", request) == "application/x-www-form-urlencoded")
        #expect(header("Accept", request) == "application/json")
    }

    @Test("extra parameters cannot replace what the grant or the client says, and none is sent twice")
    func reserved() throws {
        let extra = TokenSource.Configuration.reservedParameters.sorted().map { (name: $0, value: "evil") }
        let twice = [(name: "resource", value: "a"), (name: "resource", value: "b")]
        for auth in [TokenSource.Configuration.ClientAuth.basic, .post] {
            let sent = try fields(request(auth: auth, extra: extra + twice).form)
            #expect(!sent.values.contains("evil"))
            #expect(sent["resource"] == "a")
        }
    }

    @Test("a secret that cannot be read is a failure that does not repeat the error's text")
    func unreadable() async throws {
        struct Leak: Error { let text = "hunter2" }
        let endpoint = AutomaticEndpoint { _ in .success(granting("t")) }
        let exchange = TokenExchange(
            configuration: .init(clientID: "c", clientSecret: ClientSecret(reading: { throw Leak() })),
            endpoint: endpoint)
        let failure = try await #require(throws: FetchFailure.self) { try await exchange.tokens(for: []) }
        #expect(failure.reason == .secretUnavailable)
        #expect(!"\(failure)".contains("hunter2"))
        #expect(endpoint.requestCount == 0)
    }
}
