// A strict upstream for the simulations: sliding windows, a Retry-After in whole seconds, and the trap: whoever calls
// before an announced wait is over starts it again and is counted.

import Ground

@testable import RateLimiting

struct StrictUpstream {
    struct Answer {
        /// Nil: accepted.
        let retryAfter: Int64?
    }

    private let windows: [(limit: Int, span: Nanoseconds)]
    private var accepted: [Nanoseconds] = []
    private var wait: (announced: Nanoseconds, end: Nanoseconds, seconds: Int64)?
    private(set) var refused = 0
    /// Calls sent after a wait was announced and before it was over.
    private(set) var early = 0

    init(_ windows: [GateWindow]) {
        self.windows = windows.map { ($0.limit, $0.span.clampedNanoseconds) }
    }

    var acceptedCount: Int { accepted.count }

    /// A call that was sent at `sentAt` arrives. `knownSince`: how long an announcement takes to be known.
    mutating func call(sentAt: Nanoseconds, now: Nanoseconds, knownAfter: Nanoseconds) -> Answer {
        if let wait {
            if now < wait.end {
                refused += 1
                guard sentAt > wait.announced + knownAfter else {
                    return Answer(retryAfter: (wait.end - now + .oneSecond - 1) / .oneSecond)
                }
                early += 1
                self.wait = (now, now + wait.seconds * .oneSecond, wait.seconds)
                return Answer(retryAfter: wait.seconds)
            }
            self.wait = nil
        }
        let free = windows.compactMap { window -> Nanoseconds? in
            guard accepted.count >= window.limit else { return nil }
            return accepted[accepted.count - window.limit] + window.span
        }.max()
        if let free, free > now {
            refused += 1
            let seconds = max(1, (free - now + .oneSecond - 1) / .oneSecond)
            wait = (now, now + seconds * .oneSecond, seconds)
            return Answer(retryAfter: seconds)
        }
        accepted.append(now)
        return Answer(retryAfter: nil)
    }
}
