// The token endpoint, called through the same libcurl transport as everything else: same TLS rules, same CA, own
// deadlines, no redirects.

import CurlTransport
import HTTPTypes
import Tokens

/// Posts token requests to `token.token_url` and nowhere else.
struct CurlTokenEndpoint: TokenEndpoint {
    let transport: CurlTransport
    let origin: UpstreamOrigin
    /// Path of the endpoint, at least `/`.
    let path: String

    private static let answerTimeout = Duration.seconds(10)

    func post(_ request: TokenRequest) async throws(TokenEndpointFailure) -> TokenEndpointAnswer {
        var upstream = UpstreamRequest(origin: origin, method: .post, target: path)
        for header in request.headers {
            if let name = HTTPField.Name(header.name) {
                upstream.fields.append(HTTPField(name: name, value: header.value))
            }
        }
        upstream.body = .bytes(request.form)
        // A refresh may burn a rotating token: libcurl must not send it twice.
        upstream.repeatable = false
        upstream.decodesContent = true
        upstream.firstByteTimeout = Self.answerTimeout
        upstream.stallTimeout = Self.answerTimeout
        let (response, collected) = try await exchange(upstream)
        guard let body = collected else { throw .answerTooLarge }
        return TokenEndpointAnswer(
            status: response.status.code, contentType: response.fields[.contentType], body: body,
            retryAfter: response.fields[.retryAfter].flatMap { Int($0) }.map { .seconds($0) })
    }

    private func exchange(
        _ request: UpstreamRequest
    ) async throws(TokenEndpointFailure) -> (UpstreamResponse, [UInt8]?) {
        do throws(TransferFailure) {
            let response = try await transport.execute(request)
            return (response, try await collect(response))
        } catch {
            switch error.reason {
            case .timeoutFirstByte, .timeoutStall: throw .timeout
            case .notTrusted:
                throw .unreachable(detail: "its TLS certificate is not trusted (upstream.ca_file adds an authority)")
            case .nameNotResolved:
                throw .unreachable(detail: "its host name can not be resolved (token.token_url)")
            default: throw .unreachable(detail: "no connection, or it broke off")
            }
        }
    }

    /// The whole body, or nil when it is larger than a token answer can be.
    private func collect(_ response: UpstreamResponse) async throws(TransferFailure) -> [UInt8]? {
        var body: [UInt8] = []
        while let bytes = try await response.body.next() {
            body += bytes
            guard body.count <= TokenEndpointAnswer.maximumBodySize else {
                response.body.cancel()
                return nil
            }
        }
        return body
    }
}
