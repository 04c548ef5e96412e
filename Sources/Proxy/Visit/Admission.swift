// What the front desk has found out about a request: who asks, and for what.

import ClashAPI
import HTTPTypes
import RateLimiting

/// What the front desk has found out about a request. An object: every request with a known head shares it.
final class Admission: Sendable {
    let caller: Caller
    let route: RouteMatch
    /// Whose stored answers the request may be answered with; nil: none. In pass-through mode every token has its own.
    let partition: String?
    /// The tool's own credentials for upstream, in pass-through mode.
    let authorization: HTTPField?
    /// What the gate knows of the tool's own token, in pass-through mode: its hash, and the client that it claims.
    let token: GateRequest.Token?
    /// Nobody has shown who it is, so turns are shared fairly between addresses first.
    let isFairByAddress: Bool
    /// The browser origin that may read the answer, nil for tools.
    let corsOrigin: String?
    /// Why it is refused for what its head says; it still goes through the flow, where refusals are recorded.
    let denial: Failure?
    /// How long it holds, where a token was judged for it; nil: as long as the configuration.
    let standing: TokenStanding?
    /// What it may not delete, where it may turn out to be a delete.
    let protection: Protection?

    init(
        caller: Caller, route: RouteMatch, partition: String?, authorization: HTTPField?,
        token: GateRequest.Token? = nil, isFairByAddress: Bool = false, corsOrigin: String?, denial: Failure? = nil,
        standing: TokenStanding? = nil, protection: Protection? = nil
    ) {
        self.caller = caller
        self.route = route
        self.partition = partition
        self.authorization = authorization
        self.token = token
        self.isFairByAddress = isFairByAddress
        self.corsOrigin = corsOrigin
        self.denial = denial
        self.standing = standing
        self.protection = protection
    }

    /// Whose answers may be mixed: with the proxy's own credentials everybody is the same to upstream.
    static let ownPartition = "own"

    /// As far as the front desk got with a request that it does not let through.
    ///
    /// - Parameter caller: who it is, where that is known.
    convenience init(refused caller: Caller?, route: RouteMatch, corsOrigin: String? = nil) {
        self.init(
            caller: caller ?? Caller(name: "-", allow: []), route: route, partition: nil, authorization: nil,
            corsOrigin: corsOrigin)
    }
}
