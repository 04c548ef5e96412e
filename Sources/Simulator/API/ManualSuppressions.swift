// v2 manual suppressions: listed with `$top` and `$skip`, applied and removed with the report named in headers.
// The path of the remove operation is not documented; see the route table.

extension Store {
    /// GET manual-suppressions?clashReportId=…
    func listManualSuppressions(_ call: Call) throws(Refusal) -> Answer {
        let tenant = tenant(try tenantIndex(call))
        guard let text = call.query["clashReportId"], let id = GUID(text) else {
            throw .unprocessable(
                .init(
                    code: "MissingRequiredParameter", message: "Required parameter is missing.",
                    target: "clashReportId"))
        }
        guard let report = tenant.reports[id] else { throw .reportNotFound }
        let (top, skip) = try Store.window(call)
        var entries = Array(report.suppressions.reversed())
        if call.query["orderBy"]?.uppercased() == "ASC" { entries.reverse() }
        if let element = call.query["elementAId"] { entries.removeAll { $0.pair.first != element } }
        if let element = call.query["elementBId"] { entries.removeAll { $0.pair.last != element } }
        if let type = call.query["suppressionType"] { entries.removeAll { $0.suppressed != (type == "1") } }
        if let user = call.query["userId"] { entries.removeAll { $0.user.id.text != user } }
        var answer: JSON = [
            "count": .int(entries.count),
            "manualSuppressions": .array(entries.dropFirst(skip).prefix(top).map(\.rowV2)),
        ]
        if call.query["includeUserMetadata"]?.lowercased() == "true" {
            let users = Set(entries.map(\.user.id.text)).sorted()
            let people: [JSON] = tenant.users.filter { users.contains($0.id.text) }.map { user in
                ["id": .guid(user.id), "name": .string(user.name), "email": .string(user.email)]
            }
            answer = answer.with("userMetadata", .array(people))
        }
        return .json(200, answer.with("_links", Store.links(call, top: top, skip: skip, total: entries.count)))
    }

    /// POST manual-suppressions: 201 without a body.
    mutating func applyManualSuppressions(_ call: Call) throws(Refusal) -> Answer {
        try recordSuppressions(call, suppressed: true)
        return .empty(201)
    }

    /// 204.
    mutating func removeManualSuppressions(_ call: Call) throws(Refusal) -> Answer {
        try recordSuppressions(call, suppressed: false)
        return .empty(204)
    }

    private mutating func recordSuppressions(_ call: Call, suppressed: Bool) throws(Refusal) {
        let missing = { (code: String, target: String) in
            Refusal.resourceNotFound(code, "Requested resource is not available.", target: target)
        }
        guard let text = call.parameters["itwin"], let iTwin = GUID(text), let tenant = self[iTwin] else {
            throw missing("iTwinNotFound", "itwin-id")
        }
        let position = try tenantIndex(call)
        guard let repository = call.header("repository-id").flatMap({ GUID($0) }),
            tenant.repositories.contains(where: { $0.id == repository })
        else { throw missing("repositoryIdNotFound", "repository-id") }
        guard let id = call.header("clash-report-id").flatMap({ GUID($0) }),
            tenant.reports[id]?.repository.id == repository
        else { throw missing("ClashReportIdNotFound", "clash-report-id") }
        let body = try call.object(requiring: ["elementIds", "reason"])
        let pairs = (body["elementIds"]?.elements ?? []).compactMap { $0.elements?.compactMap(\.text) }
        guard let reason = body["reason"]?.text, !pairs.isEmpty, pairs.allSatisfy({ $0.count == 2 }) else {
            throw .unprocessable(.init(code: "InvalidValue", message: "Value is not valid.", target: "elementIds"))
        }
        let user = tenant.users[0]
        _ = change(position) { tenant in
            tenant.reports.update(id) { report in
                report.suppressions += pairs.map { pair in
                    ManualSuppression(pair: pair, reason: reason, suppressed: suppressed, time: call.now, user: user)
                }
            }
        }
    }

    private static func window(_ call: Call) throws(Refusal) -> (top: Int, skip: Int) {
        let top = call.query["$top"].map { Int($0) ?? 0 } ?? 10
        let skip = call.query["$skip"].map { Int($0) ?? -1 } ?? 0
        guard (1...100).contains(top), skip >= 0 else {
            throw .unprocessable(.init(code: "InvalidValue", message: "Value of $top or $skip is not valid."))
        }
        return (top, skip)
    }

    private static func links(_ call: Call, top: Int, skip: Int, total: Int) -> JSON {
        let others = call.rawQuery.split(separator: "&").filter { pair in
            let name = FormValues(pair).pairs.first?.name
            return name != "$top" && name != "$skip"
        }
        func link(_ skip: Int) -> JSON {
            let query = (["$top=\(top)", "$skip=\(skip)"] + others.map(String.init)).joined(separator: "&")
            return ["href": .string("\(call.linkBase)\(call.linkPath)?\(query)")]
        }
        return [
            "self": link(skip),
            "next": skip < total - top ? link(skip + top) : .null,
            "prev": skip > 0 ? link(max(0, skip - top)) : .null,
        ]
    }
}
