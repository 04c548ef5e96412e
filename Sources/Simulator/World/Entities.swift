// The things that the fake holds. One set of entities serves both API versions: a v2 test is a v1 test, a v2
// report is a v1 run together with its result. Ids are GUIDs here; v1 spells them as `LegacyID`s.

/// An iTwin, which v1 calls a project.
struct Tenant: Sendable {
    let id: GUID
    var repositories: [Repository] = []
    var users: [User] = []
    var tests = Table<TestConfiguration>()
    var reports = Table<Report>()
    var rules = Table<Rule>()
    /// When the extraction of an iModel's models and categories was asked for.
    var extractions: [GUID: Duration] = [:]
}

struct User: Sendable {
    let id: GUID
    let name: String
    var email: String { "\(name.lowercased().split(separator: " ").joined(separator: "."))@example.com" }
}

/// An iModel.
struct Repository: Sendable {
    let id: GUID
    let name: String
    let changesets: [Changeset]
}

struct Changeset: Sendable {
    let id: GUID
    let name: String
}

/// A clash test.
struct TestConfiguration: Sendable, Identifiable {
    let id: GUID
    var name: String
    var description: String
    let created: Duration
    var modified: Duration
    let createdBy: User
    var modifiedBy: User
    var suppressTouching: JSON
    var includeSubModels: JSON
    var touchingTolerance: JSON
    var setA: JSON
    var setB: JSON
    var ruleIDs: [GUID]
    var advancedSettings: JSON
    /// Nil is untagged.
    var tag: JSON?
}

/// A suppression rule.
struct Rule: Sendable, Identifiable {
    let id: GUID
    let templateID: GUID
    var name: String
    var reason: String
    /// As given: an object, or JSON in a string.
    var parameters: JSON
    let created: Duration
    var modified: Duration
    let createdBy: User
    var modifiedBy: User
}

/// A template of suppression rules; the same for every iTwin.
struct Template: Sendable {
    let id: GUID
    let name: String
    let description: String
    let sampleText: String
    let example: JSON
}

/// A pair of elements whose clash somebody suppressed, or no longer does.
struct ManualSuppression: Sendable {
    let pair: [String]
    let reason: String
    let suppressed: Bool
    let time: Duration
    let user: User
}

/// A run and what it found.
struct Report: Sendable, Identifiable {
    let id: GUID
    let test: GUID
    let testName: String
    let repository: Repository
    let changeset: Changeset
    let user: User
    var jobID: GUID
    var executed: Duration
    var ends: Duration
    /// The status that it has once it has ended: 1 completed, 2 failed, 7 completed to limit, 9 cancelled.
    var finalStatus: Int
    let clashCount: Int
    let resultsLimit: JSON
    let ruleCount: Int
    var suppressions: [ManualSuppression] = []

    /// 0 while the run goes on.
    func status(_ now: Duration) -> Int { now < ends ? 0 : finalStatus }

    /// Issues as counted at this moment: none before the end, none of a failed run.
    func issues(_ now: Duration) -> Int {
        let status = status(now)
        return status == 1 || status == 7 ? clashCount : 0
    }

    /// Pairs that are manually suppressed at present; later entries win.
    var suppressedPairs: Set<[String]> {
        suppressions.reduce(into: []) { pairs, entry in
            if entry.suppressed { pairs.insert(entry.pair) } else { pairs.remove(entry.pair) }
        }
    }
}

/// Rows with an id, in the order of their creation.
struct Table<Row: Identifiable & Sendable>: Sendable where Row.ID: Sendable {
    private var rows: [Row.ID: Row] = [:]
    private(set) var ids: [Row.ID] = []

    /// Oldest first.
    var all: [Row] { ids.compactMap { rows[$0] } }

    subscript(id: Row.ID) -> Row? { rows[id] }

    mutating func append(_ row: Row) {
        if rows.updateValue(row, forKey: row.id) == nil { ids.append(row.id) }
    }

    /// Changes a row in place; nil when it is not there.
    mutating func update<Result>(_ id: Row.ID, _ change: (inout Row) -> Result) -> Result? {
        guard var row = rows.removeValue(forKey: id) else { return nil }
        defer { rows[id] = row }
        return change(&row)
    }

    /// Puts a row at the newest end.
    mutating func moveToEnd(_ id: Row.ID) {
        guard rows[id] != nil else { return }
        ids.removeAll { $0 == id }
        ids.append(id)
    }

    mutating func remove(_ id: Row.ID) -> Bool {
        guard rows.removeValue(forKey: id) != nil else { return false }
        ids.removeAll { $0 == id }
        return true
    }
}
