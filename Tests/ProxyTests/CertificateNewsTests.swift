// When the end of a certificate is worth a line, and who is known by a certificate.

import HTTPTypes
import Logging
import Testing

@testable import Configuration
@testable import Edge
@testable import Proxy

@Suite struct CertificateNewsTests {
    private static let day: Int64 = 86_400

    @Test("once at the start, then at 14, 7, 3, 2 and 1 days and at the end, each once")
    func days() {
        var news = ExpiryNews()
        let lines = (0...40).map { 20 * Self.day - $0 * Self.day / 2 - 1 }.map { ($0, news.level(secondsLeft: $0)) }
        let told = lines.compactMap { left, level in level.map { "\($0) \(left / Self.day)" } }
        #expect(
            told == [
                "info 19", "warning 13", "warning 6", "warning 2", "warning 1", "warning 0", "error 0",
            ])
        #expect(news.level(secondsLeft: -5 * Self.day) == nil)
    }

    @Test("one that is near its end already is told of at the start")
    func nearAtStart() {
        var news = ExpiryNews()
        #expect(news.level(secondsLeft: 5 * Self.day) == .warning)
        #expect(news.level(secondsLeft: 4 * Self.day) == nil)
    }

    private static let callers = [
        Config.Caller(name: "keyed", credential: .key(KeyHash(hashing: "k")), allow: [.read]),
        Config.Caller(name: "one", credential: .certificate("one.example"), allow: [.read]),
        Config.Caller(name: "two", credential: .certificate("spiffe://two"), allow: [.read]),
    ]

    /// Who the caller is and what is left of its `Authorization`, or why it is refused.
    private func ask(_ fields: HTTPFields, _ names: [String]?, passesTokens: Bool = false) -> String {
        let desk = CallerAuthenticator(Self.callers, passesTokens: passesTokens)
        do throws(Failure) {
            let known = try desk.authenticate(fields, names.map { PeerIdentity(certificateNames: $0) })
            return "\(known.caller.name) \(known.caller.via.rawValue) \(known.token?.value ?? "-")"
        } catch {
            return error.reason.rawValue
        }
    }

    @Test("a certificate names its caller by any of its names, exactly; the first that is one counts")
    func names() {
        #expect(ask([:], ["x", "one.example"]) == "one certificate -")
        #expect(ask([:], ["spiffe://two", "one.example"]) == "two certificate -")
        #expect(ask([:], ["ONE.example", "one.example.", "keyed", "one"]) == "caller-key-missing")
        #expect(ask([:], []) == "caller-key-missing" && ask([:], nil) == "caller-key-missing")
    }

    @Test("a key wins over a certificate, also a wrong one; where tokens are passed on, a token is none")
    func keys() {
        let one = ["one.example"]
        #expect(ask([.authorization: "Bearer k"], one) == "keyed key -")
        #expect(ask([.apiKey: "k"], one) == "keyed key -")
        #expect(ask([.apiKey: "wrong"], one) == "caller-key-unknown")
        #expect(ask([.authorization: "Bearer wrong"], one) == "caller-key-unknown")
        #expect(ask([.authorization: "Basic wrong"], one) == "one certificate Basic wrong")
        #expect(ask([.authorization: "Bearer token"], one, passesTokens: true) == "one certificate Bearer token")
        #expect(ask([.authorization: "Bearer k"], one, passesTokens: true) == "keyed key -")
        #expect(ask([.authorization: "Basic k"], one, passesTokens: true) == "one certificate -")
        #expect(
            ask([.apiKey: "wrong", .authorization: "Bearer token"], one, passesTokens: true) == "caller-key-unknown")
        #expect(ask([.authorization: "Bearer token"], nil, passesTokens: true) == "caller-key-unknown")
    }
}
