// The shape of a table row, and the shorthand the table is written in.

/// A row of the table: how a request is recognised, and the operation it is then.
struct OperationRow: Sendable {
    let operation: Operation
    let verb: Verb
    let path: String
    /// Only for bodies whose `operation` says this.
    let when: BodyWord?

    /// The parameters stand in the order of the table's columns.
    static func row(
        _ name: String, _ verb: Verb, _ path: String, _ operationClass: OperationClass, _ ids: ObjectKind?,
        _ effect: Effect, when: BodyWord? = nil, links: Bool = true, countsAsRun: Bool = false,
        itwin: ITwinPlace = .path
    ) -> OperationRow {
        OperationRow(
            operation: Operation(
                name, operationClass, ids, effect, links: links, countsAsRun: countsAsRun, itwin: itwin),
            verb: verb, path: path, when: when)
    }
}

/// A word in a body's `operation` that makes one path two operations.
enum BodyWord: Sendable {
    case cancel
    case delete
}

/// What an answer shows, or what a write makes untrue.
enum Effect: Sendable {
    case list(ListFamily, String)
    case item(ListFamily, String)
    case state(ListFamily, AnswerRows)
    case stable(ListFamily, String)
    /// Asked again and again until it is ready.
    case polled
    case touches(ListFamilies, items: ListFamilies = [])

    var family: ListFamily? {
        switch self {
        case .list(let family, _), .item(let family, _), .state(let family, _), .stable(let family, _): family
        case .polled, .touches: nil
        }
    }

    var isList: Bool {
        switch self {
        case .list, .stable: true
        case .item, .state, .polled, .touches: false
        }
    }

    var cachePolicy: CachePolicy {
        switch self {
        case .list: .list
        case .item: .item
        case .state: .terminal
        case .stable: .stable
        case .polled, .touches: .never
        }
    }

    var rows: AnswerRows {
        switch self {
        case .list(_, let key), .stable(_, let key): .array(key)
        case .item(_, let key): .object(key)
        case .state(_, let rows): rows
        case .polled, .touches: .none
        }
    }

    var touches: (lists: ListFamilies, items: ListFamilies) {
        switch self {
        case .touches(let lists, let items): (lists, items)
        case .list, .item, .state, .stable, .polled: ([], [])
        }
    }
}
