// Which limit upstream says was hit, and how much of the gate that closes.

/// What upstream's `ITwinPlatform-RateLimited-*` headers name as the cause of a 429.
package enum LimitCause: String, Sendable, CaseIterable {
    /// The subscription's limit.
    case tier
    /// The limit of one API.
    case api
    /// The limit of one operation.
    case operation
    /// The limit of the OAuth client.
    case application
    /// Not said.
    case unknown

    /// The cause that the four header values name; blank counts as missing. A 429 that names several is taken at its
    /// widest, except that `-Application` comes along with narrower ones to say whose calls they are.
    package init(tier: String?, api: String?, operation: String?, application: String?) {
        func isNamed(_ value: String?) -> Bool { value?.contains { $0 != " " && $0 != "\t" } ?? false }
        self =
            switch true {
            case isNamed(tier): .tier
            case isNamed(api): .api
            case isNamed(operation): .operation
            case isNamed(application): .application
            default: .unknown
            }
    }
}

/// How much of a gate is closed.
package enum CoolDownScope: Sendable, Hashable {
    /// All calls.
    case everything
    /// The calls of one API.
    case api(GateRequest.API)
    /// The calls of one operation.
    case operation(String)

    /// What a refusal of such a call closes.
    init(_ cause: LimitCause, operation: String, api: GateRequest.API) {
        self =
            switch cause {
            case .tier, .application, .unknown: .everything
            case .api: .api(api)
            case .operation: .operation(operation)
            }
    }

    func covers(_ lane: Lane) -> Bool {
        switch self {
        case .everything: true
        case .api(let api): lane.api == api
        case .operation(let operation): lane.operation == operation
        }
    }
}
