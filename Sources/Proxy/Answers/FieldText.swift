// Field values whose bytes need be no UTF-8 (RFC 9110 section 5.5).

import HTTPTypes

extension HTTPField {
    /// For people: UTF-8, else ISO 8859-1, which older tools send.
    var text: String {
        withUnsafeBytesOfValue { bytes in
            if let text = String(validating: bytes, as: UTF8.self) { return text }
            var text = ""
            for byte in bytes { text.unicodeScalars.append(Unicode.Scalar(byte)) }
            return text
        }
    }
}

extension HTTPFields {
    /// What the subscript gives, several values as a list, at a quarter of its cost where there is one: it always joins.
    func value(of name: HTTPField.Name) -> String? {
        let values = self[values: name]
        return values.count > 1 ? self[name] : values.first
    }

    /// The values of a name as people read them, several as a list; nil without any.
    func text(of name: HTTPField.Name) -> String? {
        guard contains(name) else { return nil }
        return self[fields: name].map(\.text).joined(separator: ", ")
    }

    /// Replaces the fields of a name, each where it stands, by what `change` makes of its bytes; nil leaves one as it is.
    mutating func replace(_ name: HTTPField.Name, _ change: (UnsafeBufferPointer<UInt8>) -> [UInt8]?) {
        guard contains(name) else { return }
        self = HTTPFields(
            map { field in
                guard field.name == name, let value = field.withUnsafeBytesOfValue(change) else { return field }
                return HTTPField(name: field.name, value: value)
            })
    }
}

extension HTTPFields {
    private static let json = Array("json".utf8)

    /// Whether `Content-Type` is JSON, whatever the vendor calls it. Byte by byte: every answer is asked, and searching text
    /// for text costs more than all else that is done with its head.
    var mediaTypeIsJSON: Bool {
        guard let type = value(of: .contentType) else { return false }
        let word = Self.json
        var matched = 0
        for byte in type.utf8 {
            // A mismatch in mid-word can begin the word anew: its first letter does not come again in it.
            if byte | 0x20 != word[matched] { matched = 0 }
            if byte | 0x20 == word[matched] { matched += 1 }
            if matched == word.count { return true }
        }
        return false
    }
}
