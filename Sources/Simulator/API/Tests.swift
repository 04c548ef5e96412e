// v2 tests: list, create, read, update, delete. Deleting a test leaves its reports alone.

extension Store {
    /// GET tests. The `configType` header is documented as required.
    func listTests(_ call: Call) throws(Refusal) -> Answer {
        let tenant = tenant(try tenantIndex(call))
        guard call.header("configType") == "2" else {
            throw .unprocessable(
                .init(
                    code: "MissingRequiredHeader", message: "Header configType must be 2 for clash detection tests.",
                    target: "configType"))
        }
        let page = try Page(v2: call, default: 100, max: 500, or: Store.badPage)
        var tests = tenant.tests.all
        if let text = call.query["repositoryId"] { tests.removeAll { $0.tag?["id"]?.text != text } }
        if let text = call.query["name"] { tests.removeAll { !$0.name.lowercased().contains(text.lowercased()) } }
        if let text = call.query["description"] {
            tests.removeAll { !$0.description.lowercased().contains(text.lowercased()) }
        }
        switch call.query["orderBy"] {
        case "name": tests.sort { $0.name < $1.name }
        case "description": tests.sort { $0.description < $1.description }
        case "creationDate": tests.sort { $0.created > $1.created }
        default: tests.sort { $0.modified > $1.modified }
        }
        let rulesCount = call.query["includeRulesCount"]?.lowercased() == "true"
        let rows = page.rows(of: tests).map {
            $0.rowV2(metadata: call.includesUserMetadata, rulesCount: rulesCount)
        }
        return .json(
            200,
            ["count": .int(tests.count), "tests": .array(rows), "_links": page.links(of: tests.count, call)])
    }

    /// POST tests.
    mutating func createTest(_ call: Call) throws(Refusal) -> Answer {
        let position = try tenantIndex(call)
        let body = try call.object(requiring: [
            "name", "description", "suppressTouching", "includeSubModels", "touchingTolerance", "setA", "setB",
        ])
        let test = try newTest(body, nameKey: "name", in: position, rules: { GUID($0) }, now: call.now)
        return .json(201, ["test": ["id": .guid(test.id), "name": .string(test.name)]])
    }

    /// GET tests/{id}.
    func getTest(_ call: Call) throws(Refusal) -> Answer {
        let tenant = tenant(try tenantIndex(call))
        guard let test = tenant.tests[try call.id("id", or: .testNotFound)] else { throw .testNotFound }
        return .json(200, ["test": test.detailV2(metadata: call.includesUserMetadata)])
    }

    /// PUT tests/{id}. A body without `tag` removes the tag.
    mutating func updateTest(_ call: Call) throws(Refusal) -> Answer {
        let position = try tenantIndex(call)
        let id = try call.id("id", or: .testNotFound)
        guard tenant(position).tests[id] != nil else { throw .testNotFound }
        let body = try call.object(requiring: [
            "name", "description", "suppressTouching", "includeSubModels", "touchingTolerance", "setA", "setB",
            "suppressionRules",
        ])
        let name = try text(body, "name")
        let user = tenant(position).users[1]
        let updated = change(position) { tenant in
            tenant.tests.update(id) { test in
                test.replace(with: body, name: name, rules: { GUID($0) }, by: user, at: call.now)
                test.tag = body["tag"]
                return test
            }
        }
        guard let updated else { throw .testNotFound }
        return .json(200, ["test": updated.detailV2(metadata: call.includesUserMetadata)])
    }

    /// POST tests/jobs/deletion.
    mutating func deleteTest(_ call: Call) throws(Refusal) -> Answer {
        let position = try tenantIndex(call)
        let refusal = Refusal.invalid(422, "InvalidDeleteTestsRequest", "Invalid delete tests request.")
        let job = try call.singleJob(operation: "delete", or: refusal)
        guard let text = job.text, let id = GUID(text) else { throw refusal }
        guard change(position, { $0.tests.remove(id) }) else { throw .testNotFound }
        return .accepted
    }

    // MARK: Shared with v1

    /// Adds a test from a create body of either version; `rules` reads the version's spelling of a rule id.
    mutating func newTest(
        _ body: JSON, nameKey: String, in position: Int, rules: (String) -> GUID?, now: Duration
    ) throws(Refusal) -> TestConfiguration {
        let name = try text(body, nameKey)
        let user = tenant(position).users[0]
        var test = TestConfiguration(
            id: GUID(from: &ids), name: name, description: "", created: now, modified: now, createdBy: user,
            modifiedBy: user, suppressTouching: true, includeSubModels: false, touchingTolerance: 0, setA: .null,
            setB: .null, ruleIDs: [], advancedSettings: .null, tag: body["tag"])
        test.replace(with: body, name: name, rules: rules, by: user, at: now)
        change(position) { $0.tests.append(test) }
        return test
    }

    /// A member that must be a string that is not empty.
    func text(_ body: JSON, _ name: String) throws(Refusal) -> String {
        guard let text = body[name]?.text, !text.isEmpty else {
            throw .unprocessable(.init(code: "InvalidValue", message: "Value is not a text.", target: name))
        }
        return text
    }
}

extension TestConfiguration {
    /// Everything that a body of either version carries, but for the tag and the name's key.
    mutating func replace(
        with body: JSON, name: String, rules: (String) -> GUID?, by user: User, at now: Duration
    ) {
        self.name = name
        description = body["description"]?.text ?? ""
        suppressTouching = body["suppressTouching"] ?? suppressTouching
        includeSubModels = body["includeSubModels"] ?? includeSubModels
        touchingTolerance = body["touchingTolerance"] ?? touchingTolerance
        setA = body["setA"] ?? setA
        setB = body["setB"] ?? setB
        ruleIDs = (body["suppressionRules"]?.elements ?? []).compactMap { $0.text.flatMap(rules) }
        advancedSettings = body["advancedSettings"] ?? advancedSettings
        modified = now
        modifiedBy = user
    }
}
