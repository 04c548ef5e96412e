// v2 reports: list, read (streamed), delete.

extension Store {
    /// GET reports: newest first, optionally only those of the `repository-id` header.
    func listReports(_ call: Call) throws(Refusal) -> Answer {
        let tenant = tenant(try tenantIndex(call))
        let refusal = Refusal.invalid(
            422, "InvalidClashDetectionReportsRequest", "Invalid clash detection reports request.")
        let page = try Page(v2: call, default: 10, max: 100, or: refusal)
        var newestFirst = Array(tenant.reports.ids.reversed())
        if let text = call.header("repository-id") {
            guard let repository = GUID(text) else { throw refusal }
            newestFirst.removeAll { tenant.reports[$0]?.repository.id != repository }
        }
        let rows = page.rows(of: newestFirst).compactMap { id in
            tenant.reports[id]?.rowV2(iTwin: tenant.id, now: call.now, metadata: call.includesUserMetadata)
        }
        return .json(
            200,
            [
                "count": .int(newestFirst.count), "reports": .array(rows),
                "_links": page.links(of: newestFirst.count, call),
            ])
    }

    /// GET reports/{id}, all clashes in one answer, or the one that `cuid` names.
    func getReport(_ call: Call) throws(Refusal) -> Answer {
        let tenant = tenant(try tenantIndex(call))
        guard let report = tenant.reports[try call.id("id", or: .reportNotFound)] else { throw .reportNotFound }
        let issues = report.issues(call.now)
        var rows = 0..<issues
        if let cuid = call.query["cuid"] {
            let row = ClashStream.row(ofCuid: cuid, report: report.id, count: issues)
            rows = row.map { $0..<($0 + 1) } ?? 0..<0
        }
        let metadata = report.rowV2(iTwin: tenant.id, now: call.now, metadata: call.includesUserMetadata)
        let head: JSON = [
            "calculateOverlap": true, "elementsWLoaderrors": 0, "numProcessed": .int(issues * 20),
            "numResults": .int(issues), "processingTime": .int((report.ends - report.executed).wholeSeconds),
        ]
        let prefix = "{\"metadata\":".utf8 + metadata.bytes + ",\"report\":".utf8 + head.bytes.dropLast()
        let stream = ClashStream(
            report: report.id, version: .v2, rows: rows, prefix: prefix + ",\"clashes\":[".utf8,
            suffix: Array("]}}".utf8))
        return .clashes(stream, count: rows.count)
    }

    /// POST reports/jobs/deletion.
    mutating func deleteReport(_ call: Call) throws(Refusal) -> Answer {
        let position = try tenantIndex(call)
        let refusal = Refusal.invalid(422, "InvalidDeleteReportsRequest", "Invalid delete reports request.")
        let job = try call.singleJob(operation: "delete", or: refusal)
        guard let text = job.text, let id = GUID(text) else { throw refusal }
        guard change(position, { $0.reports.remove(id) }) else { throw .reportNotFound }
        return .accepted
    }
}

extension Answer {
    /// Small reports are plain bodies with a length; large ones are made while they are sent.
    static func clashes(_ stream: ClashStream, count: Int) -> Answer {
        var stream = stream
        let type = HeaderField("Content-Type", "application/json")
        let body: Body = count <= 100 ? .bytes(stream.collect()) : .clashes(stream)
        return Answer(status: 200, headers: [type], body: body)
    }
}
