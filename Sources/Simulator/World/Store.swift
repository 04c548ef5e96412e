// The clash data of all iTwins, and how the v1 ids find their way into it. Operations are extensions of this
// value; it is changed only under the simulator's lock.

/// All iTwins with their contents.
struct Store: Sendable {
    let configuration: SimulatorConfiguration
    private(set) var tenants: [Tenant]
    private let index: [GUID: Int]
    let templates: [Template]
    /// The report with many clashes, if there is one.
    let bigReport: GUID?
    var ids: SplitMix

    init(configuration: SimulatorConfiguration, now: Duration) {
        var seeding = Seeding(configuration: configuration, now: now)
        var given: [GUID] = []
        for case let id? in configuration.iTwinIDs.map({ GUID($0) }) where !given.contains(id) { given.append(id) }
        let tenants = (0..<max(1, configuration.iTwins, given.count)).map { number in
            seeding.tenant(number: number, id: number < given.count ? given[number] : nil)
        }
        self.configuration = configuration
        self.tenants = tenants
        index = Dictionary(uniqueKeysWithValues: tenants.enumerated().map { ($1.id, $0) })
        templates = seeding.templates
        bigReport = configuration.bigReportClashes > 0 ? tenants[0].reports.ids.first : nil
        ids = seeding.ids
    }

    /// An iTwin; nil when there is none.
    subscript(id: GUID) -> Tenant? { index[id].map { tenants[$0] } }

    /// The position of the iTwin that the call's path names.
    func tenantIndex(_ call: Call) throws(Refusal) -> Int {
        guard let text = call.parameters["itwin"], let id = GUID(text), let at = index[id] else {
            throw .iTwinNotFound
        }
        return at
    }

    /// The position of the project that the query or the body names.
    func projectIndex(_ text: String?) throws(Refusal) -> Int {
        guard let text else {
            throw .unprocessable(
                .init(code: "MissingRequiredParameter", message: "Required parameter is missing.", target: "projectId"))
        }
        guard let id = GUID(text), let at = index[id] else { throw .projectNotFound }
        return at
    }

    /// The project and entity of a v1 id in the path.
    func legacy(_ call: Call, parts: Int = 2, or refusal: Refusal) throws(Refusal) -> (tenant: Int, entity: GUID) {
        guard let text = call.parameters["id"], let id = LegacyID(text, parts: parts), let at = index[id.parts[0]],
            let entity = id.parts.last
        else { throw refusal }
        return (at, entity)
    }

    /// In-place access for operations, which have checked the position.
    func tenant(_ position: Int) -> Tenant { tenants[position] }

    mutating func change<Result>(_ position: Int, _ change: (inout Tenant) -> Result) -> Result {
        change(&tenants[position])
    }

    /// Where a report is, whatever its iTwin.
    func tenantHolding(report id: GUID) -> Int? { tenants.firstIndex { $0.reports[id] != nil } }
}
