// The world at the start, drawn from the seed alone; only its dates depend on the clock.

/// Draws iTwins and their contents.
struct Seeding: Sendable {
    let configuration: SimulatorConfiguration
    let now: Duration
    var ids: SplitMix
    let templates: [Template]

    init(configuration: SimulatorConfiguration, now: Duration) {
        self.configuration = configuration
        self.now = now
        ids = SplitMix(seed: configuration.seed, stream: 1)
        templates = Seeding.templates(&ids)
    }

    /// - Parameter id: nil: one of the seed.
    mutating func tenant(number: Int, id: GUID? = nil) -> Tenant {
        let seeded = GUID(from: &ids)
        var tenant = Tenant(id: id ?? seeded)
        tenant.users = ["Test User", "Ada Planner", "Bo Modeler"].map { User(id: GUID(from: &ids), name: $0) }
        for index in 0..<max(1, configuration.repositoriesPerITwin) {
            let changesets = (1...3).map { Changeset(id: GUID(from: &ids), name: "version \($0)") }
            tenant.repositories.append(
                Repository(id: GUID(from: &ids), name: "Test iModel \(index + 1)", changesets: changesets))
        }
        for index in 0..<max(0, configuration.rulesPerITwin) { tenant.rules.append(rule(index, tenant)) }
        for index in 0..<max(1, configuration.testsPerITwin) { tenant.tests.append(test(index, tenant)) }
        let tests = tenant.tests.all
        for index in 0..<max(0, configuration.reportsPerITwin) {
            let big = number == 0 && index == 0 && configuration.bigReportClashes > 0
            tenant.reports.append(report(index, tenant, tests[index % tests.count], big: big))
        }
        return tenant
    }

    private mutating func rule(_ index: Int, _ tenant: Tenant) -> Rule {
        let template = templates[index % templates.count]
        return Rule(
            id: GUID(from: &ids), templateID: template.id, name: "Rule \(index + 1)",
            reason: "Accepted clearance \(index + 1)", parameters: template.example, created: ago(hours: 2000 - index),
            modified: ago(hours: 1000 - index), createdBy: tenant.users[0], modifiedBy: tenant.users[index % 3])
    }

    private mutating func test(_ index: Int, _ tenant: Tenant) -> TestConfiguration {
        let repository = tenant.repositories[index % tenant.repositories.count]
        let set: JSON = [
            "modelIds": ["0x20000000030"], "categoryIds": ["0x20000000047"], "selfCheck": false, "clearance": 0,
        ]
        return TestConfiguration(
            id: GUID(from: &ids), name: "ClashDetectionTest\(index + 1)", description: "Clash Detection Test",
            created: ago(hours: 3000 - index), modified: ago(hours: 1500 - index), createdBy: tenant.users[0],
            modifiedBy: tenant.users[index % 3], suppressTouching: true, includeSubModels: false,
            touchingTolerance: .number("0.01"), setA: set, setB: set,
            ruleIDs: Array(tenant.rules.ids.prefix(index % 3)),
            advancedSettings: ["longClash": false, "calculateOverlap": true, "toleranceOverlapValidation": false],
            tag: index % 4 == 3 ? nil : ["id": .guid(repository.id), "type": "iModels"])
    }

    private mutating func report(_ index: Int, _ tenant: Tenant, _ test: TestConfiguration, big: Bool) -> Report {
        let repository = tenant.repositories[index % tenant.repositories.count]
        let executed = ago(hours: configuration.reportsPerITwin - index)
        // Mostly completed, now and then failed, cut off at the limit, or cancelled.
        let status = big ? 1 : [1, 1, 1, 2, 1, 1, 7, 1, 1, 9][index % 10]
        return Report(
            id: GUID(from: &ids), test: test.id, testName: test.name, repository: repository,
            changeset: repository.changesets[index % 3], user: tenant.users[index % 3], jobID: GUID(from: &ids),
            executed: executed, ends: min(now, executed + configuration.runDuration), finalStatus: status,
            clashCount: max(0, big ? configuration.bigReportClashes : configuration.clashesPerReport),
            resultsLimit: big ? 100_000 : 1000, ruleCount: test.ruleIDs.count)
    }

    private func ago(hours: Int) -> Duration { max(.zero, now - .seconds(3600) * max(1, hours)) }

    private static func templates(_ ids: inout SplitMix) -> [Template] {
        let generic = "Suppression/Definition/Generic/"
        let compare: JSON = [
            "propertyKey": ["relationshipPath": "ArchitecturalPhysical:Door", "propertyName": "Roll"],
            "operator": ["value": "="],
        ]
        let like: JSON = ["likeExpression1": ["value": "Pipe%"], "likeExpression2": ["value": "Duct%"]]
        let rows: [(String, String, String, JSON)] = [
            (
                "CompareProperties", "Suppress clashes by comparing properties between the two clashing elements",
                "Suppress if -Property- of one element is -Operator- the same property of the other", compare
            ),
            (
                "MatchLabels", "Suppress clashes between elements whose labels match",
                "Suppress if one label is like -Expression1- and the other like -Expression2-", like
            ),
            (
                "SameAssembly", "Suppress clashes inside one assembly",
                "Suppress if both elements belong to the same assembly", [:]
            ),
        ]
        return rows.map { name, description, sample, example in
            Template(
                id: GUID(from: &ids), name: generic + name, description: description, sampleText: sample,
                example: example)
        }
    }
}
