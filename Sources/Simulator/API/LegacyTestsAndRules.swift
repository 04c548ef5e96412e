// v1 tests, suppression rules and templates. Lists take the project from the query, single resources from the id.

extension Store {
    // MARK: Tests

    func listLegacyTests(_ call: Call) throws(Refusal) -> Answer {
        let tenant = tenant(try projectIndex(call.query["projectId"]))
        let page = try Page(v1: call, default: 10, max: 50)
        let tests = tenant.tests.all.sorted { $0.modified > $1.modified }
        let rows = LegacyRows(tenant.id, call)
        return .json(
            200,
            [
                "tests": .array(page.rows(of: tests).map { rows.test($0, detailed: false) }),
                "_links": page.legacyLinks(of: tests.count, call),
            ])
    }

    mutating func createLegacyTest(_ call: Call) throws(Refusal) -> Answer {
        let body = try call.object(requiring: [
            "projectId", "displayName", "description", "suppressTouching", "includeSubModels", "touchingTolerance",
            "setA", "setB", "suppressionRules",
        ])
        let position = try projectIndex(body["projectId"]?.text)
        let test = try newTest(
            body, nameKey: "displayName", in: position, rules: Store.legacyEntity, now: call.now)
        return .json(201, ["test": LegacyRows(tenant(position).id, call).writtenTest(test)])
    }

    func getLegacyTest(_ call: Call) throws(Refusal) -> Answer {
        let (position, id) = try legacy(call, or: .testNotFound)
        guard let test = tenant(position).tests[id] else { throw .testNotFound }
        return .json(200, ["test": LegacyRows(tenant(position).id, call).test(test, detailed: true)])
    }

    mutating func updateLegacyTest(_ call: Call) throws(Refusal) -> Answer {
        let (position, id) = try legacy(call, or: .testNotFound)
        guard tenant(position).tests[id] != nil else { throw .testNotFound }
        let body = try call.object(requiring: [
            "displayName", "description", "suppressTouching", "includeSubModels", "touchingTolerance", "setA", "setB",
            "suppressionRules",
        ])
        let name = try text(body, "displayName")
        let user = tenant(position).users[1]
        let updated = change(position) { tenant in
            tenant.tests.update(id) { test in
                test.replace(with: body, name: name, rules: Store.legacyEntity, by: user, at: call.now)
                return test
            }
        }
        guard let updated else { throw .testNotFound }
        return .json(200, ["test": LegacyRows(tenant(position).id, call).writtenTest(updated)])
    }

    mutating func deleteLegacyTest(_ call: Call) throws(Refusal) -> Answer {
        let (position, id) = try legacy(call, or: .testNotFound)
        guard change(position, { $0.tests.remove(id) }) else { throw .testNotFound }
        return .empty(204)
    }

    // MARK: Rules

    func listLegacyRules(_ call: Call) throws(Refusal) -> Answer {
        let tenant = tenant(try projectIndex(call.query["projectId"]))
        let page = try Page(v1: call, default: 10, max: 50)
        let rows = LegacyRows(tenant.id, call)
        let rules = tenant.rules.all
        return .json(
            200,
            [
                "suppressionRules": .array(
                    page.rows(of: rules).map { rows.rule($0, detailed: call.prefersRepresentation) }),
                "_links": page.legacyLinks(of: rules.count, call),
            ])
    }

    mutating func createLegacyRule(_ call: Call) throws(Refusal) -> Answer {
        let body = try call.object(requiring: ["projectId", "displayName", "reason", "templateId", "parameters"])
        let position = try projectIndex(body["projectId"]?.text)
        let name = try text(body, "displayName")
        let reason = try text(body, "reason")
        guard let template = body["templateId"]?.text.flatMap(Store.legacyEntity),
            templates.contains(where: { $0.id == template })
        else {
            throw .invalid(404, "SuppressionRuleTemplateNotFound", "Requested template is not available.")
        }
        let rule = newRule(name, reason, body["parameters"] ?? .null, template, in: position, now: call.now)
        return .json(201, ["suppressionRule": LegacyRows(tenant(position).id, call).writtenRule(rule)])
    }

    func getLegacyRule(_ call: Call) throws(Refusal) -> Answer {
        let (position, id) = try legacy(call, or: .ruleNotFound)
        guard let rule = tenant(position).rules[id] else { throw .ruleNotFound }
        return .json(200, ["suppressionRule": LegacyRows(tenant(position).id, call).rule(rule, detailed: true)])
    }

    mutating func updateLegacyRule(_ call: Call) throws(Refusal) -> Answer {
        let (position, id) = try legacy(call, or: .ruleNotFound)
        guard tenant(position).rules[id] != nil else { throw .ruleNotFound }
        let body = try call.object { .unprocessable($0) }
        let updated = changeRule(
            id, in: position, name: body["displayName"]?.text, reason: body["reason"]?.text, parameters: nil,
            now: call.now)
        guard let updated else { throw .ruleNotFound }
        return .json(200, ["suppressionRule": LegacyRows(tenant(position).id, call).writtenRule(updated)])
    }

    mutating func deleteLegacyRule(_ call: Call) throws(Refusal) -> Answer {
        let (position, id) = try legacy(call, or: .ruleNotFound)
        guard change(position, { $0.rules.remove(id) }) else { throw .ruleNotFound }
        return .empty(204)
    }

    // MARK: Templates

    func listLegacyTemplates(_ call: Call) throws(Refusal) -> Answer {
        let tenant = tenant(try projectIndex(call.query["projectId"]))
        let page = try Page(v1: call, default: 15, max: 50)
        let rows = LegacyRows(tenant.id, call)
        return .json(
            200,
            [
                "suppressionRuleTemplates": .array(page.rows(of: templates).map { rows.template($0) }),
                "_links": page.legacyLinks(of: templates.count, call),
            ])
    }

    /// The entity of a v1 id in a body.
    static func legacyEntity(_ text: String) -> GUID? { LegacyID(text, parts: 2)?.parts.last }
}

extension Call {
    /// Whether the client wants full rows (RFC 7240, `return=representation`).
    var prefersRepresentation: Bool {
        request.headers.contains {
            $0.name.lowercased() == "prefer" && $0.value.lowercased().contains("return=representation")
        }
    }
}
