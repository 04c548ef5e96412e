// What happens to tokens, in the application log. Never a token or a secret: the events hold none.

import Logging
import Tokens

enum TokenLog {
    static func write(_ event: TokenEvent, to logger: Logger) {
        switch event {
        case .requested: logger.debug("token requested")
        case .fetched(let generation, let life, let refreshIn):
            logger.info(
                "token fetched",
                metadata: [
                    "generation": "\(generation)", "life_s": "\(life.components.seconds)",
                    "refresh_in_s": "\(refreshIn.components.seconds)",
                ])
        case .failed(let failure, let inARow):
            // What only a person can mend should wake one.
            let isForAPerson = failure.reason == .signInNeeded || failure.reason == .stateUnavailable
            logger.log(
                level: isForAPerson ? .error : .warning,
                failure.reason == .signInNeeded ? "sign-in needed" : "token refused",
                metadata: [
                    "reason": "\(failure.reason.rawValue)", "error": "\(failure.message)", "in_a_row": "\(inARow)",
                ])
        }
    }
}
