// Reading `Retry-After` (RFC 9110, section 10.2.3) with the suspicion that it has earned in the field.

import Ground

/// The wait that an answer told, as far as it can be believed.
package enum RetryAfter: Sendable, Equatable {
    /// Longer than nothing and at most a day.
    case told(Duration)
    /// Missing, blank, zero, negative, a date that has passed, more than a day, or not to be read.
    case unusable

    /// The longest wait that is believed.
    package static let longest: Duration = .seconds(86_400)

    /// Reads the values of the field, each of which may be a list: the longest wait counts, and fractions of a second
    /// are rounded up. Where none of them can be believed those of an `older` field count.
    ///
    /// A date is measured against the answer's own `date`, since clocks differ; only without a usable one against
    /// `wallSeconds`, our own seconds since 1970.
    package init(_ values: [String], older: [String] = [], date: String? = nil, wallSeconds: Int64) {
        let now = date.flatMap { HTTPDate.seconds($0, now: wallSeconds) } ?? wallSeconds
        let longest = Self.longest(of: values, now: now) ?? Self.longest(of: older, now: now)
        self = longest.map { .told(.seconds($0)) } ?? .unusable
    }

    /// Whether any of the values says something.
    package static func isTold(_ values: [String]) -> Bool {
        values.contains { $0.utf8.contains { $0 != 0x20 && $0 != 0x09 && $0 != 0x2C } }
    }

    var nanoseconds: Nanoseconds? {
        guard case .told(let wait) = self else { return nil }
        return wait.clampedNanoseconds
    }

    private static func longest(of values: [String], now: Int64) -> Int64? {
        values.flatMap(elements).compactMap { wait($0, now: now) }.max()
    }

    /// The elements of a list. A date has a comma of its own, after the name of its day.
    private static func elements(_ value: String) -> [Substring.UTF8View] {
        var elements: [Substring.UTF8View] = []
        for part in value.utf8.split(separator: 0x2C) {
            let part = trimmed(part)
            if let last = elements.last, isDay(last) {
                // The parts are slices of one text, so the date is what lies from the one to the other.
                elements[elements.count - 1] = value.utf8[last.startIndex..<part.endIndex]
            } else {
                elements.append(part)
            }
        }
        return elements
    }

    /// `Sun`, `Sunday`.
    private static func isDay(_ text: Substring.UTF8View) -> Bool {
        let text = Substring(text)
        return days.contains(text.prefix(3)) && (text.utf8.count == 3 || text.hasSuffix("day"))
    }

    private static let days: Set<Substring> = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]

    /// Whole seconds from one to a day; nil for anything else.
    private static func wait(_ text: Substring.UTF8View, now: Int64) -> Int64? {
        guard let first = text.first else { return nil }
        let isNumber = (0x30...0x39).contains(first)
        guard
            let seconds = isNumber
                ? seconds(text) : HTTPDate.seconds(String(Substring(text)), now: now).map({ $0 - now }),
            seconds > 0, seconds <= 86_400
        else { return nil }
        return seconds
    }

    private static func trimmed(_ text: Substring.UTF8View) -> Substring.UTF8View {
        var text = text
        while let first = text.first, first == 0x20 || first == 0x09 { text.removeFirst() }
        while let last = text.last, last == 0x20 || last == 0x09 { text.removeLast() }
        return text
    }

    /// Digits, as many as there are, and perhaps a fraction, which is rounded up.
    private static func seconds(_ text: Substring.UTF8View) -> Int64? {
        let parts = text.split(separator: 0x2E, maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy { (0x30...0x39).contains($0) } }) else { return nil }
        var seconds = parts[0].reduce(Int64(0)) { min($0 * 10 + Int64($1 - 0x30), Int64.max / 100) }
        if parts.count == 2, parts[1].contains(where: { $0 != 0x30 }) { seconds += 1 }
        return seconds
    }
}
