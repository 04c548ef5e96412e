// The head of an answer as HTTP/2 has it: lower-case names, and no status line (RFC 9113 section 8.3.2).

import HTTPTypes
import NIOCore
import NIOHPACK

enum AnswerBlock {
    /// - Parameter lines: fields as `HeadLines` writes them, without hop-by-hop ones.
    static func make(_ status: HTTPResponse.Status, lines: ByteBuffer) -> HPACKHeaders {
        var block = HPACKHeaders()
        block.reserveCapacity(16)
        block.add(name: ":status", value: status.code == 200 ? "200" : String(status.code))
        lines.withUnsafeReadableBytes { bytes in
            var start = bytes.startIndex
            while start < bytes.endIndex, let end = bytes[start...].firstIndex(of: 0x0A) {
                // Every line ends with CR LF, and begins with a name.
                if let colon = bytes[start..<end].firstIndex(of: UInt8(ascii: ":")) {
                    let name = lowerCased(bytes[start..<colon])
                    block.add(
                        name: name, value: text(bytes[min(colon + 2, end - 1)..<(end - 1)]), indexing: indexing(name))
                }
                start = end + 1
            }
        }
        return block
    }

    private static func lowerCased(_ name: Slice<UnsafeRawBufferPointer>) -> String {
        String(unsafeUninitializedCapacity: name.count) { room in
            for (index, byte) in name.enumerated() {
                room[index] = (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
            }
            return name.count
        }
    }

    /// NIOHPACK takes text only. Bytes that are none are taken for Latin-1, which is what they mean where they occur.
    private static func text(_ value: Slice<UnsafeRawBufferPointer>) -> String {
        if let text = String(validating: value, as: UTF8.self) { return text }
        return String(String.UnicodeScalarView(value.map { Unicode.Scalar($0) }))
    }

    /// What is new with every answer has no place in the table of the other side, nor has what is secret.
    private static func indexing(_ name: String) -> HPACKIndexing {
        switch name {
        case "x-correlation-id", "server-timing", "age", "cache-status", "etag", "content-length", "ratelimit":
            .nonIndexable
        case "set-cookie": .neverIndexed
        default: .indexable
        }
    }
}
