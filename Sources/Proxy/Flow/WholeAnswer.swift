// The answer to a recorded call, whole before anything is made of it: half an answer is none. Its head may say that a delete
// was carried out, but its tool would hear that nobody knows, and the log would say something else.

import CurlTransport

extension UpstreamBody {
    /// Answers to deletes and starts are some hundred bytes.
    static var mostReadAhead: Int { 256 << 10 }

    /// Its bytes up to the end, as far as such answers go; what is longer has a rest. Throws what broke it off.
    func readAhead(_ call: CallTraits, atMost limit: Int = mostReadAhead) async throws(FlowExit) -> [UInt8] {
        var beginning: [UInt8] = []
        while beginning.count < limit, let bytes = try await nextBytes(call) { beginning += bytes }
        return beginning
    }
}

extension Failure {
    /// Upstream refused the call, and did not say it to the end.
    static let halfRefusal = Failure(
        .upstreamInvalidResponse, "Upstream refused the call and did not carry it out, but its answer broke off.")
}
