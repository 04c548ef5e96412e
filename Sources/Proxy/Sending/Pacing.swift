// The gate that all calls pass, and how upstream's words about limits are read: the meeting of flow and rate limiting.

import ClashAPI
import Configuration
import CurlTransport
import Ground
import HTTPTypes
import RateLimiting

/// The one gate of the process, as one configuration sees it. Usable from every thread.
struct Pacing: Sendable {
    let gate: Gate
    /// Nothing is held: what would have waited is only counted.
    private(set) var observes: Bool

    /// - Parameter passesTokens: whether tools bring their own tokens.
    init(_ limits: GateLimits, passesTokens: Bool, time: Time) {
        gate = Gate(limits: limits, passesTokens: passesTokens, time: time, seed: .random(in: .min ... .max))
        observes = limits.observe
    }

    /// Puts other limits in force: those who are in or wait stay, and what was spent stays spent.
    func changed(to limits: GateLimits, _ callers: [Config.Caller]) -> Pacing {
        gate.update(limits: limits, shares: Dictionary(callers.map { ($0.name, $0.maxInFlight) }) { first, _ in first })
        var changed = self
        changed.observes = limits.observe
        return changed
    }
}

extension GateRequest {
    /// What the gate is told of a tool's call.
    init(_ match: OperationMatch, _ caller: Caller, wait: Duration?) {
        self.init(
            caller: caller.id, weight: caller.weight, priority: caller.priority == .batch ? .batch : .interactive,
            operation: match.operation.name, api: API(match.operation.version),
            countsAsRun: match.operation.countsAsRun, changes: match.operationClass != .read, wait: wait,
            maxInFlight: caller.maxInFlight)
        if let bounds = caller.bounds { windows = bounds.windows }
    }
}

extension GateRequest.API {
    init(_ version: APIVersion) {
        switch version {
        case .v1: self = .v1
        case .v2: self = .v2
        case .other: self = .other
        }
    }
}

extension UpstreamResponse {
    /// Upstream refused the call for now and did not do it: 429, or a 503 that says when to come back.
    var isRateLimited: Bool {
        status.code == 429 || (status.code == 503 && RetryAfter.isTold(fields[values: .retryAfter]))
    }

    /// Upstream looked at the credentials and let them pass. One that refuses for now may not have looked.
    var acceptsCredentials: Bool { status != .unauthorized && status != .forbidden && !isRateLimited }

    /// Which limit was hit.
    var limitCause: LimitCause {
        LimitCause(
            tier: fields[.rateLimitedTier], api: fields[.rateLimitedAPI], operation: fields[.rateLimitedOperation],
            application: fields[.rateLimitedApplication])
    }

    /// For how long, by upstream's own clock where it tells one.
    func retryAfter(wallSeconds: Int64) -> RetryAfter {
        RetryAfter(
            fields[values: .retryAfter], older: fields[values: .olderRetryAfter], date: fields[.date],
            wallSeconds: wallSeconds)
    }
}

extension HTTPField.Name {
    /// Why a 429, in headers of upstream's (developer.bentley.com/apis/overview/rate-limits).
    fileprivate static let rateLimitedTier = documented("ITwinPlatform-RateLimited-Tier")
    fileprivate static let rateLimitedAPI = documented("ITwinPlatform-RateLimited-API")
    fileprivate static let rateLimitedOperation = documented("ITwinPlatform-RateLimited-Operation")
    fileprivate static let rateLimitedApplication = documented("ITwinPlatform-RateLimited-Application")
    /// Of an older revision of that page, still read where `Retry-After` is missing.
    fileprivate static let olderRetryAfter = documented("iTwinPlatform-RateLimit-Retry-After-Seconds")
    /// draft-ietf-httpapi-ratelimit-headers
    static let rateLimitPolicy = documented("RateLimit-Policy")
    static let rateLimit = documented("RateLimit")

    private static func documented(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { preconditionFailure("the constants above are tokens") }
        return name
    }
}
