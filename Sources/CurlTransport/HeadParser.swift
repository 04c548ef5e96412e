// Response heads from the lines libcurl hands out (status line, fields, blank line; RFC 9112 sections 4 and 5).
// libcurl reports every head it meets: interim ones, the final one, and after the body the trailers. It accepts things
// whose meaning two readers could see differently (two Content-Length values, folded lines); those are refused here.

import Ground
import HTTPTypes

/// Collects one final response head and its trailers.
struct HeadParser {
    enum Step: Equatable {
        case more
        /// The final head is complete.
        case head
        /// The response must not be used; the text says why.
        case invalid(String)
    }

    private enum Part {
        case start
        case fields
        case trailers
    }

    /// The most bytes and fields of all heads and trailers of one exchange together.
    private static let maximumBytes = 256 * 1024
    private static let maximumFields = 1000

    private(set) var status = HTTPResponse.Status(code: 0)
    private(set) var fields = HTTPFields()
    private(set) var trailers = HTTPFields()
    /// The value of Content-Length, nil if absent or overruled by chunked framing.
    private(set) var contentLength: Int?
    private(set) var isChunked = false
    private(set) var isCoded = false
    /// HTTP/1.x, where a message ends by its own framing.
    private(set) var isHTTP1 = false
    private let mayBeHTTP2: Bool
    /// Whether anything of an answer has come.
    var hasBegun: Bool { self.bytes > 0 }
    private var part = Part.start
    private var bytes = 0
    private var fieldCount = 0

    init(mayBeHTTP2: Bool) { self.mayBeHTTP2 = mayBeHTTP2 }

    /// Takes one line as libcurl gives it, line end included.
    mutating func take(_ line: UnsafeBufferPointer<UInt8>, names: inout FieldNameTable) -> Step {
        self.bytes += line.count
        if self.bytes > Self.maximumBytes { return .invalid("response head too large") }
        let text = unsafe Self.withoutLineEnd(line)
        if self.part == .start { return unsafe self.takeStatusLine(text) }
        if text.isEmpty { return self.takeBlankLine() }
        return unsafe self.takeField(text, names: &names)
    }

    /// The codings of the body, for who takes them off; what would no longer describe it then is removed.
    mutating func takeContentCoding() -> [String] {
        let codings = BodyDecoder.names(in: self.fields)
        self.fields[.contentEncoding] = nil
        if !codings.isEmpty { self.fields[.contentLength] = nil }
        return codings
    }

    /// `HTTP/1.` and a digit, or where HTTP/2 may be spoken the line that libcurl makes up for it.
    private mutating func takeVersion(_ version: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        self.isHTTP1 =
            unsafe version.count == 8 && version.starts(with: "HTTP/1.".utf8)
            && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(version[7])
        return unsafe self.isHTTP1 || self.mayBeHTTP2 && version.starts(with: "HTTP/2".utf8)
    }

    private mutating func takeStatusLine(_ line: UnsafeBufferPointer<UInt8>) -> Step {
        guard let space = unsafe line.firstIndex(of: UInt8(ascii: " ")), line.count >= space + 4,
            unsafe self.takeVersion(line[..<space])
        else { return .invalid("malformed status line") }
        // A CR of its own, or a NUL, ends the line for one reader and not for another.
        if unsafe line.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F }) {
            return .invalid("control character in the status line")
        }
        var code = 0
        for index in (space + 1)..<(space + 4) {
            let byte = unsafe line[index]
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return .invalid("malformed status") }
            code = code * 10 + Int(byte - UInt8(ascii: "0"))
        }
        guard code >= 100, unsafe line.count == space + 4 || line[space + 4] == UInt8(ascii: " ") else {
            return .invalid("malformed status")
        }
        // We never ask for an upgrade, so what would follow is nothing we can read.
        if code == 101 { return .invalid("unrequested protocol switch") }
        self.status = unsafe HTTPResponse.Status(
            code: code, reasonPhrase: String(decoding: line[min(space + 5, line.count)...], as: UTF8.self))
        self.fields = HTTPFields()
        self.fields.reserveCapacity(24)
        self.fieldCount = 0
        self.contentLength = nil
        self.isChunked = false
        self.isCoded = false
        self.part = .fields
        return .more
    }

    private mutating func takeBlankLine() -> Step {
        if self.part == .trailers { return .more }
        if self.status.code < 200 {
            self.part = .start
            return .more
        }
        if self.isChunked && self.contentLength != nil {
            // Chunked framing wins and the other must not be passed on (RFC 9112 section 6.3).
            self.contentLength = nil
            self.fields[.contentLength] = nil
        }
        self.part = .trailers
        return .head
    }

    private mutating func takeField(_ line: UnsafeBufferPointer<UInt8>, names: inout FieldNameTable) -> Step {
        if unsafe line[0] == UInt8(ascii: " ") || line[0] == UInt8(ascii: "\t") { return .invalid("folded field line") }
        guard let colon = unsafe line.firstIndex(of: UInt8(ascii: ":")),
            let entry = unsafe names.entry(for: UnsafeBufferPointer(rebasing: line[..<colon]))
        else { return .invalid("malformed field name") }
        let value = unsafe UnsafeBufferPointer(rebasing: line[(colon + 1)...].trimmedBlanks)
        guard let field = unsafe Self.field(entry.name, value) else {
            return .invalid("control character in a field value")
        }
        self.fieldCount += 1
        if self.fieldCount > Self.maximumFields { return .invalid("too many fields") }
        if self.part == .trailers {
            self.trailers.append(field)
            return .more
        }
        switch entry.role {
        case .ordinary: break
        case .contentLength:
            guard let length = unsafe Self.decimal(value) else { return .invalid("malformed Content-Length") }
            if let earlier = self.contentLength {
                return earlier == length ? .more : .invalid("conflicting Content-Length")
            }
            self.contentLength = length
        case .transferEncoding:
            guard !self.isChunked, unsafe Self.isChunked(value) else { return .invalid("unknown transfer coding") }
            self.isChunked = true
        case .contentEncoding:
            if unsafe !Self.isIdentity(value) { self.isCoded = true }
        }
        self.fields.append(field)
        return .more
    }

    /// Nil for a value with control characters. Most values are ASCII, which as text takes one look at each byte
    /// where the library's way for bytes takes three.
    private static func field(_ name: HTTPField.Name, _ value: UnsafeBufferPointer<UInt8>) -> HTTPField? {
        if unsafe value.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) {
            return unsafe HTTPField(name: name, value: String(decoding: value, as: UTF8.self))
        }
        return unsafe HTTPField.isValidValue(value) ? HTTPField(name: name, value: value) : nil
    }

    // MARK: Bytes

    private static func withoutLineEnd(_ line: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        var end = line.count
        if unsafe end > 0 && line[end - 1] == 0x0A { end -= 1 }
        if unsafe end > 0 && line[end - 1] == 0x0D { end -= 1 }
        return unsafe UnsafeBufferPointer(rebasing: line[..<end])
    }

    private static func decimal(_ value: UnsafeBufferPointer<UInt8>) -> Int? {
        guard (1...18).contains(value.count) else { return nil }
        var number = 0
        for index in value.indices {
            let byte = unsafe value[index]
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            number = number * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return number
    }

    private static func isChunked(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
        unsafe Self.equals(value, "chunked")
    }

    private static func isIdentity(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
        unsafe value.isEmpty || Self.equals(value, "identity")
    }

    /// Case-insensitive for ASCII letters; `word` is lower case.
    private static func equals(_ value: UnsafeBufferPointer<UInt8>, _ word: StaticString) -> Bool {
        guard value.count == word.utf8CodeUnitCount else { return false }
        for index in value.indices where unsafe (value[index] | 0x20) != word.utf8Start[index] { return false }
        return true
    }
}
