// Reads the token endpoint's answer (RFC 6749 sections 5.1 and 5.2): lenient where real endpoints differ (numbers as
// strings, content types), strict where a wrong guess would send something wrong upstream. Nothing of the body leaves
// this file but the tokens and their scope and, of an error, its code if that is one of the standard ones.

import Ground

enum TokenAnswer {
    /// What a good answer holds.
    struct Tokens: Sendable, Equatable {
        /// The access token.
        let value: Hidden<String>
        /// `expires_in` as it was told; nil where it says nothing usable.
        let life: Duration?
        /// Nil where the one that was sent stays good.
        let refreshToken: Hidden<String>?
        /// As it was told; nil where it is what was asked for (RFC 6749 section 5.1).
        let scope: String?
    }

    /// The tokens in `answer`, or why there are none.
    static func read(_ answer: TokenEndpointAnswer) throws(FetchFailure) -> Tokens {
        guard answer.body.count <= TokenEndpointAnswer.maximumBodySize else { throw tooLarge }
        guard (200..<300).contains(answer.status) else { throw refusal(answer) }
        guard !answer.body.allSatisfy(isBlank) else {
            throw FetchFailure(
                reason: .emptyAnswer, message: "the token endpoint answered \(answer.status) with no body")
        }
        guard let members = Members(json: answer.body) else {
            throw bad(isHTML(answer) ? "sent a web page instead of JSON" : "sent something that is no JSON object")
        }
        guard let token = members.accessToken, !token.isEmpty else {
            let code = members.standardError.map { " (\($0.rawValue))" } ?? ""
            throw bad("sent no access_token" + code)
        }
        guard members.isBearer else { throw bad("sent a token whose token_type is not Bearer") }
        // Anything else could break out of the header field or be cut short by it.
        guard token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw bad("sent an access_token with characters that cannot stand in a header field")
        }
        guard members.refreshToken?.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) ?? true else {
            throw bad("sent a refresh_token with characters that no token has")
        }
        return Tokens(
            value: Hidden(token), life: members.life, refreshToken: members.refreshToken.map(Hidden.init),
            scope: members.scope)
    }

    /// What it means that the endpoint itself could not bring an answer.
    static func failure(_ failure: TokenEndpointFailure) -> FetchFailure {
        switch failure {
        case .unreachable(let detail):
            FetchFailure(reason: .endpointUnreachable, message: "the token endpoint cannot be reached: \(detail)")
        case .timeout:
            FetchFailure(reason: .endpointTimeout, message: "the token endpoint did not answer in time")
        case .answerTooLarge:
            tooLarge
        }
    }

    private static func refusal(_ answer: TokenEndpointAnswer) -> FetchFailure {
        let code = Members(json: answer.body)?.standardError
        let reason: TokenFailure.Reason
        switch (answer.status, code) {
        case (500..., _): reason = .serverError
        case (429, _): reason = .rateLimited
        case (408, _): reason = .endpointTimeout
        case (400..<500, .invalidClient): reason = .invalidClient
        case (400..<500, .invalidGrant): reason = .invalidGrant
        case (400..<500, .unauthorizedClient): reason = .unauthorizedClient
        case (401, nil): reason = .invalidClient
        case (400..<500, _): reason = .requestRefused
        default: return bad("answered \(answer.status), which is neither a token nor an error")
        }
        let detail = code.map { " (\($0.rawValue))" } ?? ""
        return FetchFailure(
            reason: reason,
            message: "the token endpoint answered \(answer.status)" + detail,
            retryAfter: [429, 503].contains(answer.status) ? answer.retryAfter : nil
        )
    }

    private static let tooLarge = bad("sent more than \(TokenEndpointAnswer.maximumBodySize / 1024) KiB")

    private static func bad(_ what: String) -> FetchFailure {
        FetchFailure(reason: .badAnswer, message: "the token endpoint " + what)
    }

    private static func isBlank(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0A, 0x0D].contains(byte) }

    private static func isHTML(_ answer: TokenEndpointAnswer) -> Bool {
        answer.contentType?.lowercased().hasPrefix("text/html") ?? false
    }
}

/// The error codes of RFC 6749 section 5.2: the only text of an error body that is known to be no secret.
private enum StandardError: String {
    case invalidRequest = "invalid_request"
    case invalidClient = "invalid_client"
    case invalidGrant = "invalid_grant"
    case unauthorizedClient = "unauthorized_client"
    case unsupportedGrantType = "unsupported_grant_type"
    case invalidScope = "invalid_scope"
}

/// The members of a token or error answer that matter. A member of an unexpected type is as if it were missing,
/// except `token_type`, which must not be misread.
private struct Members {
    private let json: JSON

    init?(json bytes: [UInt8]) {
        guard let json = JSON(bytes), case .object = json else { return nil }
        self.json = json
    }

    var accessToken: String? { json["access_token"]?.string }

    /// Left out by some endpoints; RFC 6749 knows no other type that this client could have asked for.
    var isBearer: Bool {
        guard let type = json["token_type"] else { return true }
        return type.string?.lowercased() == "bearer"
    }

    var refreshToken: String? {
        guard let text = json["refresh_token"]?.string, !text.isEmpty else { return nil }
        return text
    }

    var scope: String? { json["scope"]?.string }

    var standardError: StandardError? { json["error"]?.string.flatMap(StandardError.init(rawValue:)) }

    /// `expires_in` in seconds, as a number or as text with a number in it. Nil for anything below one second, which
    /// no endpoint can mean.
    var life: Duration? {
        let member = json["expires_in"]
        let number = member?.number ?? member?.string.flatMap { Double($0.filter { !$0.isWhitespace }) }
        guard let number, number.isFinite, number >= 1 else { return nil }
        return .seconds(min(number, Double(TokenSchedule.longestLife.components.seconds)))
    }
}
