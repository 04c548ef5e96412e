// The head of an HTTP/2 request: what RFC 9113 section 8 says beyond what every HTTP request must obey, and the same
// request in the form that `RequestHead` checks.

import Ground
import NIOCore
import NIOHPACK
import NIOHTTP1

/// Why a header block is no request that can be handed over.
enum StreamHeadError: Error, Equatable {
    /// Malformed (RFC 9113 section 8.1.1): a stream error.
    case malformed(String)
    /// Refused with an answer.
    case refused(WireFailure)
}

/// A header block, sorted.
struct StreamHead {
    private(set) var method: String?
    private(set) var scheme: String?
    private(set) var path: String?
    private(set) var authority: String?
    private(set) var fields: [(String, String)] = []
    private var hosts: [String] = []
    private var cookies: [String] = []
    private var bytes = 0

    /// - Parameter maxBytes: of fields, each with four more, as HTTP/1.1 writes them.
    init(_ block: HPACKHeaders, maxBytes: Int) throws(StreamHeadError) {
        fields.reserveCapacity(block.count + 1)
        var isTooLarge = false
        for (name, value, _) in block {
            if name.utf8.first == UInt8(ascii: ":") {
                try take(pseudo: name, value)
            } else {
                bytes += name.utf8.count + value.utf8.count + 4
                isTooLarge = isTooLarge || bytes > maxBytes
                try take(name, value)
            }
        }
        if isTooLarge { throw .refused(.headersTooLarge) }
        if let host = hosts.first {
            if hosts.count > 1 { throw .malformed("There is more than one Host field.") }
            if let authority, authority.lowercased() != host.lowercased() {
                throw .malformed("Host and :authority differ.")
            }
        }
        // A cookie may come in pieces (RFC 9113 section 8.2.3).
        if !cookies.isEmpty { fields.append(("cookie", cookies.joined(separator: "; "))) }
    }

    /// The same request as HTTP/1.1 has it.
    ///
    /// - Parameter isWhole: no body follows.
    func asHTTP1(isWhole: Bool) throws(StreamHeadError) -> HTTPRequestHead {
        guard let method, !method.isEmpty else { throw .malformed("There is no :method.") }
        if method == "CONNECT" {
            throw .refused(
                WireFailure(
                    .methodNotAllowed, "The method CONNECT is not allowed here; \(RequestHead.allowedMethods) are."))
        }
        guard let scheme, let path else { throw .malformed("There is no :scheme or no :path.") }
        guard path.utf8.first == UInt8(ascii: "/") || method == "OPTIONS" && path == "*" else {
            throw .malformed("The :path does not begin with a slash.")
        }
        guard ["http", "https"].contains(scheme.lowercased()) else {
            throw .refused(.invalid("The :scheme is neither http nor https."))
        }
        var headers = HTTPHeaders()
        headers.reserveCapacity(fields.count + 2)
        if let host = authority ?? hosts.first { headers.add(name: "host", value: host) }
        for (name, value) in fields { headers.add(name: name, value: value) }
        try addFraming(to: &headers, isWhole: isWhole)
        return HTTPRequestHead(version: .http1_1, method: .RAW(value: method), uri: path, headers: headers)
    }

    private func addFraming(to headers: inout HTTPHeaders, isWhole: Bool) throws(StreamHeadError) {
        guard let length = headers.first(name: "content-length") else {
            // Of unknown length, which HTTP/1.1 writes so.
            if !isWhole { headers.add(name: "transfer-encoding", value: "chunked") }
            return
        }
        if isWhole, length.utf8.contains(where: { $0 != UInt8(ascii: "0") }) {
            throw .malformed("Content-Length announces a body, and there is none.")
        }
    }

    // MARK: Fields

    private mutating func take(pseudo name: String, _ value: String) throws(StreamHeadError) {
        if bytes > 0 { throw .malformed("A pseudo-header field stands behind others.") }
        try Self.check(value)
        switch name {
        case ":method": try set(&method, value)
        case ":scheme": try set(&scheme, value)
        case ":path": try set(&path, value)
        case ":authority": try set(&authority, value)
        default: throw .malformed("There is an unknown pseudo-header field.")
        }
    }

    private func set(_ place: inout String?, _ value: String) throws(StreamHeadError) {
        guard place == nil else { throw .malformed("A pseudo-header field comes twice.") }
        place = value
    }

    private mutating func take(_ name: String, _ value: String) throws(StreamHeadError) {
        guard !name.isEmpty, name.utf8.allSatisfy(Self.isLowerTokenByte) else {
            throw .malformed("A field name is not a lower-case token.")
        }
        try Self.check(value)
        switch name {
        case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
            throw .malformed("The field \(name) has no place in HTTP/2.")
        case "te":
            if value.lowercased() != "trailers" { throw .malformed("The field te may only say trailers.") }
            fields.append((name, value))
        case "host": hosts.append(value)
        case "cookie": cookies.append(value)
        default: fields.append((name, value))
        }
    }

    /// RFC 9113 section 8.2.1. What else RFC 9110 forbids is refused with an answer.
    private static func check(_ value: String) throws(StreamHeadError) {
        var isASCII = true
        for byte in value.utf8 {
            if byte == 0 || byte == 0x0A || byte == 0x0D {
                throw .malformed("A field value has bytes that are never allowed.")
            }
            if byte >= 0x80 { isASCII = false }
        }
        if let first = value.utf8.first, let last = value.utf8.last, isBlank(first) || isBlank(last) {
            throw .malformed("A field value begins or ends with a blank.")
        }
        // NIOHPACK replaces what is no UTF-8: a value that was changed is not passed on.
        if !isASCII, value.unicodeScalars.contains("\u{FFFD}") {
            throw .refused(.invalid("A header value is not UTF-8, which cannot be passed on over HTTP/2."))
        }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// RFC 9110 section 5.6.2, without capital letters.
    private static func isLowerTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x61...0x7A, UInt8(ascii: "-"): true
        default: "!#$%&'*+.^_`|~".utf8.contains(byte)
        }
    }
}

extension StreamHead {
    /// Checks trailers (RFC 9113 section 8.1): they are dropped, but must not be malformed.
    static func checkTrailers(_ block: HPACKHeaders, maxBytes: Int) throws(StreamHeadError) {
        guard block.allSatisfy({ $0.name.utf8.first != UInt8(ascii: ":") }) else {
            throw .malformed("There is a pseudo-header field in the trailers.")
        }
        _ = try StreamHead(block, maxBytes: maxBytes)
    }
}
