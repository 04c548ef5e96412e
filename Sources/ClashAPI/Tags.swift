// The names under which answers are stored and purged. One type spells the tags, so that a write finds what a
// read was stored under. GUIDs are in lower case; v1 ids are replaced by the entity they carry where they decode.

import HTTPTypes

/// Spells the tags of stored answers.
///
/// - `itwin:ID` everything of an iTwin, `repository:ID` of an iModel;
/// - `test:ID`, `report:ID`, `run:ID`, `result:ID`, `rule:ID`, `job:ID` one object;
/// - `list:FAMILY` the pages of a list family, `list:FAMILY:ITWIN` those of one iTwin;
/// - `item:FAMILY` and `item:FAMILY:ITWIN` likewise the single objects;
/// - `any-id` and `any-id:ITWIN` what may hold any id, because not all of its ids are known.
package enum Tag {
    /// Stands for the iTwin where a stored answer's iTwin is not known.
    static let unknownITwin = "?"
    /// Stands for iTwins that are spelled as no GUID is: such a `projectId` may be any.
    static let oddITwin = "~"

    /// Everything of an iTwin.
    package static func itwin(_ id: String) -> String { "itwin:" + GUID.canonical(id) }

    /// Everything of an iModel.
    package static func repository(_ id: String) -> String { "repository:" + GUID.canonical(id) }

    /// One object.
    package static func object(_ kind: ObjectKind, _ id: String) -> String {
        kind.rawValue + ":" + (ClashID(id)?.entityID ?? GUID.canonical(id))
    }

    /// A backing job, which rows of reports name.
    package static func job(_ id: String) -> String { "job:" + GUID.canonical(id) }

    /// Pages of a list; of all iTwins when nil.
    package static func list(_ family: ListFamily, itwin: String? = nil) -> String {
        "list:" + family.rawValue + suffix(itwin)
    }

    /// Single objects of a family; of all iTwins when nil.
    package static func item(_ family: ListFamily, itwin: String? = nil) -> String {
        "item:" + family.rawValue + suffix(itwin)
    }

    /// What may hold any object's id; of all iTwins when nil.
    package static func anyID(itwin: String? = nil) -> String { "any-id" + suffix(itwin) }

    private static func suffix(_ itwin: String?) -> String {
        itwin.map { ":" + GUID.canonical($0) } ?? ""
    }

    /// The tags of everything that is of an iTwin, or may be.
    package static func everything(of itwin: String) -> [String] { [Tag.itwin(itwin), Tag.itwin(unknownITwin)] }

    /// A tag that somebody has typed, as this type spells it: GUIDs in lower case, v1 ids as the entity they carry.
    package static func canonical(_ typed: String) -> String {
        guard let colon = typed.firstIndex(of: ":") else { return typed }
        let kind = typed[..<colon].lowercased()
        let rest = String(typed[typed.index(after: colon)...])
        if let object = ObjectKind(rawValue: kind) { return Tag.object(object, rest) }
        switch kind {
        case "itwin", "job": return kind + ":" + GUID.canonical(rest)
        case "list", "item": return kind + ":" + rest.lowercased()
        default: return typed
        }
    }

    /// The tags under which a write finds an object, whichever version stored it: a v1 run, its result and the v2
    /// report are the same thing.
    package static func aliases(_ kind: ObjectKind, _ id: String) -> [String] {
        switch kind {
        case .run, .report, .result: [object(.run, id), object(.report, id), object(.result, id)]
        case .test, .rule, .repository: [object(kind, id)]
        }
    }
}

extension OperationMatch {
    /// The tags of this request's answer, as far as the request tells; `ResponseRows.tags` adds what the body tells.
    ///
    /// - Parameter headers: the request's; `repository-id` is read.
    package func tags(headers: HTTPFields = [:]) -> [String] {
        let scopes = self.scopes
        var tags = scopes.map { Tag.itwin($0) }
        if let family = operation.family {
            let spell = operation.isList ? Tag.list : Tag.item
            tags.append(spell(family, nil))
            tags += scopes.map { spell(family, $0) }
        }
        if let kind = operation.objectKind {
            tags += objectIDs.map { Tag.object(kind, $0) }
        }
        for repository in headers[values: .repositoryID] + queryValues("repositoryId") + body.iModelIDs {
            tags.append(Tag.repository(repository))
        }
        return tags.uniqued()
    }

    /// The tags of an answer that may hold ids nobody knows of.
    package var tagsOfAnyID: [String] { [Tag.anyID()] + scopes.map { Tag.anyID(itwin: $0) } }

    /// The iTwins that an answer shows something of.
    private var scopes: [String] {
        let itwins = (statedITwins + decodedITwins).map(GUID.canonical).uniqued()
        if itwins.isEmpty { return [Tag.unknownITwin] }
        let isCertain = route.pathITwin != nil || itwins.allSatisfy(GUID.isGUID)
        return isCertain ? itwins : itwins + [Tag.oddITwin]
    }
}
