// Records as JSON lines by POST, through libcurl as everything else that the proxy calls: same TLS rules, the same proxy on the
// way out, no redirects. The sink has them when it says 2xx.

import Audit
import Configuration
import CurlTransport
import Ground
import HTTPTypes

struct HTTPSink: SinkWire {
    private static let patience = Duration.seconds(10)

    let isConfirming = true
    private let transport: CurlTransport
    private let url: BaseURL
    private let tokenFile: String?

    init(_ url: BaseURL, tokenFile: String?, transport: CurlTransport) {
        (self.url, self.tokenFile, self.transport) = (url, tokenFile, transport)
    }

    func send(_ records: [FollowedRecord]) async throws(SinkTrouble) -> Int? {
        var body: [UInt8] = []
        for record in records {
            body += record.line
            body.append(0x0A)
        }
        var request = UpstreamRequest(
            origin: url.server, method: .post, target: url.path.isEmpty ? "/" : url.path, body: .bytes(body),
            decodesContent: true, firstByteTimeout: Self.patience, stallTimeout: Self.patience)
        request.fields[.contentType] = "application/x-ndjson"
        if let tokenFile { request.fields[.authorization] = "Bearer \(try token(tokenFile))" }
        let status: Int
        do throws(TransferFailure) {
            let response = try await transport.execute(request)
            status = response.status.code
            response.body.cancel()
        } catch {
            throw SinkTrouble(Self.words(error))
        }
        guard (200...299).contains(status) else { throw SinkTrouble("answers with status \(status)") }
        return body.count
    }

    /// Read each time, so that it can be exchanged in its place.
    private func token(_ file: String) throws(SinkTrouble) -> String {
        guard let text = try? TextFile.read(file), text.unicodeScalars.allSatisfy({ (0x20...0x7E).contains($0.value) })
        else {
            throw SinkTrouble("has a token_file that cannot be read or holds no token")
        }
        return text
    }

    func takeEnd() -> SinkEnd? { nil }

    func close() async -> SinkEnd? {
        await transport.shutdown(grace: .zero)
        return nil
    }

    private static func words(_ failure: TransferFailure) -> String {
        switch failure.reason {
        case .timeoutFirstByte, .timeoutStall: "did not answer within \(patience.components.seconds) s"
        case .notTrusted: "has a TLS certificate that is not trusted (ca_file adds an authority)"
        case .nameNotResolved: "has a host name that cannot be resolved"
        case .proxyRefused, .proxyUnreachable, .proxySilent: failure.detail
        default: "cannot be reached, or broke off"
        }
    }
}
