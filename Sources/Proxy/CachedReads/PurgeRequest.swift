// What `POST /purge` asks for: `?all`, `?itwin=ID` or `?tag=TAG`, in the query or as a form in the body.

import Caching
import ClashAPI

/// What is to be dropped from the cache.
package enum PurgeRequest: Sendable, Equatable {
    /// Everything.
    case all
    /// Everything of one iTwin, and what may be of it.
    case itwin(String)
    /// Everything with this tag, such as `report:ID` or `list:reports`.
    case tag(String)

    /// Reads form-encoded text. Nil unless it asks for exactly one thing.
    init?(form: String) {
        let pairs = form.split(separator: "&").map { pair -> (String, String) in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(parts[0]), parts.count > 1 ? Self.decoded(parts[1]) : "")
        }
        guard pairs.count == 1, let (name, value) = pairs.first else { return nil }
        switch name {
        case "all" where value.isEmpty || value == "1" || value == "true": self = .all
        case "itwin" where !value.isEmpty: self = .itwin(value)
        case "tag" where !value.isEmpty: self = .tag(value)
        default: return nil
        }
    }

    /// As `init(form:)` reads it.
    package var form: String {
        switch self {
        case .all: "all"
        case .itwin(let id): "itwin=" + Self.encoded(id)
        case .tag(let tag): "tag=" + Self.encoded(tag)
        }
    }

    var invalidation: CacheInvalidation {
        switch self {
        case .all: .everything
        case .itwin(let id): .tagged(TagSet(Tag.everything(of: id)))
        case .tag(let tag): .tagged(TagSet([Tag.canonical(tag)]))
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

    private static func encoded(_ text: String) -> String {
        text.utf8.reduce(into: "") { out, byte in
            let scalar = Unicode.Scalar(byte)
            let isPlain =
                scalar.properties.isASCIIHexDigit || scalar.properties.isAlphabetic
                || "-._~:".unicodeScalars.contains(scalar)
            out += byte < 0x80 && isPlain ? String(scalar) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
    }
}
