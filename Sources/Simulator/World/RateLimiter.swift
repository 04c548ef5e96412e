// Sliding windows per client id, one set for all calls and one for starting runs, and the trap: in trap mode a call
// made before an announced wait is over starts the wait again. Refused calls do not count against a window.

/// Decides whether a call may be executed now.
struct RateLimiter: Sendable {
    enum Scope: Sendable { case client, run }

    enum Verdict: Equatable, Sendable {
        case admitted
        /// `violation`: the client was told to wait and did not.
        case refused(retryAfter: Int64, scope: Scope, violation: Bool)
    }

    private struct Bucket: Sendable {
        /// Times of admitted calls, oldest first, no more of them than the largest limit.
        var calls: [Duration] = []
        /// In trap mode: the wait that was announced last.
        var wait: (announced: Duration, seconds: Int64)?
    }

    private struct Client: Sendable {
        var all = Bucket()
        var run = Bucket()
    }

    private let windows: [RateWindow]
    private let runWindows: [RateWindow]
    private let trapGrace: Duration?
    private var clients: [String: Client] = [:]

    /// `trapGrace` nil turns the trap off.
    init(windows: [RateWindow], runWindows: [RateWindow], trapGrace: Duration?) {
        self.windows = windows
        self.runWindows = runWindows
        self.trapGrace = trapGrace
    }

    mutating func admit(client id: String, isRun: Bool, now: Duration) -> Verdict {
        var client = clients[id] ?? Client()
        defer { clients[id] = client }
        if let verdict = refusal(&client.all, windows, .client, now) { return verdict }
        if isRun, let verdict = refusal(&client.run, runWindows, .run, now) { return verdict }
        RateLimiter.count(&client.all, windows, now)
        if isRun { RateLimiter.count(&client.run, runWindows, now) }
        return .admitted
    }

    /// Notes a wait that an injected 429 has announced to a client.
    mutating func announce(client id: String, seconds: Int64, now: Duration) {
        guard trapGrace != nil else { return }
        clients[id, default: Client()].all.wait = (now, seconds)
    }

    private func refusal(
        _ bucket: inout Bucket, _ windows: [RateWindow], _ scope: Scope, _ now: Duration
    ) -> Verdict? {
        if let trapGrace, let wait = bucket.wait {
            let end = wait.announced + .seconds(wait.seconds)
            if now < end {
                let violation = now - wait.announced > trapGrace
                if violation { bucket.wait = (now, wait.seconds) }
                let left = violation ? wait.seconds : (end - now).secondsRoundedUp
                return .refused(retryAfter: left, scope: scope, violation: violation)
            }
            bucket.wait = nil
        }
        let free = windows.compactMap { window -> Duration? in
            guard bucket.calls.count >= window.limit else { return nil }
            return bucket.calls[bucket.calls.count - window.limit] + window.span
        }.max()
        guard let free, free > now else { return nil }
        let seconds = max(1, (free - now).secondsRoundedUp)
        if trapGrace != nil { bucket.wait = (now, seconds) }
        return .refused(retryAfter: seconds, scope: scope, violation: false)
    }

    private static func count(_ bucket: inout Bucket, _ windows: [RateWindow], _ now: Duration) {
        guard let largest = windows.map(\.limit).max() else { return }
        bucket.calls.append(now)
        // Trimmed in large steps: shifting the whole array on each call would be quadratic.
        if bucket.calls.count >= 2 * largest { bucket.calls.removeFirst(bucket.calls.count - largest) }
    }
}
