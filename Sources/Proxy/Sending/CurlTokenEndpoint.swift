// The issuer, called through the same libcurl transport as everything else: same TLS rules, same CA, own deadlines, no
// redirects.

import CurlTransport
import Ground
import HTTPTypes
import RateLimiting
import Tokens

/// Posts token requests to one URL and nowhere else.
struct CurlTokenEndpoint: TokenEndpoint {
    private let transport: CurlTransport
    private let origin: Origin
    /// At least `/`.
    private let target: String
    private let environment: Environment

    private static let answerTimeout = Duration.seconds(10)

    /// Nil unless `url` is an absolute one of http or https, without a user name.
    init?(transport: CurlTransport, url: String, environment: Environment = .system) {
        guard let (origin, rest) = Origin.split(url) else { return nil }
        self.transport = transport
        self.origin = origin
        self.environment = environment
        target = rest.hasPrefix("/") ? String(rest) : "/" + rest
    }

    /// The body that a GET answers with 200, if it is no larger than any document of an issuer.
    func document() async -> [UInt8]? {
        var request = request(.get)
        request.fields[.accept] = "application/json"
        guard let (response, body) = try? await exchange(request), response.status == .ok else { return nil }
        return body
    }

    func post(_ request: TokenRequest) async throws(TokenEndpointFailure) -> TokenEndpointAnswer {
        var upstream = self.request(.post)
        for header in request.headers {
            if let name = HTTPField.Name(header.name) {
                upstream.fields.append(HTTPField(name: name, value: header.value))
            }
        }
        upstream.body = .bytes(request.form)
        // A refresh may burn a rotating token: libcurl must not send it twice.
        upstream.repeatable = false
        let (response, collected) = try await exchange(upstream)
        guard let body = collected else { throw .answerTooLarge }
        return TokenEndpointAnswer(
            status: response.status.code, contentType: response.fields[.contentType], body: body,
            retryAfter: retryAfter(response))
    }

    private func retryAfter(_ response: UpstreamResponse) -> Duration? {
        let told = response.retryAfter(wallSeconds: environment.wallTime().seconds)
        return if case .told(let wait) = told { wait } else { nil }
    }

    private func request(_ method: HTTPRequest.Method) -> UpstreamRequest {
        var request = UpstreamRequest(origin: origin, method: method, target: target)
        request.decodesContent = true
        request.firstByteTimeout = Self.answerTimeout
        request.stallTimeout = Self.answerTimeout
        return request
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
                throw .unreachable(detail: "its host name cannot be resolved (token.token_url)")
            case .proxyRefused, .proxyUnreachable, .proxySilent: throw .unreachable(detail: error.detail)
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
