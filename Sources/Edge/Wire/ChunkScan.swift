// Finds the end of a chunked body (RFC 9112 section 7.1), and counts what in it is no body.

import Glibc

/// A look at the bytes of one chunked body as they come.
struct ChunkScan {
    enum Step {
        case more
        /// The body ends after so many of these bytes.
        case end(Int)
        case malformed
        case tooManyExtensions
        case trailersTooLarge
    }

    /// In all chunks of one body together.
    static let maxExtensionBytes = 16 << 10
    private static let maxDigits = 16

    private enum Part {
        case size
        case restOfLine
        case data(left: Int)
        case trailers
    }

    private let maxTrailerBytes: Int
    private var part = Part.size
    private var size = 0
    private var digits = 0
    private var extensionBytes = 0
    private var trailerBytes = 0
    private var lineBytes = 0

    init(maxTrailerBytes: Int) { self.maxTrailerBytes = maxTrailerBytes }

    mutating func advance(_ bytes: UnsafeRawBufferPointer) -> Step {
        var index = 0
        while index < bytes.count {
            switch part {
            case .size:
                guard let digit = Self.hexValue(bytes[index]) else {
                    if digits == 0 { return .malformed }
                    part = .restOfLine
                    continue
                }
                digits += 1
                guard digits <= Self.maxDigits, size < 1 << 58 else { return .malformed }
                size = size << 4 | digit
                index += 1
            case .restOfLine:
                let end = bytes[index...].firstIndex(of: 0x0A)
                extensionBytes += bytes[index..<(end ?? bytes.count)].count { $0 != 0x0D }
                if extensionBytes > Self.maxExtensionBytes { return .tooManyExtensions }
                guard let end else { return .more }
                index = end + 1
                part = size == 0 ? .trailers : .data(left: size + 2)
                (size, digits) = (0, 0)
            case .data(let left):
                let count = min(left, bytes.count - index)
                index += count
                part = count == left ? .size : .data(left: left - count)
            case .trailers:
                trailerBytes += 1
                if trailerBytes > maxTrailerBytes { return .trailersTooLarge }
                let byte = bytes[index]
                index += 1
                if byte == 0x0A {
                    if lineBytes == 0 { return .end(index) }
                    lineBytes = 0
                } else if byte != 0x0D {
                    lineBytes += 1
                }
            }
        }
        return .more
    }

    private static func hexValue(_ byte: UInt8) -> Int? {
        switch byte {
        case 0x30...0x39: Int(byte) - 0x30
        case 0x41...0x46: Int(byte) - 0x37
        case 0x61...0x66: Int(byte) - 0x57
        default: nil
        }
    }
}
