// Asks a running proxy's main listener one thing, as a tool does. For the commands of people who are callers themselves.

import CurlTransport
import Ground
import HTTPTypes

/// A one-shot client of the main listener.
package enum ToolClient {
    /// What the proxy answered.
    package struct Answer: Sendable {
        /// The HTTP status.
        package let status: Int
        /// The body, whole.
        package let body: [UInt8]
    }

    /// Nobody answered, or nobody could be asked.
    package struct Unreachable: Error, CustomStringConvertible {
        /// For people.
        package let description: String

        /// With one sentence.
        package init(description: String) { self.description = description }
    }

    private static let patience = Duration.seconds(10)
    private static let mostBytes = 16 << 20

    /// Sends one request and waits for its answer, for ten seconds without a byte at most.
    ///
    /// - Parameters:
    ///   - body: of a POST; nil: a GET is sent.
    ///   - base: the listener's URL, without a path.
    ///   - key: a caller key, or a token of an issuer.
    ///   - caFile: a PEM file of certificates to trust besides the system's; nil: none.
    package static func ask(
        _ target: String, body: [UInt8]?, at base: String, key: String, caFile: String?
    ) async throws(Unreachable) -> Answer {
        guard let (origin, rest) = Origin.split(base), rest.isEmpty || rest == "/" else {
            throw Unreachable(
                description: "'\(base)' is no URL of a proxy: write http://host:port or https://host:port")
        }
        let name: HTTPField.Name =
            key.split(separator: ".", omittingEmptySubsequences: false).count == 3 ? .authorization : .apiKey
        let value = name == .authorization ? "Bearer \(key)" : key
        guard !key.isEmpty, HTTPField.isValidValue(value) else {
            throw Unreachable(description: "the key is empty or has a character that no key has: a line end, say")
        }
        var request = UpstreamRequest(
            origin: origin, method: body == nil ? .get : .post, target: target, body: body.map { .bytes($0) } ?? .none,
            repeatable: false,
            firstByteTimeout: patience, stallTimeout: patience)
        request.fields.append(HTTPField(name: name, value: value))
        request.fields.append(OwnFields.userAgent)
        if body != nil { request.fields[.contentType] = "application/json" }
        let transport: CurlTransport
        do throws(CurlSetupFailure) {
            transport = try CurlTransport(CurlTransport.Configuration(maxConnections: 1, caFile: caFile))
        } catch {
            throw Unreachable(description: error.description)
        }
        let answer = await answer(to: request, at: base, transport)
        await transport.shutdown(grace: .zero)
        return try answer.get()
    }

    private static func answer(
        to request: UpstreamRequest, at base: String, _ transport: CurlTransport
    ) async -> Result<Answer, Unreachable> {
        do throws(TransferFailure) {
            let response = try await transport.execute(request)
            var bytes: [UInt8] = []
            while let more = try await response.body.next() {
                bytes += more
                guard bytes.count <= mostBytes else {
                    response.body.cancel()
                    return .failure(Unreachable(description: "the answer is longer than any of this proxy's"))
                }
            }
            return .success(Answer(status: response.status.code, body: bytes))
        } catch {
            let why =
                error.reason == .notTrusted
                ? "its certificate is not trusted (--ca-file adds an authority)" : error.detail
            return .failure(
                Unreachable(description: "nobody answers at \(base) (\(error.reason.rawValue)): \(why)"))
        }
    }
}
