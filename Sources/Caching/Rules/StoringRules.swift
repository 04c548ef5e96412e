// Whether and for how long a shared cache may keep an answer (RFC 9111, 3 and 4.2). In every doubt: not, or not for long.

import Ground
import HTTPTypes

/// What an answer's head says about storing it.
package enum StoringRules {
    /// The judgement.
    package enum Verdict: Sendable, Equatable {
        /// It may be stored and is this fresh. With a lifetime of zero it must be validated upstream before each use.
        case store(Freshness)
        /// It must not be stored.
        case refuse(CacheReason)
    }

    /// Judges an answer that has just come from upstream to a GET.
    ///
    /// Explicit freshness counts in RFC 9111's order for shared caches: `s-maxage`, `max-age`, `Expires` less `Date`.
    /// Broken Cache-Control lines and unreadable numbers make it stale at once, as 4.2.1 encourages.
    /// - Parameters:
    ///   - status: only 200 is ever stored.
    ///   - fields: as upstream sent them, Age and Date included.
    ///   - heuristic: the lifetime where upstream says nothing explicit; nil: none, and it is refused then.
    ///   - needsPermission: the request carried Authorization and answers are not kept apart by principal, so the
    ///     answer has to permit storing it (RFC 9111, 3.5).
    ///   - wallSeconds: when the head arrived, in Unix seconds.
    ///   - responseDelay: from sending the request to the head's arrival.
    package static func judge(
        status: Int,
        fields: HTTPFields,
        heuristic: Duration?,
        needsPermission: Bool,
        receivedAt wallSeconds: Int64,
        responseDelay: Duration
    ) -> Verdict {
        if status == 206 { return .refuse(.partial) }
        if status != 200 { return .refuse(.notOK) }
        if fields.contains(.contentRange) { return .refuse(.partial) }
        let directives = ResponseDirectives(fields)
        if directives.forbidsStoring { return .refuse(.noStore) }
        if directives.isPrivate { return .refuse(.isPrivate) }
        if fields.contains(.setCookie) { return .refuse(.setCookie) }
        if Vary.names(in: fields) == nil { return .refuse(.varyAny) }
        if needsPermission, !directives.permitsSharing { return .refuse(.needsPermission) }

        let head = HeadDates(fields, receivedAt: wallSeconds)
        let lifetime: Duration
        let isExplicit: Bool
        if let seconds = explicitLifetime(directives, head) {
            (lifetime, isExplicit) = (.seconds(seconds), true)
        } else if let heuristic, !directives.noStore {
            // Beside a `no-store` that `must-understand` lifts, a guess would be too bold.
            (lifetime, isExplicit) = (min(max(heuristic, .zero), .seconds(DeltaSeconds.cap)), false)
        } else {
            return .refuse(.noFreshness)
        }
        if lifetime == .zero, !Conditional.hasValidator(fields) { return .refuse(.noFreshness) }
        return .store(
            Freshness(
                lifetime: lifetime,
                initialAge: head.correctedAge(responseDelay: responseDelay),
                isExplicit: isExplicit,
                mustRevalidate: directives.forbidsStale,
                staleWhileRevalidate: directives.staleWhileRevalidate.map { .seconds($0) },
                staleIfError: directives.staleIfError.map { .seconds($0) }))
    }

    /// Judges a stored answer anew after upstream has confirmed it by a 304 (RFC 9111, 4.3.4).
    /// - Parameters:
    ///   - stored: the stored fields.
    ///   - notModified: the 304's fields as upstream sent them; `Conditional.confirms` has found that it is about this
    ///     answer.
    /// - Returns: the verdict, and the fields to store if it is to store. Parameters else as for `judge`.
    package static func judgeRevalidated(
        stored: HTTPFields,
        notModified: HTTPFields,
        heuristic: Duration?,
        needsPermission: Bool,
        receivedAt wallSeconds: Int64,
        responseDelay: Duration
    ) -> (verdict: Verdict, fields: HTTPFields) {
        let fields = StoredFields.updated(stored, with: notModified)
        var judged = fields
        // Never stored, but the age that the 304 had on its way counts.
        judged[values: .age] = notModified[values: .age]
        let verdict = judge(
            status: 200, fields: judged, heuristic: heuristic, needsPermission: needsPermission,
            receivedAt: wallSeconds, responseDelay: responseDelay)
        return (verdict, fields)
    }

    /// Seconds, or nil where upstream says nothing (RFC 9111, 4.2.1).
    private static func explicitLifetime(_ directives: ResponseDirectives, _ head: HeadDates) -> Int64? {
        if directives.noCache || directives.isMalformed { return 0 }
        return directives.sharedMaxAge ?? directives.maxAge ?? head.expiresAfter
    }
}

/// Date, Age and Expires of an answer. Each should stand once; of several the one is taken that makes the answer older.
private struct HeadDates {
    private let receivedAt: Int64
    private var earliestDate: Int64?
    private var latestDate: Int64?
    private var age: Int64?
    private var hasExpires = false
    private var isExpired = false
    private var earliestExpires = Int64.max

    init(_ fields: HTTPFields, receivedAt: Int64) {
        self.receivedAt = receivedAt
        for field in fields {
            switch field.name.canonicalName {
            case "date": readDate(field)
            case "age": readAge(field)
            case "expires": readExpires(field)
            default: continue
            }
        }
    }

    /// One that cannot be read is as good as none: the time of receipt stands in for it (RFC 9110, 6.6.1).
    private mutating func readDate(_ field: HTTPField) {
        guard let date = field.withUnsafeBytesOfValue({ HTTPDate.seconds($0.span, now: receivedAt) }) else { return }
        earliestDate = min(earliestDate ?? date, date)
        latestDate = max(latestDate ?? date, date)
    }

    /// Of a list the first member counts, and what is no number is ignored (RFC 9111, 5.1).
    private mutating func readAge(_ field: HTTPField) {
        let seconds = field.withUnsafeBytesOfValue { value in
            let bytes = value.span
            var end = 0
            while end < bytes.count, bytes[end] != FieldSyntax.comma { end += 1 }
            return DeltaSeconds.parse(bytes, in: bytes.trimmed(0..<end))
        }
        if let seconds { age = max(age ?? 0, seconds) }
    }

    /// What is no date, `0` above all, means already expired (RFC 9111, 5.3).
    private mutating func readExpires(_ field: HTTPField) {
        hasExpires = true
        if let date = field.withUnsafeBytesOfValue({ HTTPDate.seconds($0.span, now: receivedAt) }) {
            earliestExpires = min(earliestExpires, date)
        } else {
            isExpired = true
        }
    }

    /// Expires less Date in seconds: both are of upstream's clock, so ours has no part in it. nil without Expires.
    var expiresAfter: Int64? {
        guard hasExpires else { return nil }
        return isExpired ? 0 : DeltaSeconds.from(latestDate ?? receivedAt, to: earliestExpires)
    }

    /// `corrected_initial_age` (RFC 9111, 4.2.3).
    func correctedAge(responseDelay: Duration) -> Duration {
        let apparent = Duration.seconds(DeltaSeconds.from(earliestDate ?? receivedAt, to: receivedAt))
        let delay = min(max(responseDelay, .zero), .seconds(DeltaSeconds.cap))
        return max(apparent, .seconds(age ?? 0) + delay)
    }
}
