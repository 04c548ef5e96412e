// The answer to a recorded call, whole before anything is made of it: half an answer is none. Its head may say that a delete
// was carried out, but its tool would hear that nobody knows, and the log would say something else.

import CurlTransport
import HTTPTypes
import Synchronization

extension UpstreamResponse {
    /// The same with its body read ahead, as far as such answers go. Throws what broke it off.
    func readAhead(_ call: CallTraits) async throws(FlowExit) -> UpstreamResponse {
        var beginning: [UInt8] = []
        while beginning.count < PartlyReadBody.mostBytes {
            guard let bytes = try await body.nextBytes(call) else { break }
            beginning += bytes
        }
        return UpstreamResponse(
            status: status, fields: fields, body: PartlyReadBody(beginning, then: body), facts: facts)
    }
}

/// What was read of a body, then the rest of it.
private final class PartlyReadBody: UpstreamBody {
    /// Answers to deletes and starts are some hundred bytes.
    static let mostBytes = 256 << 10

    private let beginning: Mutex<[UInt8]>
    private let rest: any UpstreamBody

    init(_ beginning: [UInt8], then rest: any UpstreamBody) {
        self.beginning = Mutex(beginning)
        self.rest = rest
    }

    func next() async throws(TransferFailure) -> [UInt8]? {
        let bytes = beginning.withLock { bytes in
            defer { bytes = [] }
            return bytes
        }
        return bytes.isEmpty ? try await rest.next() : bytes
    }

    func cancel() { rest.cancel() }
    var declaredLength: Int? { rest.declaredLength }
    var endIsProven: Bool { rest.endIsProven }
    var isBufferedComplete: Bool { rest.isBufferedComplete }
    var trailers: HTTPFields { rest.trailers }
}

extension Failure {
    /// Upstream refused the call, and did not say it to the end.
    static let halfRefusal = Failure(
        .upstreamInvalidResponse, "Upstream refused the call and did not carry it out, but its answer broke off.")
}
