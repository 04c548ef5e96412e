// Whether a JSON text that passes by stops in the middle. What is not JSON at all is not its business.

/// Follows one text, chunk by chunk, in constant memory.
public struct JSONEnd: Sendable {
    private var scanner = JSONScanner(maxDepth: JSONScanner.depthLimit)

    /// Begins with nothing.
    public init() {}

    /// Whether the text so far is the beginning of a document that must go on.
    public var isInside: Bool { scanner.isInside }

    /// Reads the next bytes.
    public mutating func consume(_ chunk: [UInt8]) {
        var offset = 0
        while true {
            switch scanner.next(in: chunk.span, at: &offset) {
            case .needsInput, .invalid: return
            default: break
            }
        }
    }
}
