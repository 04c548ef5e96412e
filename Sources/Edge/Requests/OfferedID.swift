// The correlation ids that are taken from tools as they are.

/// 1–128 of `[A-Za-z0-9._-]`.
package enum OfferedID {
    static let maxBytes = 128

    /// Whether `id` is one.
    package static func isAcceptable(_ id: String) -> Bool {
        (1...maxBytes).contains(id.utf8.count) && id.utf8.allSatisfy(isAcceptable)
    }

    static func isAcceptable(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
