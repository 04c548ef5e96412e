// Durations and sizes as text: a whole number and one unit, `30s`, `64MiB`. Reading never overflows;
// writing picks the largest unit that loses nothing, so that text read is text written.

import Ground
import RateLimiting

enum Quantity {
    private static let times: [(unit: String, milliseconds: Int)] = [
        ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
    ]
    private static let sizes: [(unit: String, bytes: Int)] = [
        ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1),
    ]

    static func parseDuration(_ text: String) throws(ValueProblem) -> Duration {
        let (number, unit) = try split(text, example: "30s")
        guard let scale = times.first(where: { $0.unit == unit })?.milliseconds else {
            throw ValueProblem("has no unit ms, s, m or h")
        }
        return .milliseconds(try product(number, scale))
    }

    static func parseBytes(_ text: String) throws(ValueProblem) -> Int {
        let (number, unit) = try split(text, example: "64MiB")
        guard let scale = sizes.first(where: { $0.unit == unit })?.bytes else {
            throw ValueProblem("has no unit B, KiB, MiB or GiB")
        }
        return try product(number, scale)
    }

    /// `"5000/1m"`.
    static func parseWindow(_ text: String, _ spans: ClosedRange<Duration>) throws(ValueProblem) -> GateWindow {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let limit = HostName.number(parts[0]) else {
            throw ValueProblem("is not a number of calls, a slash and a duration")
        }
        if limit < 1 { throw ValueProblem("allows no call at all") }
        let span = try parseDuration(String(parts[1]))
        guard spans.contains(span) else {
            throw ValueProblem("has a span outside \(duration(spans.lowerBound)) to \(duration(spans.upperBound))")
        }
        return GateWindow(limit: limit, span: span)
    }

    /// Whole milliseconds; finer parts are cut off.
    static func duration(_ duration: Duration) -> String {
        let milliseconds = duration.wholeMilliseconds
        if milliseconds == 0 { return "0s" }
        let (unit, scale) = times.first { milliseconds % $0.milliseconds == 0 } ?? ("ms", 1)
        return "\(milliseconds / scale)\(unit)"
    }

    static func bytes(_ bytes: Int) -> String {
        let (unit, scale) = sizes.first { bytes % $0.bytes == 0 && bytes > 0 } ?? ("B", 1)
        return "\(bytes / scale)\(unit)"
    }

    private static func split(_ text: String, example: String) throws(ValueProblem) -> (Int, String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty else { throw ValueProblem("is not a whole number with a unit like \"\(example)\"") }
        guard let number = HostName.number(digits) else { throw ValueProblem("is too large") }
        return (number, String(text[digits.endIndex...]))
    }

    private static func product(_ number: Int, _ scale: Int) throws(ValueProblem) -> Int {
        let (product, overflow) = number.multipliedReportingOverflow(by: scale)
        if overflow { throw ValueProblem("is too large") }
        return product
    }
}
