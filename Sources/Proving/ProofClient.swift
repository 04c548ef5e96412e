// The tools of a proof: an HTTP client on the same libcurl, which remembers everything that it was told.

import CurlTransport
import Ground
import HTTPTypes
import Synchronization

/// What a call was answered.
struct ProofAnswer: Sendable {
    /// 0: there was no answer.
    let status: Int
    let fields: HTTPFields
    let text: String
    /// False where it broke off.
    let isWhole: Bool
    /// Why there is none, or not all of it.
    let trouble: String

    /// Whether the proxy itself has said it.
    var isOurs: Bool { fields[.proofStatus] != nil }
    /// The code of an error.
    var code: String { JSON(Array(text.utf8))?["error"]?["code"]?.string ?? "" }
    /// For the table.
    var shown: String {
        status == 0
            ? "no answer (\(trouble))" : "\(status)\(code.isEmpty ? "" : " \(code)")\(isWhole ? "" : ", broken off")"
    }
}

/// Calls the proxy. Usable from every task.
final class ProofClient: Sendable {
    private let transport: CurlTransport
    private let heard = Mutex("")
    private static let mostHeard = 16 << 20

    /// - Parameter connections: at most so many at once, 64 whatever is asked for.
    init(connections: Int) throws(CurlSetupFailure) {
        transport = try CurlTransport(
            CurlTransport.Configuration(maxConnections: min(max(connections, 1), 64), connectTimeout: .seconds(3)))
    }

    /// All that was answered so far.
    var everythingHeard: String { heard.withLock { $0 } }

    func close() async { await transport.shutdown(grace: .zero) }

    /// One call, to its end.
    func send(
        _ method: HTTPRequest.Method, _ target: String, to origin: Origin, _ fields: HTTPFields, body: String? = nil
    ) async -> ProofAnswer {
        var fields = fields
        if body != nil { fields[.contentType] = "application/json" }
        let request = UpstreamRequest(
            origin: origin, method: method, target: target, fields: fields,
            body: body.map { .bytes(Array($0.utf8)) } ?? .none, repeatable: false, firstByteTimeout: .seconds(20),
            stallTimeout: .seconds(10))
        var (status, answered, bytes) = (0, HTTPFields(), [UInt8]())
        var trouble = ""
        do throws(TransferFailure) {
            let response = try await transport.execute(request)
            (status, answered) = (response.status.code, response.fields)
            while let more = try await response.body.next() { bytes += more }
        } catch {
            trouble = "\(error.reason.rawValue)"
        }
        let text = String(decoding: bytes, as: UTF8.self)
        hear(answered, text)
        return ProofAnswer(status: status, fields: answered, text: text, isWhole: trouble.isEmpty, trouble: trouble)
    }

    private func hear(_ fields: HTTPFields, _ text: String) {
        let head = fields.map { "\($0.name): \($0.value)\n" }.joined()
        heard.withLock { if $0.utf8.count < Self.mostHeard { $0 += head + text + "\n" } }
    }
}

extension HTTPField.Name {
    static let proofStatus = named("Proxy-Status")
    static let proofCacheStatus = named("Cache-Status")
    static let proofID = named("x-correlation-id")
    static let proofKey = named("X-Api-Key")
    static let proofConfigType = named("configType")
    static let proofReason = named("X-Audit-Reason")

    private static func named(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { preconditionFailure("the constants above are tokens") }
        return name
    }
}
