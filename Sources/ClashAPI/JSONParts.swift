// The small state that a JSON scanner carries from chunk to chunk.

/// How far into a number (RFC 8259 section 6) the input is.
enum JSONNumberState: Sendable {
    case start, minus, zero, integer, point, fraction, exponentMark, exponentSign, exponent

    /// Whether the number may end here.
    var canEnd: Bool {
        switch self {
        case .zero, .integer, .fraction, .exponent: true
        case .start, .minus, .point, .exponentMark, .exponentSign: false
        }
    }

    /// The state behind `byte`, or nil if it does not belong to the number.
    func next(_ byte: UInt8) -> JSONNumberState? {
        switch (self, byte) {
        case (.start, 0x2D): .minus
        case (.start, 0x30), (.minus, 0x30): .zero
        case (.start, 0x31...0x39), (.minus, 0x31...0x39): .integer
        case (.integer, 0x30...0x39): .integer
        case (.zero, 0x2E), (.integer, 0x2E): .point
        case (.point, 0x30...0x39), (.fraction, 0x30...0x39): .fraction
        case (.zero, 0x45), (.zero, 0x65), (.integer, 0x45), (.integer, 0x65), (.fraction, 0x45), (.fraction, 0x65):
            .exponentMark
        case (.exponentMark, 0x2B), (.exponentMark, 0x2D): .exponentSign
        case (.exponentMark, 0x30...0x39), (.exponentSign, 0x30...0x39), (.exponent, 0x30...0x39): .exponent
        default: nil
        }
    }
}

/// The open containers, one bit each.
struct ContainerStack: Sendable {
    enum Container: Sendable {
        case array
        case object
    }

    private(set) var depth = 0
    /// Whether the innermost container is an object; false when none is open.
    private(set) var isObject = false
    private var bits = InlineArray<8, UInt64>(repeating: 0)

    /// The caller keeps depth below `JSONScanner.depthLimit`.
    mutating func push(_ container: Container) {
        let bit: UInt64 = 1 << UInt64(depth & 63)
        isObject = container == .object
        if isObject { bits[depth >> 6] |= bit } else { bits[depth >> 6] &= ~bit }
        depth += 1
    }

    mutating func pop() {
        depth -= 1
        isObject = depth > 0 && bits[(depth - 1) >> 6] >> UInt64((depth - 1) & 63) & 1 == 1
    }
}
