// Which gate a call passes, and how upstream's words about limits are read: the meeting of flow and rate limiting.

import ClashAPI
import Configuration
import CurlTransport
import HTTPTypes
import RateLimiting

/// The gates: one for the proxy's own client id; in pass-through mode one for each client that tokens name, else for each
/// token. Usable from every thread.
struct Pacing: Sendable {
    private let own: Gate
    private let tools: GateBook?
    /// Nothing is held: what would have waited is only counted.
    let observes: Bool

    /// - Parameter perTool: whether tools bring their own tokens.
    init(_ limits: GateLimits, perTool: Bool, time: GateTime, file: GateStateFile?) {
        own = Gate(limits: limits, time: time, seed: .random(in: .min ... .max), file: file)
        observes = limits.observe
        tools =
            perTool
            ? GateBook(limits: limits) { _, limits in Gate(limits: limits, time: time, seed: .random(in: .min ... .max))
            }
            : nil
    }

    /// - Parameter key: whose calls upstream counts together, in pass-through mode.
    func gate(_ key: String?) -> Gate {
        guard let tools, let key else { return own }
        return tools.gate(for: key)
    }

    /// All gates, for metrics.
    var gates: [Gate] { tools.map { $0.gates.map(\.gate) } ?? [own] }
}

extension GateRequest {
    /// What the gate is told of a tool's call.
    init(_ match: OperationMatch, _ caller: Caller, wait: Duration?) {
        self.init(
            caller: caller.name, weight: caller.weight, priority: caller.priority == .batch ? .batch : .interactive,
            operation: match.operation.name, api: API(match.operation.version),
            countsAsRun: match.operation.countsAsRun, changes: match.operationClass != .read, wait: wait)
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
