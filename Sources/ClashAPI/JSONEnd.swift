// Whether a JSON text that passes by stops in the middle. What is not JSON at all is not its business.
//
// Every forwarded body passes here, so it only counts: brackets outside strings, and where strings end. That is enough to
// see that something must still come, and costs a tenth of reading the tokens.

/// Follows one text, chunk by chunk, in constant memory.
public struct JSONEnd: Sendable {
    private enum Place {
        /// Before the first byte that is no blank.
        case before
        case structure
        case string
        /// Behind a backslash in a string.
        case escape
        /// The document is complete, or what came is no object, list or string.
        case after
    }

    private var place = Place.before
    private var depth = 0

    /// Begins with nothing.
    public init() {}

    /// Whether the text so far is the beginning of a document that must go on.
    public var isInside: Bool {
        switch place {
        case .before, .after: false
        case .structure, .string, .escape: true
        }
    }

    /// Reads the next bytes.
    public mutating func consume(_ chunk: [UInt8]) {
        if case .after = place { return }
        var (place, depth) = (place, depth)
        for byte in chunk {
            switch place {
            case .string:
                if byte == UInt8(ascii: "\"") {
                    place = depth == 0 ? .after : .structure
                } else if byte == UInt8(ascii: "\\") {
                    place = .escape
                }
            case .escape: place = .string
            case .structure:
                switch byte {
                case UInt8(ascii: "\""): place = .string
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    depth -= 1
                    if depth == 0 { place = .after }
                default: break
                }
            case .before:
                switch byte {
                case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"): break
                case UInt8(ascii: "{"), UInt8(ascii: "["): (place, depth) = (.structure, 1)
                case UInt8(ascii: "\""): place = .string
                default: place = .after
                }
            case .after: break
            }
        }
        (self.place, self.depth) = (place, depth)
    }
}
