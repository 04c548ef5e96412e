// HTTP/2 streams that the server refuses: surely not carried out, and told apart from those that were lost. The server
// speaks exactly the frames of a test, through openssl, which serves one connection after the other.

import HTTPTypes
import TestSupport
import Testing

@testable import CurlTransport

/// A server of scripted frames.
private final class FrameServer: Sendable {
    let certificate: Certificate
    private let server: TLSServer

    init() throws {
        self.certificate = try Certificate()
        self.server = try TLSServer(self.certificate, "-alpn", "h2")
    }

    var configuration: CurlTransport.Configuration { .init(caFile: self.certificate.file, http2: true) }

    func request(_ method: HTTPRequest.Method, body: UpstreamRequest.Body = .none) throws -> UpstreamRequest {
        UpstreamRequest(
            origin: try origin(self.server.url), method: method, target: "/thing", body: body, repeatable: false)
    }

    /// Sends frames once this many requests have come on the latest connection.
    func answer(afterRequests count: Int, _ frames: [UInt8]...) async throws {
        let process = self.server.process
        try await Task.detached {
            _ = try process.bytes { Self.requests(in: $0) >= count }
            process.send(frames.flatMap { $0 })
        }.value
    }

    /// Heads of requests behind the latest preface.
    private static func requests(in output: [UInt8]) -> Int {
        guard let preface = output.ranges(of: Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)).last else { return 0 }
        var rest = output[preface.upperBound...]
        var count = 0
        while rest.count >= 9 {
            let start = rest.startIndex
            let length = Int(rest[start]) << 16 | Int(rest[start + 1]) << 8 | Int(rest[start + 2])
            if rest[start + 3] == 1 { count += 1 }
            rest = rest.dropFirst(9 + length)
        }
        return count
    }

    static let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
    static func reset(_ stream: UInt8, _ code: UInt8) -> [UInt8] { [0, 0, 4, 3, 0, 0, 0, 0, stream, 0, 0, 0, code] }
    static func goAway(last stream: UInt32) -> [UInt8] {
        [0, 0, 8, 7, 0, 0, 0, 0, 0] + withUnsafeBytes(of: stream.bigEndian) { Array($0) } + [0, 0, 0, 0]
    }
    /// HEADERS with `:status: 204`, and the end of the stream.
    static func noContent(_ stream: UInt8) -> [UInt8] { [0, 0, 1, 1, 5, 0, 0, 0, stream, 0x89] }
}

@Suite(.timeLimit(.minutes(8)))
struct StreamRefusalTests {
    private static let refusals: [(name: String, frames: [UInt8])] = [
        ("REFUSED_STREAM", FrameServer.reset(1, 7)),
        ("GOAWAY", FrameServer.goAway(last: 0)),
        ("GOAWAY, announced", FrameServer.goAway(last: 0x7FFF_FFFF) + FrameServer.goAway(last: 0)),
        ("both", FrameServer.reset(1, 7) + FrameServer.goAway(last: 0)),
    ]

    @Test(
        "a change whose stream was refused was not carried out and does not count as sent", arguments: 0..<4,
        [
            HTTPRequest.Method.delete, .post,
        ])
    func refusedChange(_ number: Int, _ method: HTTPRequest.Method) async throws {
        let (name, frames) = Self.refusals[number]
        let server = try FrameServer()
        async let answered: Void = server.answer(afterRequests: 1, FrameServer.settings, frames)
        try await withTransport(server.configuration) { transport in
            let request = try server.request(method, body: method == .post ? .bytes(Array("{}".utf8)) : .none)
            let failure = try await failure { _ = try await transport.execute(request) }
            #expect(failure.reason == .refused, "\(name): \(failure)")
            #expect(failure.sent == false, "\(name)")
        }
        try await answered
    }

    @Test(
        "a change whose stream was lost, or ended in another way, may have been carried out",
        arguments: [
            FrameServer.goAway(last: 1), FrameServer.reset(1, 0), FrameServer.reset(1, 1), FrameServer.reset(1, 2),
            FrameServer.reset(1, 8), FrameServer.reset(1, 13), FrameServer.reset(1, 8) + FrameServer.goAway(last: 1),
            // An answer that breaks HPACK, and one that breaks HTTP, on a connection that leaves.
            [0, 0, 1, 1, 5, 0, 0, 0, 1, 0xFF], FrameServer.goAway(last: 1) + [0, 0, 1, 1, 5, 0, 0, 0, 1, 0x82],
        ])
    func lostChange(_ frames: [UInt8]) async throws {
        let server = try FrameServer()
        async let answered: Void = server.answer(afterRequests: 1, FrameServer.settings, frames)
        try await withTransport(server.configuration) { transport in
            let failure = try await failure {
                var request = try server.request(.delete)
                // A GOAWAY that takes it in leaves it waiting.
                request.firstByteTimeout = .seconds(2)
                _ = try await transport.execute(request)
            }
            #expect(failure.reason != .refused, "\(failure)")
            #expect(failure.sent, "\(failure)")
        }
        try await answered
    }

    @Test("a read refused by a connection that others use does not count as sent either", arguments: [false, true])
    func refusedRead(byGoAway: Bool) async throws {
        let server = try FrameServer()
        try await withTransport(server.configuration) { transport in
            let request = try server.request(.get)
            let first = Task { try await transport.execute(request).status.code }
            try await server.answer(afterRequests: 1, FrameServer.settings)
            let second = Task { try await transport.execute(request) as UpstreamResponse? }
            try await server.answer(
                afterRequests: 2, byGoAway ? FrameServer.goAway(last: 1) : FrameServer.reset(3, 7),
                FrameServer.noContent(1))
            #expect(try await first.value == 204)
            let failure = try await failure { _ = try await second.value }
            #expect(failure.reason == .refused, "\(failure)")
            #expect(failure.sent == false)
        }
    }

    @Test("what libcurl says about streams is read, whatever the spelling, and nothing else is")
    func lines() {
        let lines: [(String, StreamNews.Line?)] = [
            ("Using Stream ID: 5 (easy handle 0x55)\n", .opened(stream: 5)),
            ("recveived GOAWAY, error=0, last_stream=3\n", .goAway(lastStream: 3)),
            ("received GOAWAY, error=11, last_stream=2147483647", .goAway(lastStream: 2_147_483_647)),
            ("REFUSED_STREAM, retrying a fresh connect", .refused),
            ("Connection died, retrying a fresh connect (retry count: 1)", nil),
            ("GOAWAY, error=0, last_stream=", nil), ("GOAWAY, error=0", nil), ("Using Stream ID: ", nil), ("", nil),
            ("x: REFUSED_STREAM, retrying", nil), ("Using Stream ID: 99999999999", nil),
        ]
        for (text, line) in lines { #expect(StreamNews.Line(text.utf8) == line, "\(text)") }
    }

    @Test("a GOAWAY refuses the streams above it, and no others")
    func aboveLast() {
        var stream = StreamNews()
        stream.connectionLeaves(lastStream: 0)
        #expect(stream.isRefused == false, "it has no number")
        stream.opened(3)
        stream.connectionLeaves(lastStream: 3)
        #expect(stream.isRefused == false)
        stream.connectionLeaves(lastStream: 1)
        #expect(stream.isRefused)
    }
}
