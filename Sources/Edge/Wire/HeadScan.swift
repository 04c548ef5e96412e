// Finds the end of a request head, and what in it the decoder would not take or not keep.

import Glibc
import NIOCore
import NIOHTTP1

/// A look at the bytes of one head, which may come in pieces.
struct HeadScan {
    enum Step {
        case more
        /// The length of the head, with the empty line.
        case complete(Int)
        /// It is none, however it goes on.
        case malformed
        /// The request line has blanks that the decoder would skip.
        case straySpace
        case targetTooLong
        case tooLarge
    }

    /// The longest request line: target, and method and version with room to spare.
    static let maxLineBytes = RequestHead.maxTargetBytes + 256

    private var lineStart = 0
    private var checked = 0
    private var requestLine: Range<Int>?
    /// Lines that end in blanks: a tab among them the decoder takes for a part of some values.
    private var paddedLines: [Range<Int>] = []

    /// - Parameter bytes: the head from its beginning, as far as it has come.
    mutating func advance(_ bytes: UnsafeRawBufferPointer, maxBytes: Int) -> Step {
        guard let base = bytes.baseAddress else { return .more }
        while lineStart < bytes.count {
            guard let found = memchr(base + lineStart, 0x0A, bytes.count - lineStart) else { break }
            let end = UnsafeRawPointer(found) - base
            // Without a CR before it the decoder refuses it.
            guard end > lineStart, bytes[end - 1] == 0x0D else { return .malformed }
            let line = lineStart..<(end - 1)
            lineStart = end + 1
            if requestLine == nil {
                if line.count > Self.maxLineBytes { return .targetTooLong }
                guard Self.isRequestLine(UnsafeRawBufferPointer(rebasing: bytes[line])) else { return .malformed }
                guard !Self.hasStraySpace(UnsafeRawBufferPointer(rebasing: bytes[line])) else { return .straySpace }
                requestLine = line
            } else if line.isEmpty {
                return lineStart > maxBytes ? .tooLarge : .complete(lineStart)
            } else if bytes[line.upperBound - 1] == 0x09 || bytes[line.upperBound - 1] == 0x20 {
                paddedLines.append(line)
            }
            if lineStart > maxBytes { return .tooLarge }
        }
        if requestLine == nil, bytes.count > Self.maxLineBytes { return .targetTooLong }
        if bytes.count > maxBytes { return .tooLarge }
        // No valid line has such a byte, and who sends one may wait for an answer: TLS on a plain port, say.
        for index in max(checked, lineStart)..<bytes.count where bytes[index] < 0x20 {
            if bytes[index] != 0x09, bytes[index] != 0x0D || index + 1 < bytes.count { return .malformed }
        }
        checked = bytes.last == 0x0D ? bytes.count - 1 : bytes.count
        return .more
    }

    /// `METHOD target HTTP/1.1`: a token, and a version at the end.
    private static func isRequestLine(_ line: UnsafeRawBufferPointer) -> Bool {
        guard let space = line.firstIndex(of: 0x20), space > 0, line.count > space + 9 else { return false }
        let version = line[(line.count - 9)...]
        return version.starts(with: " HTTP/".utf8) && line[line.count - 2] == UInt8(ascii: ".")
            && isDigit(line[line.count - 3]) && isDigit(line[line.count - 1]) && line[..<space].allSatisfy(isToken)
    }

    /// One space each parts method, target and version (RFC 9112 section 3).
    private static func hasStraySpace(_ line: UnsafeRawBufferPointer) -> Bool {
        guard let space = line.firstIndex(of: 0x20) else { return true }
        let target = line[(space + 1)..<(line.count - 9)]
        return target.isEmpty || target.contains(0x20)
    }

    /// Makes the head one that the decoder takes, and says what it does not show any more.
    func settle(_ head: inout ByteBuffer) -> HeadNotes? {
        guard let requestLine else { return nil }
        for line in paddedLines { Self.blankTabs(at: line, of: &head) }
        var notes = HeadNotes()
        let start = head.readerIndex
        if !head.withUnsafeReadableBytes(Self.isASCII) { notes.bytes = head }
        let major = (head.getInteger(at: start + requestLine.upperBound - 3) ?? 0) as UInt8 - UInt8(ascii: "0")
        let minor = (head.getInteger(at: start + requestLine.upperBound - 1) ?? 0) as UInt8 - UInt8(ascii: "0")
        // Two is another syntax, and malformed here.
        if major != 1, major != 2 { notes.version = HTTPVersion(major: Int(major), minor: Int(minor)) }
        if notes.version != nil || major == 1 && minor > 1 {
            // A later minor version is for us what 1.1 is (RFC 9110 section 2.5).
            head.setInteger(UInt8(ascii: "1"), at: start + requestLine.upperBound - 3)
            head.setInteger(UInt8(ascii: "1"), at: start + requestLine.upperBound - 1)
        }
        if let method = Self.strangeMethod(head) {
            notes.method = method
            var stand = ByteBuffer(string: "POST")
            head.moveReaderIndex(forwardBy: method.utf8.count)
            stand.writeImmutableBuffer(head)
            head = stand
        }
        return notes.isEmpty ? nil : notes
    }

    /// The method, unless it is one that is served, or one whose refusal the decoder leads to by itself.
    private static func strangeMethod(_ head: ByteBuffer) -> String? {
        head.withUnsafeReadableBytes { bytes in
            let word = bytes.prefix { $0 != 0x20 }
            for known in Self.knownMethods where known.utf8CodeUnitCount == word.count {
                if word.elementsEqual(UnsafeBufferPointer(start: known.utf8Start, count: word.count)) { return nil }
            }
            return String(decoding: word, as: UTF8.self)
        }
    }

    private static let knownMethods: [StaticString] = [
        "GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE",
    ]

    private static func blankTabs(at line: Range<Int>, of head: inout ByteBuffer) {
        var index = head.readerIndex + line.upperBound - 1
        while index >= head.readerIndex + line.lowerBound, let byte = head.getInteger(at: index, as: UInt8.self),
            byte == 0x09 || byte == 0x20
        {
            head.setInteger(UInt8(ascii: " "), at: index)
            index -= 1
        }
    }

    private static func isASCII(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var index = 0
        var seen: UInt64 = 0
        while index + 8 <= bytes.count {
            seen |= bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            index += 8
        }
        var rest: UInt8 = 0
        for byte in bytes[index...] { rest |= byte }
        return seen & 0x8080_8080_8080_8080 == 0 && rest < 0x80
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// RFC 9110 section 5.6.2
    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
