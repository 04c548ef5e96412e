// What is made of the token endpoint's answers, good, odd and hostile.

import Testing

@testable import Tokens

@Suite("The token endpoint's answer")
struct TokenAnswerTests {
    private func failure(_ answer: TokenEndpointAnswer) throws -> FetchFailure {
        try #require(throws: FetchFailure.self) { try TokenAnswer.read(answer) }
    }

    @Test(
        "expires_in is understood as a number and as text",
        arguments: [
            ("3599", 3599), (#""3599""#, 3599), (#"" 3599 ""#, 3599), ("3599.5", 3599.5), (#""60.0""#, 60), ("1", 1),
            ("6e1", 60), ("99999999999999999999", 86_400), (#""1e300""#, 86_400),
        ] as [(String, Double)])
    func lives(text: String, seconds: Double) throws {
        #expect(try TokenAnswer.read(granting("t", life: text)).life == .seconds(seconds))
    }

    @Test(
        "an expires_in that says nothing usable is as if it were missing",
        arguments: [
            "null", "0", "-1", "0.5", #""""#, #""soon""#, "true", "[]", "{}", #""nan""#, #""inf""#, #""-3600""#,
            "1e400",
            #"{"seconds":3600}"#,
        ])
    func unusableLives(text: String) throws {
        let grant = try TokenAnswer.read(granting("t", life: text))
        #expect(grant.life == nil)
        #expect(TokenSchedule.life(told: grant.life) == .seconds(300))
    }

    @Test("a missing expires_in, a missing token_type, unknown members and another content type are accepted")
    func lenient() throws {
        let body = Array(#"{"access_token":"abc.def-_~+/==","foo":[1,{"a":null}],"scope":["a"]}"#.utf8)
        let grant = try TokenAnswer.read(TokenEndpointAnswer(status: 201, contentType: "text/plain", body: body))
        #expect(grant.value.value == "abc.def-_~+/==")
        #expect(grant.life == nil)
    }

    @Test("token_type is compared without regard to case", arguments: ["Bearer", "bearer", "BEARER"])
    func bearer(type: String) throws {
        _ = try TokenAnswer.read(json(#"{"access_token":"t","token_type":"\#(type)"}"#))
    }

    @Test("any other token_type is refused", arguments: [#""mac""#, #""DPoP""#, #""""#, "1", "null", #"["Bearer"]"#])
    func otherTypes(type: String) throws {
        #expect(try failure(json(#"{"access_token":"t","token_type":\#(type)}"#)).reason == .badAnswer)
    }

    @Test(
        "a token that could break out of its header field is refused",
        arguments: [#"a\r\nX-Evil: 1"#, #"a\nb"#, "a b", #"a\tb"#, #"\u0000"#, #"a\u007f"#, "é", " a", ""])
    func illegalTokens(token: String) throws {
        #expect(try failure(granting(token)).reason == .badAnswer)
    }

    @Test(
        "a success that is no token answer is a bad answer",
        arguments: [
            "<html>login</html>", "[]", "null", "\"token\"", "{", "{}", #"{"access_token":1}"#,
            #"{"access_token":null}"#, #"{"error":"invalid_scope"}"#, "access_token=t&token_type=bearer",
        ])
    func noToken(body: String) throws {
        #expect(try failure(json(body)).reason == .badAnswer)
    }

    @Test("a success without a body is an empty answer", arguments: ["", " \r\n"])
    func empty(body: String) throws {
        #expect(try failure(json(body)).reason == .emptyAnswer)
        #expect(try failure(json(body, status: 204)).reason == .emptyAnswer)
    }

    @Test("a body beyond the limit is refused unread")
    func tooLong() throws {
        let padding = String(repeating: " ", count: TokenEndpointAnswer.maximumBodySize)
        #expect(try failure(json(#"{"access_token":"t"}"# + padding)).reason == .badAnswer)
    }

    @Test("a member that comes twice makes the answer a bad one, whichever would have been believed")
    func twice() throws {
        for body in [
            #"{"access_token":"a","access_token":"b"}"#,
            #"{"access_token":"a","refresh_token":"b","refresh_token":"c"}"#,
            #"{"access_token":"a","expires_in":1,"expires_in":3600}"#,
        ] {
            #expect(try failure(json(body)).reason == .badAnswer)
        }
    }

    @Test("a refresh token comes along if there is one")
    func refreshToken() throws {
        let answer = try TokenAnswer.read(json(#"{"access_token":"a","refresh_token":"b c~","scope":"d e"}"#))
        #expect(answer.refreshToken == Hidden("b c~") && answer.scope == "d e")
        for text in [#"{"access_token":"a"}"#, #"{"access_token":"a","refresh_token":""}"#] {
            #expect(try TokenAnswer.read(json(text)).refreshToken == nil)
        }
    }

    @Test("a refresh token that no issuer can mean is refused", arguments: [#"a\r\nb"#, #"\u0000"#, "é", #"a\u007f"#])
    func illegalRefreshTokens(token: String) throws {
        let failure = try failure(json(#"{"access_token":"a","refresh_token":"\#(token)"}"#))
        #expect(failure.reason == .badAnswer)
    }

    @Test("a body nested beyond any sense is a bad answer and no crash")
    func deep() throws {
        #expect(try failure(json(String(repeating: "[", count: 60_000))).reason == .badAnswer)
        let object = #"{"access_token":"t","x":"# + String(repeating: "[", count: 60_000)
        #expect(try failure(json(object)).reason == .badAnswer)
    }

    @Test("a redirect is not a token, wherever it leads", arguments: [301, 302, 307, 308])
    func redirect(status: Int) throws {
        #expect(try failure(json(#"{"access_token":"t"}"#, status: status)).reason == .badAnswer)
    }

    @Test(
        "errors are told apart by their standard code, else by status",
        arguments: [
            (401, #"{"error":"invalid_client"}"#, .invalidClient),
            (400, #"{"error":"invalid_client"}"#, .invalidClient),
            (401, "", .invalidClient), (400, #"{"error":"invalid_grant"}"#, .invalidGrant),
            (400, #"{"error":"unauthorized_client"}"#, .unauthorizedClient),
            (400, #"{"error":"invalid_scope"}"#, .requestRefused), (400, "<html>", .requestRefused),
            (400, #"{"error":{"code":"x"}}"#, .requestRefused), (403, "", .requestRefused), (404, "", .requestRefused),
            (408, "", .endpointTimeout), (429, "", .rateLimited), (500, #"{"error":"invalid_client"}"#, .serverError),
            (503, "", .serverError), (100, "", .badAnswer),
        ] as [(Int, String, TokenFailure.Reason)])
    func errors(status: Int, body: String, reason: TokenFailure.Reason) throws {
        #expect(try failure(json(body, status: status)).reason == reason)
    }

    @Test("Retry-After is believed for 429 and 503 only")
    func retryAfter() throws {
        #expect(try failure(json("", status: 429, retryAfter: .seconds(7))).retryAfter == .seconds(7))
        #expect(try failure(json("", status: 503, retryAfter: .seconds(7))).retryAfter == .seconds(7))
        #expect(try failure(json("", status: 400, retryAfter: .seconds(7))).retryAfter == nil)
    }

    @Test("nothing of an error body is kept but a standard code")
    func echo() throws {
        let body = #"{"error":"s3cret","error_description":"client_secret=s3cret is wrong","error_uri":"s3cret"}"#
        for status in [200, 302, 400, 401, 429, 500] {
            #expect(!"\(try failure(json(body, status: status)))".contains("s3cret"))
        }
        #expect(try failure(json(#"{"error":"invalid_client"}"#, status: 401)).message.contains("invalid_client"))
    }
}
