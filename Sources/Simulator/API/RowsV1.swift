// The JSON of v1: long ids, `displayName`, and links on every row. Links to people lead to another API.

/// Writes v1 rows of one project.
struct LegacyRows {
    let project: GUID
    let linkBase: String
    let metadata: Bool

    init(_ project: GUID, _ call: Call) {
        self.project = project
        linkBase = call.linkBase
        metadata = call.includesUserMetadata
    }

    func id(_ entity: GUID) -> String { LegacyID(project, entity).text }
    func resultID(_ report: Report) -> String { LegacyID(project, report.test, report.id).text }

    // MARK: Tests

    func test(_ test: TestConfiguration, detailed: Bool) -> JSON {
        var row: JSON = [
            "id": .string(id(test.id)), "displayName": .string(test.name), "description": .string(test.description),
            "creationDateTime": .time(test.created), "modificationDateTime": .time(test.modified),
        ]
        if detailed {
            row = row.with("suppressTouching", test.suppressTouching).with("includeSubModels", test.includeSubModels)
                .with("touchingTolerance", test.touchingTolerance).with("setA", test.setA).with("setB", test.setB)
                .with("suppressionRules", .array(test.ruleIDs.map { .string(id($0)) }))
                .with("advancedSettings", test.advancedSettings)
        }
        return people(row.with("_links", members(test.createdBy, test.modifiedBy)), test.createdBy, test.modifiedBy)
    }

    /// The answer to a create or an update.
    func writtenTest(_ test: TestConfiguration) -> JSON {
        [
            "id": .string(id(test.id)), "displayName": .string(test.name), "description": .string(test.description),
            "_links": ["self": link("/tests/\(id(test.id))")],
        ]
    }

    // MARK: Runs

    func run(_ report: Report, detailed: Bool, now: Duration) -> JSON {
        var row: JSON = [
            "id": .string(id(report.id)),
            "displayName": .string("\(report.testName) \(Timestamps.runName(report.executed))"),
        ]
        if detailed {
            row = row.with("executedDateTime", .time(report.executed))
                .with("count", .string(String(report.issues(now)))).with("userName", .string(report.user.name))
                .with("status", .string(LegacyRows.status(report.status(now))))
                .with("resultId", .string(resultID(report)))
        }
        let links: JSON = [
            "result": link("/results/\(resultID(report))"), "test": link("/tests/\(id(report.test))"),
        ]
        return row.with("_links", links)
    }

    private static func status(_ number: Int) -> String {
        switch number {
        case 0: "started"
        case 1: "completed"
        case 7: "completedToLimit"
        case 9: "cancelled"
        default: "failed"
        }
    }

    // MARK: Rules and templates

    func rule(_ rule: Rule, detailed: Bool) -> JSON {
        let row: JSON = ["id": .string(id(rule.id)), "displayName": .string(rule.name)]
        guard detailed else {
            return row.with("_links", ["suppressionRule": link("/suppressionrules/\(id(rule.id))")])
        }
        let detail = row.with("reason", .string(rule.reason)).with("creationDateTime", .time(rule.created))
            .with("modificationDateTime", .time(rule.modified)).with("templateId", .string(id(rule.templateID)))
            .with("parameters", .string(rule.parametersText))
            .with("_links", members(rule.createdBy, rule.modifiedBy))
        return people(detail, rule.createdBy, rule.modifiedBy)
    }

    /// The answer to a create or an update.
    func writtenRule(_ rule: Rule) -> JSON {
        [
            "id": .string(id(rule.id)), "displayName": .string(rule.name), "templateId": .string(id(rule.templateID)),
            "reason": .string(rule.reason), "parameters": .string(rule.parametersText),
            "_links": ["self": link("/suppressionrules/\(id(rule.id))"), "createdBy": member(rule.createdBy)],
        ]
    }

    func template(_ template: Template) -> JSON {
        [
            "id": .string(id(template.id)), "displayName": .string(template.name),
            "description": .string(template.description), "prompt": .string(template.sampleText),
            "templateExpression": template.example,
        ]
    }

    // MARK: Links

    func link(_ path: String) -> JSON { ["href": .string(linkBase + path)] }

    private func members(_ created: User, _ modified: User) -> JSON {
        ["createdBy": member(created), "lastModifiedBy": member(modified)]
    }

    private func member(_ user: User) -> JSON {
        ["href": .string("https://api.bentley.com/accesscontrol/itwins/\(project.text)/members/\(user.id.text)")]
    }

    private func people(_ row: JSON, _ created: User, _ modified: User) -> JSON {
        metadata ? row.with("userMetadata", userMetadata(created, modified)) : row
    }
}
