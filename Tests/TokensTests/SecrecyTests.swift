// No description, debug description or dump of anything in this module shows the client secret or a token.

import Foundation
import Ground
import TestSupport
import Testing

@testable import Tokens

@Suite("Secrets stay secret", .timeLimit(.minutes(8)))
struct SecrecyTests {
    private static let secret = "s3cr+t/p=ss"
    private static let token = "eyJ0b2tlbg.very.private"

    /// Every way in which Swift prints a value.
    private func printed(_ value: Any) -> String {
        var dumped = ""
        dump(value, to: &dumped)
        return [String(describing: value), String(reflecting: value), "\(value)", dumped].joined(separator: "\n")
    }

    private func expectClean(_ text: String) {
        let forms = [
            Self.secret, FormEncoding.encode(Self.secret), Self.token,
            Data("client:\(FormEncoding.encode(Self.secret))".utf8).base64EncodedString(),
            Array(Self.secret.utf8).description, Array(Self.token.utf8).description,
        ]
        for form in forms { #expect(!text.contains(form)) }
    }

    @Test("in requests, answers, tokens, sources, states and events", arguments: ["basic", "post"])
    func printing(auth: String) async throws {
        let configuration = TokenSource.Configuration(
            clientID: "client", clientSecret: ClientSecret(Self.secret),
            clientAuth: try #require(.init(rawValue: auth)))
        let endpoint = HandEndpoint()
        let log = EventLog()
        let clock = TestClock()
        let source = TokenSource(configuration: configuration, endpoint: endpoint, time: .hand(clock), log: log.record)
        source.start()
        let request = try await endpoint.next()
        let answer = granting(Self.token)
        request.answer(.success(answer))
        let token = try await source.current()
        #expect(token.headerValue == "Bearer " + Self.token)

        var state = TokenState(refreshBefore: .seconds(300), answerTimeout: .seconds(30))
        _ = state.started(now: clock.now)
        let tokens = try TokenAnswer.read(answer)
        let grant = TokenGrant(value: tokens.value, life: tokens.life)
        let action = state.arrived(flight: 1, outcome: .success(grant), now: clock.now, random: 0)
        let values: [Any] = [
            configuration, request.request, answer, token, Optional(token) as Any, [token], source, source.status,
            log.all, tokens, grant, state, action, ClientSecret(Self.secret),
        ]
        for value in values { expectClean(printed(value)) }
        await source.stop()
    }

    @Test("in failures, when the endpoint echoes what it was sent")
    func echo() async throws {
        let body = #"{"error":"invalid_client","error_description":"bad secret \#(Self.secret)"}"#
        let log = EventLog()
        let source = TokenSource(
            configuration: .init(clientID: "client", clientSecret: ClientSecret(Self.secret)),
            endpoint: AutomaticEndpoint { _ in .success(json(body, status: 401)) },
            time: .hand(TestClock()), log: log.record)
        let failure = try await #require(throws: TokenFailure.self) { try await source.current() }
        for value in [failure, source.status, log.all, source] as [Any] { expectClean(printed(value)) }
        await source.stop()
    }

    @Test("in everything that a sign-in goes through")
    func signIns() async throws {
        let time = Time.hand(TestClock())
        let endpoints = try SignInEndpoints.choose(
            document: nil, tokenURL: "https://x/token", authorizeURL: "https://x/authorize")
        let attempt = SignInAttempt(
            .init(clientID: "c", clientSecret: ClientSecret(Self.secret)), at: endpoints,
            redirectURI: "http://127.0.0.1:1/cb", randomBytes: { Array(Self.token.utf8.prefix($0)) })
        let query = try #require(attempt.url.split(separator: "?").last)
        let state = try #require(FormEncoding.fields(query)?["state"])
        let code = try attempt.code(in: "/cb?code=\(Self.token)&state=\(state)")
        let answer = json(#"{"access_token":"\#(Self.token)","refresh_token":"\#(Self.token)"}"#)
        let signIn = try await attempt.signIn(
            with: code, endpoint: AutomaticEndpoint { _ in .success(answer) }, time: time)
        let terms = RefreshFlight.Terms(clientID: "c", tokenURL: "https://x/token", path: "p", patience: .seconds(1))
        var flight = RefreshFlight(terms, insteadOf: nil, dead: nil, unsaved: nil)
        let moment = RefreshFlight.Moment(now: .now, wallTime: time.wallTime().sinceEpoch, random: 0)
        _ = flight.handle(.began, at: moment)
        let action = flight.handle(.found(.success(signIn)), at: moment)
        let values: [Any] = [
            attempt, code, signIn, SignInText(signIn, replaces: nil), try TokenAnswer.read(answer), flight, action,
            SignInFile(path: "p"),
        ]
        for value in values {
            expectClean(printed(value))
            #expect(!printed(value).contains(state))
        }
    }
}
