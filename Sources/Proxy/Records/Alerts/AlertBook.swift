// Which alerts go out, as a value without a clock: of each kind and subject one in ten minutes, and once when what was told is
// over. What begins again too soon and lasts is told when the ten minutes are over.

struct AlertBook: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// Of one kind and subject there is no second one sooner.
    static let interval = Duration.seconds(600)
    /// Subjects that are remembered; a flood of others is not told.
    static let capacity = 1_000

    struct Key: Hashable, Sendable {
        let kind: Alert.Kind
        let subject: String
    }

    private struct Entry {
        var told: Instant
        /// What was told goes on, as far as was told.
        var isOpen: Bool
        /// What has begun again since and is not told yet.
        var later: Alert?
    }

    /// What becomes of something that has begun.
    enum Verdict: Equatable {
        case tell
        /// It goes on, and was told.
        case known
        /// It was told a short while ago, or there is no room to remember it.
        case tooSoon
    }

    private var entries: [Key: Entry] = [:]

    /// Something has begun that will be over some time, or has happened.
    ///
    /// - Parameter lasts: whether it will be over; what only happens is not told later.
    mutating func begun(_ alert: Alert, lasts: Bool, now: Instant) -> Verdict {
        let key = Key(kind: alert.kind, subject: alert.subject)
        if var entry = entries[key] {
            if entry.isOpen { return .known }
            if now - entry.told < Self.interval {
                entry.later = lasts ? alert : nil
                entries[key] = entry
                return .tooSoon
            }
        } else if entries.count >= Self.capacity {
            forget(now: now)
            guard entries.count < Self.capacity else { return .tooSoon }
        }
        entries[key] = Entry(told: now, isOpen: lasts)
        return .tell
    }

    /// It is over. Whether that is told: only where its beginning was.
    mutating func over(_ kind: Alert.Kind, _ subject: String) -> Bool {
        let key = Key(kind: kind, subject: subject)
        guard var entry = entries[key] else { return false }
        defer { entries[key] = entry }
        entry.later = nil
        guard entry.isOpen else { return false }
        entry.isOpen = false
        return true
    }

    /// What goes on, of a kind.
    func open(_ kind: Alert.Kind) -> [String] {
        entries.filter { $0.key.kind == kind && ($0.value.isOpen || $0.value.later != nil) }.map(\.key.subject)
    }

    /// When something that had begun too soon is to be told; nil: nothing is.
    var due: Instant? { entries.values.filter { $0.later != nil }.map { $0.told + Self.interval }.min() }

    /// What had begun too soon and still goes on.
    mutating func passed(now: Instant) -> [Alert] {
        var alerts: [Alert] = []
        for (key, entry) in entries {
            guard let later = entry.later, entry.told + Self.interval <= now else { continue }
            entries[key] = Entry(told: now, isOpen: true)
            alerts.append(later)
        }
        return alerts.sorted { ($0.kind.rawValue, $0.subject) < ($1.kind.rawValue, $1.subject) }
    }

    /// Forgets what is over and may be told anew.
    private mutating func forget(now: Instant) {
        entries = entries.filter { $0.value.isOpen || $0.value.later != nil || now - $0.value.told < Self.interval }
    }
}
