// v2 suppression rules, their templates, and manual suppressions.

extension Store {
    // MARK: Rules

    func listRules(_ call: Call) throws(Refusal) -> Answer {
        let tenant = tenant(try tenantIndex(call))
        let page = try Page(v2: call, default: 100, max: 500, or: Store.badPage)
        var rules = tenant.rules.all
        if let text = call.query["name"] { rules.removeAll { !$0.name.lowercased().contains(text.lowercased()) } }
        if let text = call.query["reason"] { rules.removeAll { !$0.reason.lowercased().contains(text.lowercased()) } }
        let rows = page.rows(of: rules).map { $0.rowV2(metadata: call.includesUserMetadata) }
        return .json(
            200,
            [
                "count": .int(rules.count), "suppressionRules": .array(rows),
                "_links": page.links(of: rules.count, call),
            ])
    }

    mutating func createRule(_ call: Call) throws(Refusal) -> Answer {
        let position = try tenantIndex(call)
        let refusal = Refusal.invalid(400, "InvalidClashDetectionRequest", "Invalid clash detection request.")
        let body = try call.object { _ in refusal }
        guard let name = body["name"]?.text, let reason = body["reason"]?.text, let parameters = body["parameters"],
            let template = body["templateId"]?.text.flatMap({ GUID($0) }),
            templates.contains(where: { $0.id == template })
        else { throw refusal }
        let rule = newRule(name, reason, parameters, template, in: position, now: call.now)
        return .json(
            201,
            [
                "suppressionRule": [
                    "id": .guid(rule.id), "name": .string(name), "templateId": .guid(template),
                    "reason": .string(reason), "createdBy": .guid(rule.createdBy.id),
                    "parameters": .string(rule.parametersText),
                ]
            ])
    }

    func getRule(_ call: Call) throws(Refusal) -> Answer {
        let tenant = tenant(try tenantIndex(call))
        guard let rule = tenant.rules[try call.id("id", or: .ruleNotFound)] else { throw .ruleNotFound }
        return .json(200, ["suppressionRule": rule.rowV2(metadata: call.includesUserMetadata)])
    }

    /// PATCH suppression-rules/{id}: members that are not there stay.
    mutating func updateRule(_ call: Call) throws(Refusal) -> Answer {
        let position = try tenantIndex(call)
        let id = try call.id("id", or: .ruleNotFound)
        guard tenant(position).rules[id] != nil else { throw .ruleNotFound }
        let body = try call.object { .unprocessable($0) }
        let updated = changeRule(
            id, in: position, name: body["name"]?.text, reason: body["reason"]?.text,
            parameters: body["parameters"], now: call.now)
        guard let updated else { throw .ruleNotFound }
        return .json(200, ["suppressionRule": updated.rowV2(metadata: call.includesUserMetadata)])
    }

    mutating func deleteRule(_ call: Call) throws(Refusal) -> Answer {
        let position = try tenantIndex(call)
        let id = try call.id("id", or: .ruleToDeleteNotFound)
        guard change(position, { $0.rules.remove(id) }) else { throw .ruleToDeleteNotFound }
        return .empty(204)
    }

    // MARK: Rules, shared with v1

    mutating func newRule(
        _ name: String, _ reason: String, _ parameters: JSON, _ template: GUID, in position: Int, now: Duration
    ) -> Rule {
        let user = tenant(position).users[0]
        let rule = Rule(
            id: GUID(from: &ids), templateID: template, name: name, reason: reason, parameters: parameters,
            created: now, modified: now, createdBy: user, modifiedBy: user)
        change(position) { $0.rules.append(rule) }
        return rule
    }

    mutating func changeRule(
        _ id: GUID, in position: Int, name: String?, reason: String?, parameters: JSON?, now: Duration
    ) -> Rule? {
        change(position) { tenant in
            let user = tenant.users[1]
            return tenant.rules.update(id) { rule in
                rule.name = name ?? rule.name
                rule.reason = reason ?? rule.reason
                rule.parameters = parameters ?? rule.parameters
                rule.modified = now
                rule.modifiedBy = user
                return rule
            }
        }
    }

    // MARK: Templates

    func listTemplates(_ call: Call) throws(Refusal) -> Answer {
        _ = try tenantIndex(call)
        let page = try Page(v2: call, default: 100, max: 500, or: Store.badPage)
        var rows = templates
        if let text = call.query["description"] {
            rows.removeAll { !$0.description.lowercased().contains(text.lowercased()) }
        }
        if let text = call.query["definition"] { rows.removeAll { !$0.name.lowercased().contains(text.lowercased()) } }
        return .json(
            200,
            [
                "count": .int(rows.count), "suppressionTemplates": .array(page.rows(of: rows).map(\.rowV2)),
                "_links": page.links(of: rows.count, call),
            ])
    }

    static let badPage = Refusal.unprocessable(
        .init(code: "InvalidValue", message: "Value of $top or $continuationToken is not valid."))
}
