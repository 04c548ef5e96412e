// Writing small JSON documents (RFC 8259) member by member, for answers that are not on any hot path.

/// One JSON object, its members in the order in which they were added. A value.
package struct JSONObject: Sendable {
    private var members: [String] = []

    /// An empty one.
    package init() {}

    /// The object as text, on one line.
    package var text: String { "{\(members.joined(separator: ","))}" }

    /// A string; nil: null.
    package mutating func add(_ name: String, _ value: String?) { add(name, raw: value.map(JSONText.quoted) ?? "null") }

    /// A whole number; nil: null.
    package mutating func add(_ name: String, _ value: Int?) { add(name, raw: value.map { "\($0)" } ?? "null") }

    /// True or false.
    package mutating func add(_ name: String, _ value: Bool) { add(name, raw: value ? "true" : "false") }

    /// A number of seconds, with milliseconds where there are any, never less than it is; nil: null.
    package mutating func add(_ name: String, seconds span: Duration?) {
        add(name, raw: span.map { Self.decimal(Self.millisecondsUp($0)) } ?? "null")
    }

    /// A span in milliseconds with one decimal.
    package mutating func add(_ name: String, milliseconds span: Duration) {
        let tenths = span.tenthsOfMilliseconds
        add(name, raw: "\(tenths / 10).\(abs(tenths % 10))")
    }

    /// An object within it; nil: null.
    package mutating func add(_ name: String, _ object: JSONObject?) { add(name, raw: object?.text ?? "null") }

    /// A list of objects.
    package mutating func add(_ name: String, _ objects: [JSONObject]) {
        add(name, raw: "[\(objects.map(\.text).joined(separator: ","))]")
    }

    /// A list of strings.
    package mutating func add(_ name: String, _ texts: [String]) {
        add(name, raw: "[\(texts.map(JSONText.quoted).joined(separator: ","))]")
    }

    /// A value that is JSON already.
    package mutating func add(_ name: String, raw value: String) { members.append("\(JSONText.quoted(name)):\(value)") }

    private static func millisecondsUp(_ span: Duration) -> Int {
        let (whole, rest) = span.clampedNanoseconds.quotientAndRemainder(dividingBy: 1_000_000)
        return Int(whole) + (rest > 0 ? 1 : 0)
    }

    /// `1500` as `1.500`, `2000` as `2`.
    private static func decimal(_ milliseconds: Int) -> String {
        let (whole, rest) = (abs(milliseconds) / 1000, abs(milliseconds) % 1000)
        let sign = milliseconds < 0 ? "-" : ""
        guard rest > 0 else { return "\(sign)\(whole)" }
        let digits = "\(rest)"
        return "\(sign)\(whole).\(String(repeating: "0", count: 3 - digits.count))\(digits)"
    }
}
