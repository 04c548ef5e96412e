// What happens to tokens, as lines of the application log. Never a token or a secret: the events hold none.

import Logging
import Tokens

/// Tells a trouble when it begins, when it changes, once a minute while it lasts, and when it is over.
struct TokenNews {
    struct Line {
        let level: Logger.Level
        let text: String
        let facts: Logger.Metadata
    }

    private static let interval = Duration.seconds(60)

    private var trouble: (reason: TokenFailure.Reason, told: ContinuousClock.Instant)?
    private var failures = 0

    mutating func line(for event: TokenEvent, now: ContinuousClock.Instant) -> Line? {
        switch event {
        case .requested: return Line(level: .debug, text: "token requested", facts: [:])
        case .fetched(let generation, let life, let refreshIn):
            var facts: Logger.Metadata = [
                "generation": "\(generation)", "life_s": "\(life.components.seconds)",
                "refresh_in_s": "\(refreshIn.components.seconds)",
            ]
            guard let trouble else { return Line(level: .info, text: "token fetched", facts: facts) }
            facts["failures"] = "\(failures)"
            self.trouble = nil
            let text = trouble.reason.isOfEndpoint ? "token endpoint is back" : "token fetched again"
            return Line(level: .notice, text: text, facts: facts)
        case .failed(let failure, let inARow):
            failures = inARow
            if let trouble, trouble.reason == failure.reason, now - trouble.told < Self.interval { return nil }
            trouble = (failure.reason, now)
            return Line(
                level: failure.reason.level, text: failure.reason.text,
                facts: [
                    "reason": "\(failure.reason.rawValue)", "error": "\(failure.message)", "in_a_row": "\(inARow)",
                ])
        }
    }
}

extension TokenFailure.Reason {
    fileprivate var text: String {
        switch self {
        case .endpointUnreachable: "token endpoint could not be reached"
        case .endpointTimeout: "token endpoint did not answer"
        case .serverError, .rateLimited, .emptyAnswer, .badAnswer: "token endpoint gave no token"
        case .invalidClient, .invalidGrant, .unauthorizedClient, .requestRefused: "token refused"
        case .secretUnavailable: "client secret could not be read"
        case .signInNeeded: "sign-in needed"
        case .stateUnavailable: "sign-in cannot be used"
        case .stateLocked: "sign-in is held by another process"
        case .stopped, .cancelled: "token was not waited for"
        }
    }

    /// What only a person can mend should wake one.
    fileprivate var level: Logger.Level {
        self == .signInNeeded || self == .stateUnavailable ? .error : .warning
    }

    fileprivate var isOfEndpoint: Bool {
        switch self {
        case .endpointUnreachable, .endpointTimeout, .serverError, .rateLimited, .emptyAnswer, .badAnswer: true
        default: false
        }
    }
}
