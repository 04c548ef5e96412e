// Reads the token endpoint's answer (RFC 6749 sections 5.1 and 5.2): lenient where real endpoints differ (numbers as
// strings, content types), strict where a wrong guess would send something wrong upstream. Nothing of the body leaves
// this file but the token itself and, of an error, its code if that is one of the standard ones.

import FoundationEssentials

/// What a good answer grants.
struct TokenGrant: Sendable, Equatable {
    let value: Hidden<String>
    /// `expires_in` as it was told; nil where it says nothing usable.
    let life: Duration?
}

enum TokenAnswer {
    /// The token in `answer`, or why there is none.
    static func read(_ answer: TokenEndpointAnswer) throws(FetchFailure) -> TokenGrant {
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
        return TokenGrant(value: Hidden(token), life: members.life)
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
private struct Members: Decodable {
    let accessToken: String?
    let isBearer: Bool
    let life: Duration?
    let standardError: StandardError?

    private enum CodingKeys: String, CodingKey {
        case accessToken = "access_token"
        case tokenType = "token_type"
        case expiresIn = "expires_in"
        case error
    }

    init?(json: [UInt8]) {
        guard let members = try? JSONDecoder().decode(Members.self, from: Data(json)) else { return nil }
        self = members
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        accessToken = try? container.decode(String.self, forKey: .accessToken)
        // Left out by some endpoints; RFC 6749 knows no other type that this client could have asked for.
        isBearer =
            !container.contains(.tokenType)
            || (try? container.decode(String.self, forKey: .tokenType))?.lowercased() == "bearer"
        life = Self.life(in: container)
        standardError = (try? container.decode(String.self, forKey: .error)).flatMap(StandardError.init(rawValue:))
    }

    /// `expires_in` in seconds, as a number or as text with a number in it. Nil for anything below one second, which
    /// no endpoint can mean.
    private static func life(in container: KeyedDecodingContainer<CodingKeys>) -> Duration? {
        let number =
            (try? container.decode(Double.self, forKey: .expiresIn))
            ?? (try? container.decode(String.self, forKey: .expiresIn)).flatMap {
                Double($0.filter { !$0.isWhitespace })
            }
        guard let number, number.isFinite, number >= 1 else { return nil }
        let seconds = min(number, Double(TokenSchedule.longestLife.components.seconds))
        return .seconds(seconds)
    }
}
