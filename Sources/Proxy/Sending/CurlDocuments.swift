// Documents of issuers, through the same libcurl transport as everything else: same TLS rules, same CA, no redirects.

import CurlTransport
import Ground
import HTTPTypes

/// Gets small documents. Usable from every thread.
struct CurlDocuments: IssuerDocuments {
    private static let largest = 1 << 20
    private static let patience = Duration.seconds(10)

    let transport: CurlTransport
    let environment: Environment

    func document(_ url: String) async throws(IssuerTrouble) -> [UInt8] {
        guard let (origin, rest) = Origin.split(url) else { throw .unreachable("has no usable URL") }
        var request = UpstreamRequest(
            origin: origin, target: rest.hasPrefix("/") ? String(rest) : "/" + rest, decodesContent: true,
            firstByteTimeout: Self.patience, stallTimeout: Self.patience)
        request.fields[.accept] = "application/json"
        let (asked, deadline) = (request, environment.now() + Self.patience)
        // A server that sends a byte now and then never stalls; it has so long all the same.
        let result = await withTaskGroup(of: Result<[UInt8], IssuerTrouble>?.self) { group in
            group.addTask { await answer(asked) }
            group.addTask {
                try? await environment.sleep(deadline)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
        guard let result else { throw .unreachable("did not answer within \(Self.patience.components.seconds) s") }
        return try result.get()
    }

    private func answer(_ request: UpstreamRequest) async -> Result<[UInt8], IssuerTrouble> {
        do throws(TransferFailure) {
            let response = try await transport.execute(request)
            guard response.status == .ok else {
                response.body.cancel()
                let isRedirect = response.status.kind == .redirection
                return .failure(
                    .unreachable(
                        "answers with status \(response.status.code)\(isRedirect ? ", and no redirect is followed" : "")"
                    ))
            }
            var body: [UInt8] = []
            while let bytes = try await response.body.next() {
                body += bytes
                guard body.count <= Self.largest else {
                    response.body.cancel()
                    return .failure(.unreachable("answers with more than 1 MiB"))
                }
            }
            return .success(body)
        } catch {
            return .failure(.unreachable(Self.words(error.reason)))
        }
    }

    private static func words(_ reason: TransferFailure.Reason) -> String {
        switch reason {
        case .timeoutFirstByte, .timeoutStall: "did not answer within \(patience.components.seconds) s"
        case .notTrusted: "has a TLS certificate that is not trusted (upstream.ca_file adds an authority)"
        case .nameNotResolved: "has a host name that cannot be resolved"
        default: "cannot be reached, or broke off"
        }
    }
}
