// The correlation ids that are taken from tools as they are.

import Ground
import NIOCore

/// 1–128 of `[A-Za-z0-9._-]`.
package enum OfferedID {
    static let maxBytes = 128

    /// Whether `id` is one.
    package static func isAcceptable(_ id: String) -> Bool {
        (1...maxBytes).contains(id.utf8.count) && id.utf8.allSatisfy(isAcceptable)
    }

    /// The one that stands in what has come of a head that cannot be understood; nil where none does, or more than one.
    static func find(in head: ByteBuffer) -> String? {
        let name = "x-correlation-id:".utf8
        var found: String?
        for line in head.readableBytesView.split(separator: UInt8(ascii: "\n")).dropFirst() {
            guard line.last == UInt8(ascii: "\r") else { continue }
            if line.count == 1 { break }
            guard line.count > name.count, zip(line, name).allSatisfy({ $0 | 0x20 == $1 | 0x20 }) else { continue }
            let value = String(decoding: line.dropFirst(name.count).dropLast(), as: UTF8.self).trimmedBlanks
            guard found == nil, isAcceptable(String(value)) else { return nil }
            found = String(value)
        }
        return found
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
