// Documents to those whom the operator has named (a collector of traces, a webhook), through the same libcurl transport as
// everything else: same TLS rules, same CA, same way out, no redirects.

import CurlTransport
import Ground
import HTTPTypes
import RateLimiting

/// Posts JSON. Usable from every thread.
struct CurlPosts: DocumentPosting {
    /// What is answered is not looked at, so little of it is waited for.
    private static let mostOfAnswer = 64 << 10

    let transport: CurlTransport
    let environment: Environment

    func post(_ url: String, _ json: [UInt8], patience: Duration) async -> PostResult {
        guard let (origin, rest) = Origin.split(url) else { return .failed("its URL is not usable") }
        var request = UpstreamRequest(
            origin: origin, method: .post, target: rest.hasPrefix("/") ? String(rest) : "/" + rest, body: .bytes(json),
            repeatable: false, firstByteTimeout: patience, stallTimeout: patience)
        // Nobody on the way out could reach what is on this machine.
        request.isDirect = origin.isLoopback
        request.fields[.contentType] = "application/json"
        request.fields.append(OwnFields.userAgent)
        let (asked, deadline) = (request, environment.now() + patience)
        // A server that takes or sends a byte now and then never stalls; it has so long all the same.
        return await withTaskGroup(of: PostResult?.self) { group in
            group.addTask { await answer(asked) }
            group.addTask {
                try? await environment.sleep(deadline)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next().flatMap { $0 } ?? .failed(Self.tooSlow(patience))
        }
    }

    private func answer(_ request: UpstreamRequest) async -> PostResult {
        do throws(TransferFailure) {
            let response = try await transport.execute(request)
            let told = response.retryAfter(wallSeconds: environment.wallTime().seconds)
            var count = 0
            // To its end, so that the connection can be used again; what breaks off changes nothing any more.
            while let bytes = try? await response.body.next() {
                count += bytes.count
                guard count <= Self.mostOfAnswer else {
                    response.body.cancel()
                    break
                }
            }
            return .answered(response.status.code, retryAfter: told.span)
        } catch {
            return .failed(words(error))
        }
    }

    private func words(_ failure: TransferFailure) -> String {
        switch failure.reason {
        case .timeoutFirstByte, .timeoutStall: "does not answer in time"
        case .notTrusted: "has a TLS certificate that is not trusted (upstream.ca_file adds an authority)"
        case .nameNotResolved: "has a host name that cannot be resolved"
        case .proxyRefused, .proxyUnreachable, .proxySilent: failure.detail
        default: "cannot be reached, or broke off"
        }
    }

    private static func tooSlow(_ patience: Duration) -> String {
        "does not answer within \(patience.components.seconds) s"
    }
}

extension RetryAfter {
    /// What was told; nil where that was nothing, or is not to be believed.
    fileprivate var span: Duration? { if case .told(let span) = self { span } else { nil } }
}
