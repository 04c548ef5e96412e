// What the front desk has found out about a request that it let through.

import ClashAPI
import HTTPTypes

/// What the front desk lets through, with all it found out.
struct Admission: Sendable {
    let caller: Caller
    let route: RouteMatch
    /// Whose stored answers the request may be answered with; nil: none. In pass-through mode every token has its own.
    let partition: String?
    /// The tool's own credentials for upstream, in pass-through mode.
    let authorization: HTTPField?
    /// Whose calls upstream counts together, in pass-through mode: as the token claims, unverified, else its own.
    let gateKey: String?
    /// The browser origin that may read the answer, nil for tools.
    let corsOrigin: String?

    /// Whose answers may be mixed: with the proxy's own credentials everybody is the same to upstream.
    static let ownPartition = "own"
}
