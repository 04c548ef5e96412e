// Why the ledger could not do what it was asked, in words that say what to do next.

/// What went wrong between a member and its engine.
package enum FleetError: Error, Sendable, Equatable {
    /// The engine cannot be asked for now: gone, too slow, full, read-only, damaged. The member goes on alone and tries again.
    /// The text says what the engine said.
    case cut(String)
    /// What is kept there belongs to something else, or was written by another version: the member goes on alone. The text
    /// names the file or key.
    case foreign(String)
    /// The living members work by another policy. `key`: the key of proxy.conf that differs; `theirs`: its value there.
    case policyDiffers(key: String, theirs: String)
    /// So many members live already.
    case full(members: Int)
    /// The engine does not know this member (any more): it was taken for dead, or the engine has forgotten. It joins again.
    case unknownMember
    /// Somebody else holds it, or a later holder has taken it over.
    case fenced
    /// The engine works, but loses what it must keep. The text says which setting, and the right value.
    case unsafe(String)

    /// Whether this member may not take part, however long it waits: it refuses to start.
    package var forbidsStart: Bool {
        switch self {
        case .policyDiffers, .full: true
        default: false
        }
    }

    /// One sentence, without a period.
    package var text: String {
        switch self {
        case .cut(let why): why
        case .foreign(let what): what
        case .policyDiffers(let key, let theirs):
            "the members that run already have \(key) = \(theirs): give all of them the same, or stop them first"
        case .full(let members):
            "\(members) members run already, and fleet.max_members allows no more: raise it for all of them, or stop one"
        case .unknownMember: "the engine does not know this member any more"
        case .fenced: "another member holds it"
        case .unsafe(let why): why
        }
    }
}
