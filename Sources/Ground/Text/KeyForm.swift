// What keys of this proxy look like, so that one that stands where none belongs gets into no log.

/// Finds keys that `keygen` has made, by how they begin.
package enum KeyForm {
    /// Every key begins so; secret scanners can find what leaks.
    package static let prefix = "cpk_"

    /// Whether a key, or a part of one, stands in `text`, percent-encoded or not.
    package static func isIn(_ text: String) -> Bool {
        if holds(text) { return true }
        guard text.utf8.contains(UInt8(ascii: "%")), let pair = FormText.pairs(text.replacing("&", with: "+")).first
        else {
            return false
        }
        return holds(pair.name) || holds(pair.value)
    }

    /// `text` as it may be logged: with `cpk_***` in place of each key; where one is percent-encoded `***` in place of all.
    package static func hidden(_ text: String) -> String {
        guard isIn(text) else { return text }
        var (out, rest) = ([UInt8](), Array(text.utf8)[...])
        var found = false
        while let byte = rest.first {
            if begins(rest) {
                out += prefix.utf8
                out += "***".utf8
                rest = rest.dropFirst(prefix.utf8.count).drop(while: isPart)
                found = true
            } else {
                out.append(byte)
                rest = rest.dropFirst()
            }
        }
        return found ? String(decoding: out, as: UTF8.self) : "***"
    }

    private static func holds(_ text: String) -> Bool {
        let utf8 = text.utf8
        // Most paths hold no underscore.
        guard utf8.count >= prefix.utf8.count, utf8.contains(UInt8(ascii: "_")) else { return false }
        let bytes = Array(utf8)
        return bytes.indices.contains { begins(bytes[$0...]) }
    }

    private static func begins(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.count >= prefix.utf8.count
            && zip(bytes, prefix.utf8).allSatisfy { $0 == $1 || $1 != UInt8(ascii: "_") && $0 | 0x20 == $1 }
    }

    private static func isPart(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"): true
        default: false
        }
    }
}
