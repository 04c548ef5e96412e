// Reading `Retry-After` (RFC 9110, section 10.2.3) with the suspicion that it has earned in the field.

/// The wait that an answer told, as far as it can be believed.
public enum RetryAfter: Sendable, Equatable {
    /// Longer than nothing and at most a day.
    case told(Duration)
    /// Missing, blank, zero, negative, a date that has passed, more than a day, or not to be read.
    case unusable

    /// The longest wait that is believed.
    public static let longest: Duration = .seconds(86_400)

    /// Reads `value`. A date is measured against the answer's own `date`, since clocks differ; only without a usable
    /// one against `wallSeconds`, our own seconds since 1970.
    public init(_ value: String?, date: String? = nil, wallSeconds: Int64) {
        self = .unusable
        guard let value else { return }
        let text = Self.trimmed(value.utf8)
        guard let first = text.first else { return }
        if (0x30...0x39).contains(first), let seconds = Self.seconds(text) {
            self = Self.believed(seconds)
        } else if let then = HTTPDate.parse(text, wallSeconds: wallSeconds) {
            let now = date.flatMap { HTTPDate.parse(Self.trimmed($0.utf8), wallSeconds: wallSeconds) }
            self = Self.believed(then - (now ?? wallSeconds))
        }
    }

    var nanoseconds: Nanoseconds? {
        guard case .told(let wait) = self else { return nil }
        return wait.clampedNanoseconds
    }

    private static func believed(_ seconds: Int64) -> RetryAfter {
        seconds > 0 && seconds <= 86_400 ? .told(.seconds(seconds)) : .unusable
    }

    private static func trimmed(_ text: String.UTF8View) -> Substring.UTF8View {
        var text = text[...]
        while let first = text.first, first == 0x20 || first == 0x09 { text.removeFirst() }
        while let last = text.last, last == 0x20 || last == 0x09 { text.removeLast() }
        return text
    }

    /// Digits and nothing else; as many as there are.
    private static func seconds(_ text: Substring.UTF8View) -> Int64? {
        var seconds: Int64 = 0
        for digit in text {
            guard (0x30...0x39).contains(digit) else { return nil }
            seconds = min(seconds * 10 + Int64(digit - 0x30), Int64.max / 100)
        }
        return seconds
    }
}
