// When a call is sent again that failed: at most twice, with backoff. What may have been carried out is repeated inside a
// budget shared by all calls, so that retries can never multiply the load on an upstream that is in trouble.

import CurlTransport
import HTTPTypes
import RateLimiting

struct RetryPolicy: Sendable {
    let budget: RetryBudget
    let backoff: Backoff
    let environment: Environment

    /// More tries after the first.
    static let maxRetries = 2

    /// Takes one retry out of the budget and waits for its turn; false when there is none left or the tool is gone.
    ///
    /// - Parameter isFree: the try before surely was not carried out, which draws on no budget.
    func allows(_ tries: inout Int, isFree: Bool = false) async -> Bool {
        guard tries < Self.maxRetries, isFree || budget.tryRetry() else { return false }
        tries += 1
        do {
            try await environment.sleep(environment.now() + backoff.pause(before: tries, random: environment.random()))
            return true
        } catch {
            return false
        }
    }

    /// 502, 503 and 504 without a word of when to come back: a gateway's passing trouble.
    func isWorthRepeating(_ response: UpstreamResponse) -> Bool {
        switch response.status.code {
        case 502, 504: true
        case 503: !response.isRateLimited
        default: false
        }
    }
}
