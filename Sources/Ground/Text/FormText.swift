// Form-encoded text (WHATWG URL, section 5), as it stands in queries and bodies of small forms.

/// Reads and writes it.
package enum FormText {
    /// Its names and values, in their order; a name without a value has an empty one. Any text can be read.
    package static func pairs(_ form: String) -> [(name: String, value: String)] {
        form.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (decoded(parts[0]), parts.count > 1 ? decoded(parts[1]) : "")
        }
    }

    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A value as it may stand in a form or query.
    package static func encoded(_ text: String) -> String {
        text.utf8.reduce(into: "") { out, byte in
            let scalar = Unicode.Scalar(byte)
            let isPlain =
                scalar.properties.isASCIIHexDigit || scalar.properties.isAlphabetic
                || "-._~:".unicodeScalars.contains(scalar)
            out += byte < 0x80 && isPlain ? String(scalar) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
    }
}
