// The bytes of a response head and of chunks.

import HTTPTypes
import NIOCore
import Testing

@testable import Edge

@Suite struct ResponseHeadTests {
    private func written(
        _ status: HTTPResponse.Status, _ fields: HTTPFields, _ framing: ResponseFraming,
        _ connection: StaticString? = nil
    ) -> String {
        var buffer = ByteBuffer()
        ResponseHead.write(status, fields, framing, connection: connection, into: &buffer)
        return String(buffer: buffer)
    }

    @Test("a head is status line, fields in order and case, framing, connection, empty line")
    func bytes() {
        #expect(
            written(.ok, fields(["X-b": "1", "x-B": "", "A": "é"]), .length(12), "close")
                == "HTTP/1.1 200 OK\r\nX-b: 1\r\nx-B: \r\nA: é\r\nContent-Length: 12\r\nConnection: close\r\n\r\n")
        #expect(written(.noContent, [:], .none) == "HTTP/1.1 204 No Content\r\n\r\n")
        #expect(written(.ok, [:], .chunked) == "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        #expect(written(.ok, [:], .untilClose, "close") == "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        #expect(written(.init(code: 599), [:], .length(0)) == "HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n")
    }

    @Test("a chunk has its size in hex; empty bytes are no chunk, because that would end the body")
    func chunks() {
        var buffer = ByteBuffer()
        ResponseHead.writeChunk([UInt8](repeating: 0x61, count: 26), into: &buffer)
        ResponseHead.writeChunk([], into: &buffer)
        #expect(String(buffer: buffer) == "1a\r\n" + String(repeating: "a", count: 26) + "\r\n")
    }
}
