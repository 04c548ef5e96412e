// One request head, checked: everything that HTTP forbids or that could be read in two ways is refused here,
// before anybody decides anything by it.

import HTTPTypes
import NIOCore
import NIOHTTP1

/// How the request body is framed.
enum RequestFraming: Equatable {
    case none
    /// Bytes announced by `Content-Length`.
    case length(Int)
    case chunked

    /// Bytes, when they are announced.
    var declaredLength: Int? {
        switch self {
        case .none: 0
        case .length(let bytes): bytes
        case .chunked: nil
        }
    }
}

/// A well-formed request head in origin form.
struct RequestHead {
    var method: HTTPRequest.Method
    /// Path and query exactly as they came.
    var target: String
    var fields: HTTPFields
    /// From the absolute-form target, else from `Host`.
    var authority: Authority?
    /// The same as text, for links.
    var authorityText: String
    /// The target came as `http://host/…` and must therefore name this very host.
    var isAbsoluteForm: Bool
    var isHTTP10: Bool
    var keepsAlive: Bool
    var framing: RequestFraming
    var expectsContinue: Bool

    /// The target without its query.
    var path: String {
        let bytes = target.utf8.span
        for index in bytes.indices where bytes[index] == UInt8(ascii: "?") {
            return String(Substring(target.utf8.prefix(index)))
        }
        return target
    }

    /// Targets longer than this get 414.
    static let maxTargetBytes = 8_192

    /// Checks a decoded head. Throws 400 `InvalidRequest` or 414.
    init(_ head: HTTPRequestHead) throws(Failure) {
        guard let method = HTTPRequest.Method(rawValue: head.method.rawValue), head.method != .CONNECT,
            head.method != .TRACE
        else { throw .invalid("The method \(head.method.rawValue) is not supported here.") }
        guard head.uri.utf8.count <= Self.maxTargetBytes else {
            throw Failure(.targetTooLong, "The request target is longer than \(Self.maxTargetBytes) bytes.")
        }
        self.method = method
        fields = try Self.checkedFields(head.headers)
        isHTTP10 = head.version.minor == 0
        (target, authorityText, isAbsoluteForm) = try Self.splitTarget(head.uri, fields, isHTTP10: isHTTP10)
        authority = Authority(authorityText)
        if authority == nil, !authorityText.isEmpty || !isHTTP10 {
            throw .invalid("The Host header is missing or malformed.", target: "Host")
        }
        framing = try Self.checkedFraming(fields, isHTTP10: isHTTP10)
        let options = fields.connectionOptions
        // After an offered upgrade the decoder reads no further request, whether or not it was taken up.
        let mayBeKept = !options.contains("close") && !options.contains("upgrade")
        keepsAlive = mayBeKept && (!isHTTP10 || options.contains("keep-alive"))
        expectsContinue = !isHTTP10 && (fields[.expect]?.lowercased() == "100-continue")
    }

    private static func checkedFields(_ headers: HTTPHeaders) throws(Failure) -> HTTPFields {
        var fields = HTTPFields()
        fields.reserveCapacity(headers.count)
        for (name, text) in headers {
            // The decoder leaves the blanks behind a value, which are no part of it (RFC 9110, 5.5).
            let isPadded = text.utf8.last == UInt8(ascii: " ") || text.utf8.last == UInt8(ascii: "\t")
            let value = isPadded ? text[...].trimmedSpaces : text
            guard let fieldName = HTTPField.Name(name) else {
                throw .invalid("A header name is not a token.")
            }
            guard HTTPField.isValidValue(value), !Self.wasRepaired(value) else {
                throw .invalid("The header \(fieldName.rawName) has a value with bytes that are not allowed.")
            }
            if HeaderTraits.of(fieldName).contains(.refused) {
                throw .invalid(
                    "Overriding the method by header is not allowed: send the request with the method you mean.",
                    target: fieldName.rawName)
            }
            fields.append(HTTPField(name: fieldName, value: value))
        }
        return fields
    }

    /// U+FFFD: the decoder replaced bytes that are not UTF-8, so they could not be passed on as they came.
    private static func wasRepaired(_ value: String) -> Bool {
        let bytes = value.utf8.span
        for index in bytes.indices where bytes[index] == 0xEF { return value.contains("\u{FFFD}") }
        return false
    }

    private static func splitTarget(
        _ uri: String, _ fields: HTTPFields, isHTTP10: Bool
    ) throws(Failure) -> (target: String, authority: String, isAbsolute: Bool) {
        let hosts = fields[values: .host]
        guard hosts.count <= 1 else { throw .invalid("There is more than one Host header.", target: "Host") }
        guard hosts.count == 1 || isHTTP10 else { throw .invalid("The Host header is missing.", target: "Host") }
        if uri.utf8.first == UInt8(ascii: "/") { return (uri, hosts.first ?? "", false) }
        let lowered = uri.prefix(8).lowercased()
        let schemeLength = lowered.hasPrefix("http://") ? 7 : lowered.hasPrefix("https://") ? 8 : 0
        guard schemeLength > 0 else { throw .invalid("The request target must begin with a slash.") }
        let rest = uri.dropFirst(schemeLength)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let path = rest[authority.endIndex...]
        return (path.first == "/" ? String(path) : "/" + path, String(authority), true)
    }

    /// The decoder already refuses Transfer-Encoding together with Content-Length and lengths that disagree;
    /// what it lets through is a coding other than `chunked`, which could not be passed on faithfully.
    private static func checkedFraming(_ fields: HTTPFields, isHTTP10: Bool) throws(Failure) -> RequestFraming {
        let codings = fields[values: .transferEncoding]
        let lengths = fields[values: .contentLength]
        if !codings.isEmpty {
            guard lengths.isEmpty, !isHTTP10, codings.count == 1, codings[0].lowercased() == "chunked" else {
                throw .invalid("The only Transfer-Encoding accepted is chunked, alone.", target: "Transfer-Encoding")
            }
            return .chunked
        }
        guard let text = lengths.first else { return .none }
        let isNumber = !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard lengths.count == 1, isNumber, let length = Int(text) else {
            throw .invalid("Content-Length must be one decimal number.", target: "Content-Length")
        }
        return length == 0 ? .none : .length(length)
    }
}
