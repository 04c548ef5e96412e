// An HTTP/1.1 response head as bytes (RFC 9112). Own serialisation, because the library's encoder costs a third
// of the instructions of a small answer.

import HTTPTypes
import NIOCore

/// How the body of an answer is framed on a tool's connection.
enum ResponseFraming: Equatable {
    /// No body and no framing header: 204 and 304.
    case none
    /// `Content-Length`. Also for the answer to HEAD, where it says what GET would have sent.
    case length(Int)
    /// `Transfer-Encoding: chunked`.
    case chunked
    /// The end of the connection is the end of the body: HTTP/1.0 tools and unknown lengths.
    case untilClose
}

enum ResponseHead {
    /// Room for most heads.
    static let usualBytes = 1_024

    /// Appends status line, fields and the empty line. `fields` holds no framing and no hop-by-hop header.
    static func write(
        _ status: HTTPResponse.Status, _ fields: HTTPFields, _ framing: ResponseFraming, connection: String?,
        into buffer: inout ByteBuffer
    ) {
        writeStatus(status, into: &buffer)
        for field in fields { write(field, into: &buffer) }
        writeEnd(framing, connection: connection, into: &buffer)
    }

    static func writeStatus(_ status: HTTPResponse.Status, into buffer: inout ByteBuffer) {
        if status.code == 200 { return _ = buffer.writeStaticString("HTTP/1.1 200 OK\r\n") }
        buffer.writeStaticString("HTTP/1.1 ")
        buffer.writeString(String(status.code))
        buffer.writeStaticString(" ")
        buffer.writeString(status.reasonPhrase)
        buffer.writeStaticString("\r\n")
    }

    /// The framing header, `Connection` and the empty line.
    static func writeEnd(_ framing: ResponseFraming, connection: String?, into buffer: inout ByteBuffer) {
        switch framing {
        case .none, .untilClose: break
        case .length(let bytes):
            buffer.writeStaticString("Content-Length: ")
            buffer.writeString(String(bytes))
            buffer.writeStaticString("\r\n")
        case .chunked: buffer.writeStaticString("Transfer-Encoding: chunked\r\n")
        }
        if let connection {
            buffer.writeStaticString("Connection: ")
            buffer.writeString(connection)
            buffer.writeStaticString("\r\n")
        }
        buffer.writeStaticString("\r\n")
    }

    /// One field line in one go, its value byte for byte.
    static func write(_ field: HTTPField, into buffer: inout ByteBuffer) {
        let name = field.name.rawName.utf8
        field.withUnsafeBytesOfValue { value in
            _ = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: name.count + value.count + 4) { room in
                var end = 0
                func put(_ bytes: some Collection<UInt8>) {
                    UnsafeMutableRawBufferPointer(rebasing: room[end...]).copyBytes(from: bytes)
                    end += bytes.count
                }
                put(name)
                put(": ".utf8)
                put(value)
                put("\r\n".utf8)
                return end
            }
        }
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
