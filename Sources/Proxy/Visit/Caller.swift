// Who asks. A caller is an authenticated tool; without `[[caller]]` tables everybody is "anonymous".

import Configuration

/// An authenticated tool and its rights.
struct Caller: Sendable, Equatable {
    /// How it has shown who it is, as the audit log says it.
    enum Proof: String, Sendable {
        case key
        /// By a token of an issuer.
        case jwt
        case certificate
        /// By the user that its process runs as, on a unix socket.
        case unix
        /// By its own token, in pass-through mode, which is not verified here.
        case token
        case anonymous

        /// As the access log says it; nil for keys, and where nothing was shown.
        var word: StaticString? {
            switch self {
            case .key, .anonymous: nil
            case .jwt: "jwt"
            case .certificate: "certificate"
            case .unix: "unix"
            case .token: "token"
            }
        }
    }

    let name: String
    let allow: Set<Permission>
    var via = Proof.anonymous
    /// Its class among those who wait for a turn.
    var priority = CallerPriority.interactive
    /// Its share of the turns, to that of others.
    var weight = 1
    /// The most places upstream that it has at once; 0: three quarters of all. Nil: as many as there are.
    var maxInFlight: Int? = 0
    /// What it may do less than its rights say; nil: nothing.
    var bounds: CallerBounds?
    /// Whose token it came with; nil for callers of the configuration.
    var person: Person?

    /// What tells it from all others, for limits and fairness: two persons may have one name.
    var id: String { person?.id ?? name }

    /// The same rights under the name that its own token gives it, whose places are limited as everybody's are.
    func named(_ name: String) -> Caller {
        Caller(name: name, allow: allow, via: .token, priority: priority, weight: weight, bounds: bounds)
    }

    static let anonymous = Caller(name: "anonymous", allow: Set(Permission.allCases), maxInFlight: nil)
}
