// The secondary key of RFC 9111, 4.1: what else of a request the answer depended on.

import Ground
import HTTPTypes

/// Picks the request fields that an answer's Vary names.
package enum Vary {
    /// The names that Vary lists, each once, in a fixed order, so that the order in which upstream lists them makes no
    /// difference; empty without Vary; nil for `*` and for lists that cannot be read: nothing may be answered then
    /// (RFC 9111, 4.1). Names that the primary key already holds are among them.
    package static func names(in fields: HTTPFields) -> [HTTPField.Name]? {
        var names: [HTTPField.Name] = []
        for field in fields where field.name.canonicalName == "vary" {
            for element in field.value.utf8.split(separator: FieldSyntax.comma) {
                let word = String(Substring(element.trimmedBlanks))
                if word.isEmpty { continue }
                guard word != "*", let name = HTTPField.Name(word) else { return nil }
                if !names.contains(name) { names.append(name) }
                if names.count > maxNames { return nil }
            }
        }
        return names.sorted { $0.canonicalName < $1.canonicalName }
    }

    /// Nobody depends on so many; a key of them would be dear for each request.
    private static let maxNames = 32

    /// The values that a request has for these names, as text that is equal exactly if the values are: a missing
    /// field differs from an empty one, lines of one name count as one list (RFC 9110, 5.3). Empty for no names.
    package static func key(_ names: [HTTPField.Name], of request: HTTPFields) -> String {
        if names.isEmpty { return "" }
        var key: [UInt8] = []
        for name in names {
            key.append(contentsOf: name.canonicalName.utf8)
            var isFirst = true
            for field in request where field.name == name {
                key.append(contentsOf: (isFirst ? ":" : ", ").utf8)
                isFirst = false
                append(field, to: &key)
            }
            // No field value contains a line feed.
            key.append(UInt8(ascii: "\n"))
        }
        return String(decoding: key, as: UTF8.self)
    }

    /// Bytes that are not ASCII are escaped: as text, different ones could become the same replacement character.
    private static func append(_ field: HTTPField, to key: inout [UInt8]) {
        field.withUnsafeBytesOfValue { bytes in
            if bytes.allSatisfy({ $0 < 0x80 && $0 != UInt8(ascii: "%") }) {
                key.append(contentsOf: bytes)
                return
            }
            for byte in bytes {
                if byte < 0x80, byte != UInt8(ascii: "%") {
                    key.append(byte)
                } else {
                    key.append(UInt8(ascii: "%"))
                    key.append(contentsOf: String(byte, radix: 16).utf8)
                }
            }
        }
    }
}
