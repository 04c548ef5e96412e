// One request head, checked: everything that HTTP forbids or that could be read in two ways is refused here,
// before anybody decides anything by it.

import Ground
import HTTPTypes
import NIOCore
import NIOHTTP1

/// How the request body is framed.
package enum RequestFraming: Equatable, Sendable {
    /// There is no body.
    case none
    /// Bytes announced by `Content-Length`.
    case length(Int)
    /// `Transfer-Encoding: chunked`.
    case chunked

    /// Bytes, when they are announced.
    package var declaredLength: Int? {
        switch self {
        case .none: 0
        case .length(let bytes): bytes
        case .chunked: nil
        }
    }
}

/// A well-formed request head in origin form. Immutable; it follows from the bytes of the head alone, unless it
/// `dependsOnConnection`.
package final class RequestHead: Sendable {
    /// One of those that are served.
    package let method: HTTPRequest.Method
    /// Path and query exactly as they came.
    package let target: String
    /// The target without its query.
    package let path: String
    /// Without the correlation id: heads that differ in nothing else are one to everybody who looks at it.
    package let fields: HTTPFields
    /// The correlation id that the tool offers, whatever it looks like.
    package let offeredID: String?
    /// From the absolute-form target, else from `Host`.
    package let authority: Authority?
    /// The same as text, for links; where neither is there, what the connection was accepted at.
    package let authorityText: String
    /// The head names no host, as HTTP/1.0 allows.
    package let dependsOnConnection: Bool
    /// The target came as `http://host/…` and must therefore name this very host.
    package let isAbsoluteForm: Bool
    /// The tool speaks HTTP/1.0.
    package let isHTTP10: Bool
    /// The tool wants to go on with the connection.
    package let keepsAlive: Bool
    /// Whether a body follows, and how it ends.
    package let framing: RequestFraming
    /// The tool waits for `100 Continue` before it sends the body.
    package let expectsContinue: Bool
    /// What its fields take as lines, line ends included: to be held against `listen.max_header_bytes`.
    let fieldBytes: Int

    private static func path(of target: String) -> String {
        let bytes = target.utf8.span
        for index in bytes.indices where bytes[index] == UInt8(ascii: "?") {
            return String(Substring(target.utf8.prefix(index)))
        }
        return target
    }

    /// Targets longer than this get 414.
    package static let maxTargetBytes = 8_192

    /// Whether it asks about this proxy as a whole: `OPTIONS *` (RFC 9110 section 9.3.7).
    package var isAboutServer: Bool { target == "*" }

    /// Checks a decoded head. Throws 400 `InvalidRequest`, or what the method, the version or the target is refused with.
    ///
    /// - Parameters:
    ///   - bytes: the head as it came, where values in it may be no UTF-8.
    ///   - localAuthority: where the connection was accepted, for heads that name no host.
    package init(
        _ head: HTTPRequestHead, bytes: ByteBuffer? = nil, localAuthority: () -> String = { "" }
    ) throws(WireFailure) {
        guard head.version.major == 1 else {
            throw WireFailure(.versionNotSupported, "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
        }
        let method = try Self.checkedMethod(head.method.rawValue)
        guard head.uri.utf8.count <= Self.maxTargetBytes else {
            throw WireFailure(.targetTooLong, "The request target is longer than \(Self.maxTargetBytes) bytes.")
        }
        fieldBytes =
            bytes.map(Self.fieldBytes) ?? head.headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 }
        var fields = try Self.checkedFields(head.headers, bytes)
        let isHTTP10 = head.version.minor == 0
        let (target, authorityText, isAbsoluteForm) = try Self.splitTarget(
            head.uri, fields, isHTTP10: isHTTP10, mayBeStar: method == .options)
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
        offeredID = fields[.correlationID]
        if offeredID != nil { fields[.correlationID] = nil }
        dependsOnConnection = authorityText.isEmpty
        self.authorityText = authorityText.isEmpty ? localAuthority() : authorityText
        path = Self.path(of: target)
        (self.method, self.target, self.fields, self.isHTTP10) = (method, target, fields, isHTTP10)
        self.isAbsoluteForm = isAbsoluteForm
    }

    /// The methods that are served, as `Allow` lists them.
    package static let allowedMethods = "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"

    private static func checkedMethod(_ name: String) throws(WireFailure) -> HTTPRequest.Method {
        guard let method = HTTPRequest.Method(rawValue: name) else { throw .invalid("The method is not a token.") }
        switch method {
        case .get, .head, .options, .post, .put, .patch, .delete: return method
        case .connect, .trace:
            throw WireFailure(.methodNotAllowed, "The method \(name) is not allowed here; \(allowedMethods) are.")
        default:
            throw WireFailure(
                .methodNotImplemented,
                "The method \(name.prefix(32)) is not implemented here; \(allowedMethods) are.")
        }
    }

    private static func checkedFields(_ headers: HTTPHeaders, _ bytes: ByteBuffer?) throws(WireFailure) -> HTTPFields {
        var fields = HTTPFields()
        fields.reserveCapacity(headers.count)
        let lines = bytes.map(fieldLines)
        if let lines, lines.count != headers.count { throw .invalid("The request is not well-formed HTTP/1.1.") }
        for (index, (name, text)) in headers.enumerated() {
            guard let fieldName = HTTPField.Name(name) else {
                throw .invalid("A header name is not a token.")
            }
            // The decoder leaves the blanks behind a value, which are no part of it (RFC 9110, 5.5).
            let isPadded = text.utf8.last == UInt8(ascii: " ") || text.utf8.last == UInt8(ascii: "\t")
            let value = isPadded ? String(text.trimmedBlanks) : text
            guard HTTPField.isValidValue(value) else {
                throw .invalid("The header \(fieldName.rawName) has a value with bytes that are not allowed.")
            }
            if let lines {
                fields.append(HTTPField(name: fieldName, value: lines[index]))
            } else {
                fields.append(HTTPField(name: fieldName, value: value))
            }
        }
        return fields
    }

    /// How long the lines of a head are, as they came: a byte that is no UTF-8 is three in a text.
    private static func fieldBytes(_ head: ByteBuffer) -> Int {
        let bytes = head.readableBytesView
        let requestLine = bytes.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 - bytes.startIndex } ?? 0
        return max(bytes.count - requestLine - 2, 0)
    }

    /// The values of the lines of a head, byte for byte, without the blanks around them.
    private static func fieldLines(_ head: ByteBuffer) -> [ArraySlice<UInt8>] {
        let bytes = Array(head.readableBytesView)
        return bytes.split(separator: UInt8(ascii: "\n")).dropFirst().compactMap { line in
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
            let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
            let value = line[(colon + 1)...].drop(while: isBlank)
            let end = value.lastIndex { !isBlank($0) }
            return value.prefix(through: end ?? value.startIndex - 1)
        }
    }

    private static func splitTarget(
        _ uri: String, _ fields: HTTPFields, isHTTP10: Bool, mayBeStar: Bool
    ) throws(WireFailure) -> (target: String, authority: String, isAbsolute: Bool) {
        let hosts = fields[values: .host]
        guard hosts.count <= 1 else { throw .invalid("There is more than one Host header.", target: "Host") }
        guard hosts.count == 1 || isHTTP10 else { throw .invalid("The Host header is missing.", target: "Host") }
        // Also where an absolute-form target says what counts (RFC 9112 section 3.2).
        if let host = hosts.first, !host.isEmpty, Authority(host) == nil {
            throw .invalid("The Host header is malformed.", target: "Host")
        }
        if uri.utf8.first == UInt8(ascii: "/") || mayBeStar && uri == "*" { return (uri, hosts.first ?? "", false) }
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
    private static func checkedFraming(_ fields: HTTPFields, isHTTP10: Bool) throws(WireFailure) -> RequestFraming {
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

extension HTTPFields {
    /// What `Connection` lists, in lower case (RFC 9110 section 7.6.1).
    fileprivate var connectionOptions: [String] {
        guard contains(.connection) else { return [] }
        return self[values: .connection].flatMap { $0.utf8.split(separator: UInt8(ascii: ",")) }
            .map { Substring($0).trimmedBlanks.lowercased() }.filter { !$0.isEmpty }
    }
}

extension HTTPField.Name {
    fileprivate static let correlationID = known("x-correlation-id")
    fileprivate static let host = known("Host")

    private static func known(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { preconditionFailure("the constants above are tokens") }
        return name
    }
}
