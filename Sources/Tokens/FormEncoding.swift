// `application/x-www-form-urlencoded` as OAuth uses it (RFC 6749 appendix B): token requests, Basic credentials, the
// query of an authorization request, and the query that the browser brings back.

import Ground

enum FormEncoding {
    /// Everything but RFC 3986 "unreserved" characters becomes `%XX` of its UTF-8 bytes. A space becomes `%20`, not
    /// `+`: a form decoder reads both the same, and a server that only undoes percent-encoding reads it right too.
    static func encode(_ text: String) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                bytes.append(byte)
            default:
                bytes += [UInt8(ascii: "%"), Hex.upperDigit(byte >> 4), Hex.upperDigit(byte & 15)]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func text(_ fields: [(String, String)]) -> String {
        fields.map { encode($0) + "=" + encode($1) }.joined(separator: "&")
    }

    /// The fields of a query; nil if one of them comes twice (RFC 6749 section 3.1) or is not encoded right.
    static func fields(_ query: some StringProtocol) -> [String: String]? {
        var fields: [String: String] = [:]
        for pair in query.split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = decode(halves[0]), let value = decode(halves.count == 2 ? halves[1] : ""),
                fields.updateValue(value, forKey: name) == nil
            else { return nil }
        }
        return fields
    }

    private static func decode(_ text: some StringProtocol) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(0x20)
            case UInt8(ascii: "%"):
                guard rest.count >= 2, let high = ASCII.hexValue(rest.removeFirst()),
                    let low = ASCII.hexValue(rest.removeFirst())
                else { return nil }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
