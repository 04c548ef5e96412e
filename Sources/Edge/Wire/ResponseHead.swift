// An HTTP/1.1 response head as bytes (RFC 9112). Own serialisation, because the library's encoder costs a third
// of the instructions of a small answer.

import HTTPTypes
import NIOCore

/// How the body of an answer is framed on a tool's connection.
package enum ResponseFraming: Equatable {
    /// No body and no framing header: 204 and 304.
    case none
    /// `Content-Length`. Also for the answer to HEAD, where it says what GET would have sent.
    case length(Int)
    /// `Transfer-Encoding: chunked`.
    case chunked
    /// The end of the connection is the end of the body: HTTP/1.0 tools and unknown lengths.
    case untilClose
}

package enum ResponseHead {
    /// Room for most heads.
    package static let usualBytes = 1_024

    /// Appends status line, fields and the empty line. `fields` holds no framing and no hop-by-hop header.
    static func write(
        _ status: HTTPResponse.Status, _ fields: HTTPFields, _ framing: ResponseFraming, connection: StaticString?,
        into buffer: inout ByteBuffer
    ) {
        buffer.writeLines(room: usualBytes) { lines in
            putStatus(status, into: &lines)
            for field in fields { lines.put(field) }
            putEnd(framing, connection: connection, into: &lines)
        }
    }

    static func putStatus(_ status: HTTPResponse.Status, into lines: inout HeadLines) {
        if status.code == 200 { return lines.put("HTTP/1.1 200 OK\r\n") }
        lines.put("HTTP/1.1 ")
        lines.put(number: status.code)
        lines.put(" ")
        lines.put(text: status.reasonPhrase)
        lines.put("\r\n")
    }

    /// The framing header, `Connection` and the empty line.
    static func putEnd(_ framing: ResponseFraming, connection: StaticString?, into lines: inout HeadLines) {
        putFraming(framing, into: &lines)
        if let connection {
            lines.put("Connection: ")
            lines.put(connection)
            lines.put("\r\n")
        }
        lines.put("\r\n")
    }

    static func putFraming(_ framing: ResponseFraming, into lines: inout HeadLines) {
        switch framing {
        case .none, .untilClose: break
        case .length(let bytes):
            lines.put("Content-Length: ")
            lines.put(number: bytes)
            lines.put("\r\n")
        case .chunked: lines.put("Transfer-Encoding: chunked\r\n")
        }
    }

    /// One field line, its value byte for byte.
    static func write(_ field: HTTPField, into buffer: inout ByteBuffer) {
        let room = field.withUnsafeBytesOfValue { $0.count } + field.name.rawName.utf8.count + 4
        buffer.writeLines(room: room) { $0.put(field) }
    }

    /// Appends one chunk (RFC 9112, 7.1). Nothing for empty bytes: an empty chunk would end the body.
    static func writeChunk(_ bytes: [UInt8], into buffer: inout ByteBuffer) {
        if bytes.isEmpty { return }
        buffer.writeString(String(bytes.count, radix: 16))
        buffer.writeStaticString("\r\n")
        buffer.writeBytes(bytes)
        buffer.writeStaticString("\r\n")
    }
}
