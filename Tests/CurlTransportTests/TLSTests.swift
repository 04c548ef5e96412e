// Trust, session resumption and HTTP/2 against openssl's own server.

import CurlTransport
import Glibc
import HTTPTypes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)))
struct TLSTests {
    @Test("a certificate nobody vouches for is refused and nothing is sent")
    func untrusted() async throws {
        let certificate = try Certificate()
        let server = try TLSServer(certificate, "-www")
        try await withTransport { transport in
            let request = UpstreamRequest(origin: try origin(server.url), method: .delete, target: "/")
            let failure = try await failure { _ = try await transport.execute(request) }
            #expect(failure.reason == .notTrusted)
            #expect(failure.sent == false)
            #expect(transport.statistics.requestsSent == 0)
        }
    }

    @Test("a CA file adds trust, but not for another name")
    func caFile() async throws {
        let certificate = try Certificate()
        let server = try TLSServer(certificate, "-www")
        try await withTransport(.init(caFile: certificate.file)) { transport in
            let response = try await transport.execute(
                UpstreamRequest(origin: try origin(server.url), target: "/"))
            #expect(response.status.code == 200)
            let other = server.url.replacing("127.0.0.1", with: "localhost")
            let failure = try await failure {
                _ = try await transport.execute(UpstreamRequest(origin: try origin(other), target: "/"))
            }
            #expect(failure.reason == .notTrusted)
            #expect(failure.sent == false)
        }
    }

    @Test(
        "a second connection resumes the TLS session of the first, whatever handle it has",
        arguments: ["-tls1_2", "-tls1_3"])
    func resumption(_ version: String) async throws {
        let certificate = try Certificate()
        let server = try TLSServer(certificate, "-www", version)
        let holder = ScriptedOrigin { connection in
            try connection.readHead()
            connection.readUntilClosed()
        }
        try await withTransport(.init(caFile: certificate.file)) { transport in
            // The server's page says how the session came about; it closes after each answer.
            var pages: [String] = []
            for round in 1...3 {
                let response = try await transport.execute(
                    UpstreamRequest(origin: try origin(server.url), target: "/"))
                #expect(response.facts.connectionReused == false)
                pages.append(try await response.body.text())
                // Takes the handle out of use, so that the next connection is made with another one.
                let held = try get(holder)
                Task { try await transport.execute(held) }
                try await eventually("the handle is taken") { holder.acceptCount == round }
            }
            #expect(pages[0].contains("\nNew, TLS"))
            #expect(pages[1].contains("\nReused, TLS"))
            #expect(pages[2].contains("\nReused, TLS"))
        }
    }

    @Test("TLS secrets are not written even if the environment asks for it")
    func keyLog() async throws {
        await #expect(processExitsWith: .success) {
            let certificate = try Certificate()
            let log = certificate.folder + "/keys.log"
            setenv("SSLKEYLOGFILE", log, 1)
            let server = try TLSServer(certificate, "-www")
            try await withTransport(.init(caFile: certificate.file)) { transport in
                let response = try await transport.execute(
                    UpstreamRequest(origin: try origin(server.url), target: "/"))
                #expect(response.status.code == 200)
            }
            #expect(access(log, F_OK) != 0)
        }
    }

    private enum Frame {
        static let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
        /// HEADERS on stream 1 with `:status: 200`, and more HPACK.
        static func head(_ more: [UInt8] = []) -> [UInt8] {
            [0, 0, UInt8(1 + more.count), 1, 4, 0, 0, 0, 1, 0x88] + more
        }
        /// `content-length: 8` as HPACK: name 28 of the static table, literal value.
        static let lengthEight: [UInt8] = [0x0F, 0x0D, 1, UInt8(ascii: "8")]
        static func data(_ text: String, ends: Bool = false) -> [UInt8] {
            [0, 0, UInt8(text.utf8.count), 0, ends ? 1 : 0, 0, 0, 0, 1] + Array(text.utf8)
        }
        static func reset(_ code: UInt8) -> [UInt8] { [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, code] }
    }

    /// Lets an HTTP/2 server that only knows these frames answer one GET: `first`, and `rest` when a part of the body
    /// has been read.
    private func http2(_ first: [UInt8], rest: [UInt8]) async throws -> (text: String, isProven: Bool) {
        let certificate = try Certificate()
        let server = try TLSServer(certificate, "-alpn", "h2", "-naccept", "1")
        let answering = Task.detached {
            // The client's preface shows that the handshake is over.
            _ = try server.process.output { $0.contains("PRI * HTTP/2.0") }
            server.process.send(Frame.settings + first)
        }
        let result = try await withTransport(.init(caFile: certificate.file, http2: true)) { transport in
            let body = try await transport.execute(
                UpstreamRequest(origin: try origin(server.url), target: "/", stallTimeout: .seconds(10))
            ).body
            let start = try await body.next() ?? []
            server.process.send(rest)
            return (String(decoding: start + (try await body.all()), as: UTF8.self), body.endIsProven)
        }
        try await answering.value
        return result
    }

    @Test("an HTTP/2 body with its length and end is whole")
    func http2Whole() async throws {
        let (text, isProven) = try await self.http2(
            Frame.head(Frame.lengthEight) + Frame.data("all "), rest: Frame.data("here", ends: true))
        #expect(text == "all here")
        #expect(isProven)
    }

    @Test("an HTTP/2 stream reset without error does not look like a proven end")
    func http2ResetNoError() async throws {
        do {
            let (text, isProven) = try await self.http2(Frame.head() + Frame.data("part"), rest: Frame.reset(0))
            #expect(text == "part")
            #expect(isProven == false)
        } catch let failure as TransferFailure {
            #expect(failure.reason == .truncated)
        }
    }

    @Test("an HTTP/2 stream that is reset in mid-body is truncated", arguments: [0, 2, 8] as [UInt8])
    func http2Truncated(_ code: UInt8) async throws {
        let failure = try await failure {
            let head = code == 0 ? Frame.head(Frame.lengthEight) : Frame.head()
            _ = try await self.http2(head + Frame.data("part"), rest: Frame.reset(code))
        }
        #expect(failure.reason == .truncated)
    }
}
