// Who asks. A caller is an authenticated tool; without `[[caller]]` tables everybody is "anonymous".

import Configuration

/// An authenticated tool and its rights.
struct Caller: Sendable, Equatable {
    let name: String
    let allow: Set<Permission>
    /// Its class among those who wait for a turn.
    var priority = CallerPriority.interactive
    /// Its share of the turns, to that of others.
    var weight = 1

    /// The same rights under another name.
    func named(_ name: String) -> Caller {
        Caller(name: name, allow: allow, priority: priority, weight: weight)
    }

    static let anonymous = Caller(name: "anonymous", allow: Set(Permission.allCases))
}
