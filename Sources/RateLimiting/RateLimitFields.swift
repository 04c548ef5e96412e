// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10): what the windows allow, and what is
// left of that. Structured fields (RFC 9651): lists of strings with integer parameters.

import Ground

/// The values of the two fields.
package struct RateLimitFields: Sendable, Equatable {
    /// For `RateLimit-Policy`: each window by its name, quota `q` and length `w` in seconds.
    package let policy: String
    /// For `RateLimit`: calls left (`r`), and for how many seconds no more than these (`t`).
    package let limit: String
}

extension GateState {
    /// What holds for such a call at `now`, to which the state must have been brought; nil without any window. While
    /// a pause holds nothing is left, whatever the windows say.
    ///
    /// - Parameter own: the call, for the windows that its caller has to itself.
    mutating func rateLimitFields(for lane: Lane, own: GateRequest? = nil, now: Nanoseconds) -> RateLimitFields? {
        let book = books.book(of: lane.token, now: now)
        let limiting = books.limits(of: lane.token)
        let applying =
            zip(limiting.windows, book.windows.windows).map { ("", $0, $1.window, book.windows.pace) }
            + (lane.countsAsRun
                ? zip(limiting.runWindows, book.runWindows.windows).map {
                    ("run:", $0, $1.window, book.runWindows.pace)
                } : [])
            + (own.map { callers.windows(of: $0, now: now).map { ("own:", $0.limit, $0.window, 1.0) } } ?? [])
        guard !applying.isEmpty else { return nil }
        let pause = books.pauseEnd(for: lane, now: now)
        var policies: [String] = []
        var limits: [String] = []
        for (prefix, limit, window, pace) in applying {
            let name = "\"\(prefix)\(limit.name)\""
            policies.append("\(name);q=\(limit.limit);w=\(Self.seconds(window.span))")
            let left = pause == nil ? max(0, window.room - Int(Double(limit.limit) * (1 - pace))) : 0
            let change = pause ?? window.log.first.map { window.expiry($0) }
            limits.append("\(name);r=\(left)" + (change.map { ";t=\(Self.seconds($0 - now))" } ?? ""))
        }
        return RateLimitFields(policy: policies.joined(separator: ", "), limit: limits.joined(separator: ", "))
    }

    private static func seconds(_ span: Nanoseconds) -> Int64 { max(span + .oneSecond - 1, 0) / .oneSecond }
}

extension GateWindow {
    /// As it is configured: `5000/1m`.
    package var name: String {
        let milliseconds = span.clampedNanoseconds / 1_000_000
        let units: [(name: String, milliseconds: Int64)] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)]
        let unit = units.first { milliseconds % $0.milliseconds == 0 } ?? ("ms", 1)
        return "\(limit)/\(milliseconds / unit.milliseconds)\(unit.name)"
    }
}
