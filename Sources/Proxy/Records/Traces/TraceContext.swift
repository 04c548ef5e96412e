// What a request says about the trace that it belongs to: W3C Trace Context, https://www.w3.org/TR/trace-context/
// sections 3.2 (traceparent) and 3.3 (tracestate).

import Ground
import HTTPTypes

/// The trace and the span that a request comes from. A value.
struct TraceContext: Sendable, Equatable {
    let trace: TraceID
    /// Of whoever sent the request.
    let parent: SpanID
    /// Whether the one before us has it recorded.
    let isSampled: Bool
    /// Whether the rest of the trace's id is random, which is told on (Trace Context level 2).
    let isRandom: Bool
    /// What other vendors want told on; nil: nothing, or nothing that can be read.
    let state: String?

    /// Nil where there is no `traceparent`, more than one, or one that is not valid: then a trace begins here.
    init?(_ fields: HTTPFields) {
        guard fields.contains(.traceparent) else { return nil }
        let values = fields[values: .traceparent]
        guard values.count == 1 else { return nil }
        self.init(parent: values[0], state: fields.contains(.tracestate) ? fields[values: .tracestate] : [])
    }

    /// - Parameters:
    ///   - text: the value of `traceparent`.
    ///   - state: the values of all fields `tracestate`.
    init?(parent text: String, state: [String] = []) {
        let utf8 = text.utf8
        let bytes = utf8.span
        // version "-" trace-id "-" parent-id "-" flags: what a later version adds stands behind another dash.
        guard bytes.count >= Self.length, [2, 35, 52].allSatisfy({ bytes[$0] == Self.dash }),
            let version = HexWord.read(bytes, at: 0, count: 2), version != 0xff,
            version == 0
                ? bytes.count == Self.length : bytes.count == Self.length || bytes[Self.length] == Self.dash,
            let high = HexWord.read(bytes, at: 3, count: 16), let low = HexWord.read(bytes, at: 19, count: 16),
            high | low != 0, let parent = HexWord.read(bytes, at: 36, count: 16), parent != 0,
            let flags = HexWord.read(bytes, at: 53, count: 2)
        else { return nil }
        trace = TraceID(high: high, low: low)
        self.parent = SpanID(bits: parent)
        isSampled = flags & 1 != 0
        isRandom = flags & 2 != 0
        self.state = TraceState.joined(state)
    }

    private static let length = 55
    private static let dash = UInt8(ascii: "-")
}

/// The list of `tracestate`. It is told on as it came; nothing of ours is added.
enum TraceState {
    private static let mostMembers = 32

    /// The members of all fields as one list, in their order. Nil where there are none, too many, or one that is not what the
    /// specification allows: what is broken is not told on.
    static func joined(_ values: [String]) -> String? {
        let members = values.flatMap { $0.utf8.split(separator: UInt8(ascii: ",")) }
            .map(\.trimmedBlanks).filter { !$0.isEmpty }
        guard !members.isEmpty, members.count <= mostMembers, members.allSatisfy(isMember) else { return nil }
        return members.map { String(Substring($0)) }.joined(separator: ",")
    }

    private static func isMember(_ member: Substring.UTF8View) -> Bool {
        guard let mark = member.firstIndex(of: UInt8(ascii: "=")) else { return false }
        return isKey(member[..<mark]) && isValue(member[member.index(after: mark)...])
    }

    /// `simple-key`, at most 256 characters, or `tenant@system` of at most 241 and 14.
    private static func isKey(_ key: Substring.UTF8View) -> Bool {
        let parts = key.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
        switch parts.count {
        case 1: return isName(parts[0], atMost: 256, mayBeginWithDigit: false)
        case 2:
            return isName(parts[0], atMost: 241, mayBeginWithDigit: true)
                && isName(parts[1], atMost: 14, mayBeginWithDigit: false)
        default: return false
        }
    }

    private static func isName(_ name: Substring.UTF8View, atMost limit: Int, mayBeginWithDigit: Bool) -> Bool {
        guard let first = name.first, name.count <= limit, isLetter(first) || mayBeginWithDigit && ASCII.isDigit(first)
        else { return false }
        return name.allSatisfy { isLetter($0) || ASCII.isDigit($0) || "_-*/".utf8.contains($0) }
    }

    private static func isLetter(_ byte: UInt8) -> Bool { byte &- 0x61 < 26 }

    /// Up to 256 printable characters without comma and equals sign, the last of which is no blank.
    private static func isValue(_ value: Substring.UTF8View) -> Bool {
        guard let last = value.last, last != 0x20, value.count <= 256 else { return false }
        return value.allSatisfy { (0x20...0x7E).contains($0) && $0 != 0x2C && $0 != 0x3D }
    }
}
