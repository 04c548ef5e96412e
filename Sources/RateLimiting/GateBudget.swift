// What is left of the limits, for tools that plan ahead: `GET /_proxy/me` and `GET /_proxy/budget`.

import DequeModule
import Ground

/// What is left to such a call, and what stands in its way.
package struct GateBudget: Sendable, Equatable {
    /// One window.
    package struct Window: Sendable, Equatable {
        /// The limit and its span.
        package let window: GateWindow
        /// Holds for starting runs only.
        package let isForRuns: Bool
        /// Calls that count in it: sent within the span, or about to be. What may have gone before the start is none of them,
        /// though room is kept for it.
        package let used: Int
        /// Until it has room for one more call; zero: it has.
        package let nextFree: Duration
        /// Until it is full, should calls go on as they did lately; nil: never.
        package let exhaustedIn: Duration?

        /// Calls that it has room for.
        package var remaining: Int { max(window.limit - used, 0) }
    }

    /// Those of the upstream client, those for runs last.
    package let windows: [Window]
    /// Those of the caller alone.
    package let own: [Window]
    /// Pauses that upstream has asked for and that hold.
    package let pauses: [GateStatistics.Pause]

    /// How much of the fullest window is used, 0...1; those for runs do not count.
    package var load: Double {
        (windows + own).lazy.filter { !$0.isForRuns }.map { Double($0.used) / Double(max($0.window.limit, 1)) }.max()
            ?? 0
    }

    /// More than half of every window but those for runs is unused, and nothing holds calls back.
    package var isIdle: Bool {
        pauses.isEmpty && (windows + own).allSatisfy { $0.isForRuns || $0.used * 2 < $0.window.limit }
    }
}

extension GateState {
    /// How it stands at `now`, to which it must have been brought.
    mutating func budget(for request: GateRequest, now: Nanoseconds) -> GateBudget {
        let limits = books.limits(of: request.token)
        return budget(
            books.book(of: request.token, now: now), limits.windows, limits.runWindows,
            own: callers.windows(of: request, now: now).map {
                .init($0.limit, $0.window, isForRuns: false, opening: $0.window.opening(ofCall: 1, now: now), now: now)
            }, now: now)
    }

    /// What operators are shown: the configured windows, with the use of the client that has used most.
    mutating func busiestBudget(now: Nanoseconds) -> GateBudget {
        budget(books.busiest(now: now), limits.windows, limits.runWindows, own: [], now: now)
    }

    private func budget(
        _ book: ClientBook, _ limits: [GateWindow], _ runLimits: [GateWindow], own: [GateBudget.Window],
        now: Nanoseconds
    ) -> GateBudget {
        func windows(_ set: WindowSet, _ limits: [GateWindow], isForRuns: Bool) -> [GateBudget.Window] {
            zip(limits, set.windows).map { limit, paced in
                let opening = paced.opening(now: now, pace: set.pace)
                return .init(
                    limit, paced.window, assumed: paced.assumed, isForRuns: isForRuns,
                    opening: opening == .never ? paced.window.opening(ofCall: 1, now: now) : opening, now: now)
            }
        }
        return GateBudget(
            windows: windows(book.windows, limits, isForRuns: false)
                + windows(book.runWindows, runLimits, isForRuns: true),
            own: own,
            pauses: book.coolDowns.entries.filter { $0.end > now }.map {
                .init(
                    scope: $0.scope, cause: $0.cause, remaining: .nanoseconds($0.end - now), strikes: $0.strikes)
            })
    }
}

extension GateBudget.Window {
    fileprivate init(
        _ limit: GateWindow, _ window: SlidingWindow, assumed: Int = 0, isForRuns: Bool, opening: Nanoseconds,
        now: Nanoseconds
    ) {
        self.window = limit
        self.isForRuns = isForRuns
        used = window.spent + window.reserved - assumed
        nextFree = .nanoseconds(max(opening - now, 0))
        exhaustedIn = window.exhaustion(assumed: assumed, now: now).map { .nanoseconds(max($0 - now, 0)) }
    }
}

extension SlidingWindow {
    /// When it is full, if calls go on as they did in its last tenth; nil if they leave it as fast. Time must have been
    /// passed.
    ///
    /// - Parameter assumed: of its oldest sends those that are no calls.
    func exhaustion(assumed: Int = 0, now: Nanoseconds) -> Nanoseconds? {
        if room <= 0 { return now }
        let lately = max(span / 10, min(span, .oneSecond))
        let isYoung = (log.first?.last ?? now) > now - lately
        let sends = log.reduce(isYoung ? -assumed : 0) { $1.last > now - lately ? $0 + $1.count : $0 }
        guard sends > 0 else { return nil }
        let rate = Double(sends) / Double(lately)
        var inside = spent + reserved
        for sends in log {
            let full = Double(now) + Double(limit - inside) / rate
            if full <= Double(expiry(sends)) { return Nanoseconds(full) }
            inside -= sends.count
        }
        let full = Double(now) + Double(limit - inside) / rate
        return full <= Double(now + span) ? Nanoseconds(full) : nil
    }
}
