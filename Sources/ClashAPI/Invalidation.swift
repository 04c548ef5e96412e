// What a write makes untrue. Errs on the side of purging: a needless upstream read costs little, a page that shows a
// deleted run costs trust.

/// What a cache must drop, and whose generation it must advance, once a write may have been done.
package struct Invalidation: Sendable, Equatable {
    /// How far it reaches.
    package enum Reach: Sendable, Equatable {
        /// Nothing: the request was a read.
        case nothing
        /// Answers that carry one of `tags`.
        case tagged
        /// Everything of some iTwins: `tags` are their `itwin:` tags and that of answers whose iTwin is not known.
        case itwins
        /// Everything.
        case everything
    }

    /// How far it reaches.
    package let reach: Reach
    /// Tags as `Tag` spells them; empty for `nothing` and `everything`.
    package let tags: [String]
    /// Families whose pages are concerned, for logs and metrics.
    package let families: ListFamilies
    /// The objects written, as `HeldIDs` spells them: what holds one of them anywhere is untrue, whatever it shows.
    package var heldIDs: [UInt64] = []

    static let nothing = Invalidation(reach: .nothing, tags: [], families: [])
    static let everything = Invalidation(reach: .everything, tags: [], families: .all)
}

extension OperationMatch {
    /// What this call touches if upstream does it. The same whatever the answer was.
    package func invalidation() -> Invalidation {
        if operationClass == .read { return .nothing }
        if reachesWholeITwin { return wholeITwins() }

        let itwins = writtenITwins
        var tags: [String] = []
        // Where the iTwin is not certain, the families of all iTwins are purged.
        let scopes: [String?] = itwins.isEmpty ? [nil] : Self.reached(from: itwins)
        for scope in scopes {
            tags += operation.touchesLists.families.map { Tag.list($0, itwin: scope) }
            tags += operation.touchesItems.families.map { Tag.item($0, itwin: scope) }
        }
        if let kind = operation.objectKind {
            tags += objectIDs.flatMap { Tag.aliases(kind, $0) }
        }
        let ids = objectIDs
        if !ids.isEmpty { tags += scopes.map { Tag.anyID(itwin: $0) } }
        return Invalidation(
            reach: .tagged, tags: tags.uniqued(), families: operation.touchesLists,
            heldIDs: ids.flatMap { HeldIDs.hashes(of: $0) })
    }

    /// What this call may have touched if nobody knows whether upstream did it: everything of its iTwin.
    package func invalidationOfUnknownOutcome() -> Invalidation {
        operationClass == .read ? .nothing : wholeITwins()
    }

    /// Whether the call may touch more than its row says.
    private var reachesWholeITwin: Bool {
        if !isKnown || isInPlaceRun || body.isUnreadable || body.idsAreIncomplete { return true }
        // Suppressions change the report they belong to; which one that is must be known.
        return operation.touchesLists.contains(.manualSuppressions) && objectIDs.isEmpty
    }

    /// The iTwins that the call writes to: of its path, or of its v1 ids, to which a `projectId` beside them is added,
    /// since nobody knows which of the two upstream goes by. Empty: it may be any, because an id does not decode, or not
    /// all of them are known.
    private var writtenITwins: [String] {
        if let itwin = route.pathITwin { return [GUID.canonical(itwin)] }
        guard isKnown, route.pathID != nil || !(body.isUnreadable || body.idsAreIncomplete) else { return [] }
        var itwins = body.projectIDs.map(GUID.canonical)
        for id in objectIDs {
            guard operation.version == .v1, let decoded = ClashID(id) else { return [] }
            itwins.append(decoded.projectID)
        }
        return itwins.uniqued()
    }

    private func wholeITwins() -> Invalidation {
        let itwins = writtenITwins
        guard !itwins.isEmpty else { return .everything }
        return Invalidation(
            reach: .itwins, tags: Self.reached(from: itwins).map { Tag.itwin($0) }, families: .all)
    }

    /// The iTwins, and what may be of one of them.
    private static func reached(from itwins: [String]) -> [String] {
        itwins + [Tag.unknownITwin] + (itwins.allSatisfy(GUID.isGUID) ? [Tag.oddITwin] : [])
    }
}
