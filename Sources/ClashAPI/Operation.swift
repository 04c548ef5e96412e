// One row of the API table as everybody else sees it: small, immutable, cheap to copy.

/// A documented operation of the clash detection API, or one of the three stand-ins for unknown ones.
package struct Operation: Sendable, Hashable {
    /// Stable name for logs, metrics and the audit log, such as `v2.reports.list`.
    package let name: String
    /// The API it belongs to.
    package let version: APIVersion
    /// What it does. The effective class of one request may be stricter: see `OperationMatch.operationClass`.
    package let operationClass: OperationClass
    /// What its ids are ids of; nil where it has none.
    package let objectKind: ObjectKind?
    /// Whether its JSON answers are to be searched for `_links`.
    package let carriesLinks: Bool
    /// The family that its answer shows something of; nil for writes and unknown operations.
    package let family: ListFamily?
    /// Whether its answer is a page of a list.
    package let isList: Bool
    /// How its list is paged; nil where it is none, or comes whole.
    package let paging: ListPaging?
    /// How its answers may be cached.
    package let cachePolicy: CachePolicy
    /// Where its answers keep their rows.
    package let rows: AnswerRows
    /// Families whose pages it makes untrue.
    package let touchesLists: ListFamilies
    /// Families whose single objects it may change beyond those it names.
    package let touchesItems: ListFamilies
    /// Whether it counts against the run window (documented: 6 calls a second for starting runs).
    package let countsAsRun: Bool
    /// Where a call names the iTwin that it is about; nil for the stand-ins, of which nobody knows.
    package let itwinPlace: ITwinPlace?
    /// False for the stand-ins.
    package let isKnown: Bool

    /// Whether the rows of its answers have a run status.
    package var rowsHaveStatus: Bool { family == .reports && rows != .none }

    /// Whether it cancels a run.
    package var isCancel: Bool { self == Operation.cancelRun }

    private static let cancelRun = Operation.named("v2.runs.cancel")

    /// The operation of that name, or nil.
    package static func named(_ name: String) -> Operation? {
        all.first { $0.name == name }
    }

    /// Every operation of the table once, then the stand-ins for unknown ones.
    package static let all: [Operation] = {
        var seen: Set<String> = []
        return (OperationTable.rows.map(\.operation) + [.unknownV1, .unknownV2, .unknown])
            .filter { seen.insert($0.name).inserted }
    }()

    static let unknownV1 = Operation(unknown: "v1.unknown", .v1)
    static let unknownV2 = Operation(unknown: "v2.unknown", .v2)
    static let unknown = Operation(unknown: "unknown", .other)

    static func unknown(_ version: APIVersion) -> Operation {
        switch version {
        case .v1: unknownV1
        case .v2: unknownV2
        case .other: unknown
        }
    }

    private init(unknown name: String, _ version: APIVersion) {
        self.name = name
        self.version = version
        operationClass = .write
        objectKind = nil
        carriesLinks = true
        family = nil
        isList = false
        paging = nil
        cachePolicy = .never
        rows = .none
        touchesLists = []
        touchesItems = []
        countsAsRun = false
        itwinPlace = nil
        isKnown = false
    }

    init(
        _ name: String, _ operationClass: OperationClass, _ objectKind: ObjectKind?, _ effect: Effect, links: Bool,
        countsAsRun: Bool, itwin: ITwinPlace
    ) {
        self.name = name
        itwinPlace = itwin
        version = name.hasPrefix("v1.") ? .v1 : .v2
        self.operationClass = operationClass
        self.objectKind = objectKind
        carriesLinks = links
        self.countsAsRun = countsAsRun
        isKnown = true
        family = effect.family
        isList = effect.isList
        paging = ListPaging.all[name]
        cachePolicy = effect.cachePolicy
        rows = effect.rows
        (touchesLists, touchesItems) = effect.touches
    }
}
