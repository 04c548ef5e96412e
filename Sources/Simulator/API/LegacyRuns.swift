// v1 runs, their results, and the extraction of models and categories. A run and its result are one report:
// deleting the run removes the result.

extension Store {
    // MARK: Runs

    /// POST runs.
    mutating func startLegacyRun(_ call: Call) throws(Refusal) -> Answer {
        let body = try call.object(requiring: ["testId", "iModelId", "namedVersionId"])
        guard let id = body["testId"]?.text.flatMap({ LegacyID($0, parts: 2) }), let project = self[id.parts[0]],
            let test = project.tests[id.parts[1]]
        else { throw .testNotFound }
        guard let model = body["iModelId"]?.text.flatMap({ GUID($0) }) else { throw .iModelNotFound }
        let position = try projectIndex(project.id.text)
        let inPlace = ["true", "force"].contains(body["inPlace"]?.text?.lowercased())
        let report = try run(
            test, on: model, changeset: body["namedVersionId"]?.text.flatMap { GUID($0) },
            limit: body["testSettings"]?["resultsLimit"], inPlace: inPlace, in: position, now: call.now)
        let rows = LegacyRows(project.id, call)
        let runID = rows.id(report.id)
        return .json(201, ["run": ["id": .string(runID), "_links": ["run": rows.link("/runs/\(runID)")]]])
    }

    /// GET runs?projectId: one array without paging.
    func listLegacyRuns(_ call: Call) throws(Refusal) -> Answer {
        let tenant = tenant(try projectIndex(call.query["projectId"]))
        let rows = LegacyRows(tenant.id, call)
        let runs = tenant.reports.all.reversed().map { report in
            rows.run(report, detailed: call.prefersRepresentation, now: call.now)
        }
        return .json(200, ["runs": .array(runs)])
    }

    func getLegacyRun(_ call: Call) throws(Refusal) -> Answer {
        let (position, id) = try legacy(call, or: .runNotFound)
        guard let report = tenant(position).reports[id] else { throw .runNotFound }
        let rows = LegacyRows(tenant(position).id, call)
        return .json(200, ["run": rows.run(report, detailed: true, now: call.now)])
    }

    mutating func deleteLegacyRun(_ call: Call) throws(Refusal) -> Answer {
        let (position, id) = try legacy(call, or: .runNotFound)
        guard change(position, { $0.reports.remove(id) }) else { throw .runNotFound }
        return .empty(204)
    }

    // MARK: Results

    func getLegacyResult(_ call: Call) throws(Refusal) -> Answer {
        let (position, id) = try legacy(call, parts: 3, or: .resultNotFound)
        guard let report = tenant(position).reports[id],
            LegacyRows(tenant(position).id, call).resultID(report) == call.parameters["id"]
        else { throw .resultNotFound }
        let lists =
            "],\"categoryList\":[{\"id\":\"0x20000000047\",\"displayName\":\"SWS-1-SWS-0104\"},"
            + "{\"id\":\"0x20000000049\",\"displayName\":\"SWS-1-SWS-0107\"}],"
            + "\"modelList\":[{\"id\":\"0x20000000030\",\"displayName\":\"3D-PLANT\"}],\"suppressingRuleList\":[]}"
        let issues = report.issues(call.now)
        let stream = ClashStream(
            report: report.id, version: .v1, rows: 0..<issues, prefix: Array("{\"result\":[".utf8),
            suffix: Array(lists.utf8))
        return .clashes(stream, count: issues)
    }

    // MARK: Extraction

    /// POST modelsandcategories/imodels/{id} and schemas/imodels/{id}: 202, an empty object, and where to poll.
    mutating func extract(_ call: Call) throws(Refusal) -> Answer {
        let body = try call.object { .unprocessable($0) }
        guard let project = body["projectId"]?.text else {
            throw .unprocessable(
                .init(code: "InvalidRequestBody", message: "Failed to parse request body.", target: "projectId"))
        }
        let position = try projectIndex(project)
        let model = try model(call, in: position)
        let ready = call.now + configuration.extractionDuration
        change(position) { tenant in
            if tenant.extractions[model] == nil { tenant.extractions[model] = ready }
        }
        let location = "\(call.linkBase)\(call.linkPath)?projectId=\(project)"
        return .json(202, [:], headers: [HeaderField("Location", location)])
    }

    func getModelsAndCategories(_ call: Call) throws(Refusal) -> Answer {
        guard try isExtracted(call) else {
            return .json(200, ["status": "unavailable", "models": [], "categories": []])
        }
        return .json(
            200,
            [
                "status": "available",
                "models": [["id": "0x20000000030", "displayName": "3D-PLANT"]],
                "categories": [
                    ["id": "0x20000000047", "displayName": "SWS-1-SWS-0104"],
                    ["id": "0x20000000049", "displayName": "SWS-1-SWS-0107"],
                ],
            ])
    }

    func getSchemas(_ call: Call) throws(Refusal) -> Answer {
        guard try isExtracted(call) else { return .json(200, ["status": "unavailable", "schema": []]) }
        let doors: JSON = ["name": "Door", "label": "Door", "properties": [], "aspects": [], "typeDefinitions": []]
        let schema: JSON = ["name": "ArchitecturalPhysical", "label": "Architectural Physical", "entityClass": [doors]]
        return .json(200, ["status": "available", "schema": [schema]])
    }

    private func isExtracted(_ call: Call) throws(Refusal) -> Bool {
        let position = try projectIndex(call.query["projectId"])
        let model = try model(call, in: position)
        return tenant(position).extractions[model].map { $0 <= call.now } ?? false
    }

    private func model(_ call: Call, in position: Int) throws(Refusal) -> GUID {
        let id = try call.id("id", or: .iModelNotFound)
        guard tenant(position).repositories.contains(where: { $0.id == id }) else { throw .iModelNotFound }
        return id
    }
}
