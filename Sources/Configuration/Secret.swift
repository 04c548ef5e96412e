// A secret string that cannot be printed by accident: every way Swift turns a value into text
// (interpolation, debug output, dump, reflection) gives the same placeholder.

/// A secret. Reaching its text takes a visible step, `withValue`.
package struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// What stands where the secret would.
    package static let placeholder = "‹secret›"

    private let value: String

    /// Wraps `value`; nothing is checked.
    package init(_ value: String) {
        self.value = value
    }

    /// Gives the text to `body`, for the one place that has to send it.
    package func withValue<Result>(_ body: (String) throws -> Result) rethrows -> Result {
        try body(value)
    }

    /// Whether there is no text at all.
    package var isEmpty: Bool { value.isEmpty }

    /// The placeholder.
    package var description: String { Self.placeholder }
    /// The placeholder.
    package var debugDescription: String { Self.placeholder }
    /// A mirror without children.
    package var customMirror: Mirror { Mirror(self, children: []) }

    /// Takes as long for a near miss as for a far one; only the length can be learned from the time.
    package static func == (left: Secret, right: Secret) -> Bool {
        let left = Array(left.value.utf8)
        let right = Array(right.value.utf8)
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for at in left.indices { difference |= left[at] ^ right[at] }
        return difference == 0
    }
}
