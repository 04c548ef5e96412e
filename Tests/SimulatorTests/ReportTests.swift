// v2 reports and runs: paging, links, filters, states, deletes.

import Simulator
import Testing

@Suite("v2 reports and runs", .timeLimit(.minutes(8)))
struct ReportTests {
    @Test("a first page has ten reports, newest first, and links on another host and path")
    func firstPage() async throws {
        try await withSimulator { rig async throws in
            let page = try await rig.get("\(rig.base)/reports")
            #expect(page.status == 200)
            #expect(page.header("Content-Type") == "application/json")
            #expect(page.json["count"] as? Int == 25)
            #expect(ids(page) == Array(rig.simulator.reportIDs(iTwin: rig.iTwin).reversed().prefix(10)))
            let host = "https://dev-api.bentley.com/apis/clash-detection-v2/operations/itwins/\(rig.iTwin)/reports"
            #expect(link(page, "self") == host)
            #expect(link(page, "next") == "\(host)?$top=10&$continuationToken=Mg==")
            #expect(link(page, "prev") == nil)
            #expect(page.text.contains("\"prev\":null"))
        }
    }

    @Test("following next to the end visits every report once, and prev leads back")
    func walk() async throws {
        try await withSimulator { rig async throws in
            var seen: [String] = []
            var target: String? = "\(rig.base)/reports?%24top=7"
            var pages = 0
            while let path = target {
                let page = try await rig.get(path)
                #expect(page.status == 200)
                seen += ids(page)
                pages += 1
                #expect((link(page, "prev") != nil) == (pages > 1))
                target = link(page, "next").map { rig.base + $0.split(separator: rig.iTwin)[1] }
            }
            #expect(pages == 4)
            #expect(seen == Array(rig.simulator.reportIDs(iTwin: rig.iTwin).reversed()))
        }
    }

    @Test("a new run shifts the rows of later pages, because paging has no snapshot")
    func shiftingPages() async throws {
        try await withSimulator { rig async throws in
            let first = try await rig.get("\(rig.base)/reports")
            rig.simulator.addReport(iTwin: rig.iTwin)
            let second = try await rig.get("\(rig.base)/reports?$top=10&$continuationToken=Mg==")
            #expect(ids(second).first == ids(first).last)
        }
    }

    @Test(
        "bad page parameters are 422 with the documented code",
        arguments: [
            "$top=0", "$top=101", "$top=x", "$top=-1", "%24top=101", "$continuationToken=!", "$continuationToken=MA==",
            "$continuationToken=OTk5OTk5OTk5OTk5OTk5OTk5OQ==",
        ])
    func badPages(query: String) async throws {
        try await withSimulator { rig async throws in
            let response = try await rig.get("\(rig.base)/reports?\(query)")
            #expect(response.status == 422)
            #expect(response.errorCode == "InvalidClashDetectionReportsRequest")
        }
    }

    @Test("the repository-id header filters, and the links do not carry it")
    func repositoryFilter() async throws {
        try await withSimulator { rig async throws in
            let repository = rig.simulator.repositoryIDs(iTwin: rig.iTwin)[1]
            let page = try await rig.get("\(rig.base)/reports?$top=100", ["Repository-Id": repository])
            let rows = try #require(page.json["reports"] as? [[String: Any]])
            #expect(!rows.isEmpty && rows.count < 25)
            #expect(rows.allSatisfy { $0["repositoryId"] as? String == repository })
            #expect(link(page, "self")?.contains(repository) == false)
        }
    }

    @Test("addresses of people come only when asked for")
    func userMetadata() async throws {
        try await withSimulator { rig async throws in
            #expect(try await !rig.get("\(rig.base)/reports").text.contains("@example.com"))
            let asked = try await rig.get("\(rig.base)/reports", ["include-user-metadata": "True"])
            #expect(asked.text.contains("@example.com"))
        }
    }

    @Test("literal segments match in any case, an unknown iTwin is 404, an unknown path is the gateway's 404")
    func matching() async throws {
        try await withSimulator { rig async throws in
            #expect(try await rig.get("/Clash-Detection/ITWINS/\(rig.iTwin)/REPORTS").status == 200)
            let unknown = try await rig.get("/clash-detection/itwins/1b7d4045-a99e-441e-9318-93df23b49a57/reports")
            #expect(unknown.status == 404)
            #expect(unknown.errorCode == "iTwinNotFound")
            let nowhere = try await rig.get("/clash-detection/nowhere")
            #expect(nowhere.status == 404)
            #expect(nowhere.json["statusCode"] as? Int == 404)
        }
    }

    @Test("a report has metadata and clashes, and cuid picks one of them")
    func detail() async throws {
        try await withSimulator { rig async throws in
            let id = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let response = try await rig.get("\(rig.base)/reports/\(id)")
            let metadata = try #require(response.json["metadata"] as? [String: Any])
            #expect(metadata["id"] as? String == id)
            #expect(metadata["numIssues"] as? Int == 5)
            let all = try #require(clashes(response))
            #expect(all.count == 5)
            let cuid = try #require(all[3]["cuid"] as? String)
            let one = try #require(clashes(try await rig.get("\(rig.base)/reports/\(id)?cuid=\(cuid)")))
            #expect(one.count == 1)
            #expect(one[0]["elementAId"] as? String == all[3]["elementAId"] as? String)
            #expect(clashes(try await rig.get("\(rig.base)/reports/\(id)?cuid=none"))?.isEmpty == true)
            #expect(try await rig.get("\(rig.base)/reports/\(rig.iTwin)").status == 404)
        }
    }

    @Test("a run starts at status 0, completes after its time, and can be cancelled only before")
    func runLife() async throws {
        try await withSimulator {
            $0.runDuration = .seconds(10)
        } _: { rig async throws in
            let run = try await rig.call("POST", "\(rig.base)/runs/jobs", body: runBody(rig))
            #expect(run.status == 200)
            let row = try #require((run.json["runs"] as? [[String: Any]])?.first)
            #expect(row["status"] as? String == "Started")
            let report = try #require(row["clashReportId"] as? String)
            let early = try await rig.get("\(rig.base)/reports/\(report)")
            #expect((early.json["metadata"] as? [String: Any])?["status"] as? Int == 0)
            #expect(clashes(early)?.isEmpty == true)
            rig.clock.advance(by: .seconds(10))
            #expect(rig.simulator.status(ofReport: report) == 1)
            let list = try await rig.get("\(rig.base)/reports?$top=1")
            #expect(ids(list) == [report])

            let cancel = #"{"jobs":["\#(report)"],"operation":"cancel"}"#
            #expect(try await rig.call("POST", "\(rig.base)/runs/jobs/cancellation", body: cancel).status == 422)
            let second = try await rig.call("POST", "\(rig.base)/runs/jobs", body: runBody(rig))
            let next = try #require((second.json["runs"] as? [[String: Any]])?.first?["clashReportId"] as? String)
            let cancelNext = #"{"jobs":["\#(next)"],"operation":"cancel"}"#
            let cancelled = try await rig.call("POST", "\(rig.base)/runs/jobs", body: cancelNext)
            #expect(cancelled.status == 202)
            #expect(cancelled.text == "{}")
            #expect(rig.simulator.status(ofReport: next) == 9)
        }
    }

    @Test("In-Place runs the earlier report again under its own id", arguments: ["True", "force"])
    func inPlace(mode: String) async throws {
        try await withSimulator { rig async throws in
            func report(_ headers: [String: String]) async throws -> String? {
                let run = try await rig.call("POST", "\(rig.base)/runs/jobs", headers, body: runBody(rig))
                return (run.json["runs"] as? [[String: Any]])?.first?["clashReportId"] as? String
            }
            let first = try #require(try await report([:]))
            rig.clock.advance(by: .seconds(60))
            #expect(rig.simulator.status(ofReport: first) == 1)
            #expect(try await report(["In-Place": mode]) == first)
            #expect(rig.simulator.status(ofReport: first) == 0)
            #expect(try await report(["In-Place": "False"]) != first)
        }
    }

    @Test(
        "malformed runs are 400",
        arguments: [
            "", "{", #"{"jobs":[],"operation":"run"}"#, #"{"jobs":[{},{}],"operation":"run"}"#,
            #"{"jobs":[{}],"operation":"run"}"#, #"{"jobs":[{}]}"#,
        ])
    func badRuns(body: String) async throws {
        try await withSimulator { rig async throws in
            let response = try await rig.call("POST", "\(rig.base)/runs/jobs", body: body)
            #expect(response.status == 400)
            #expect(response.errorCode == "InvalidClashDetectionRequest")
        }
    }

    @Test("the seventh run in a second is 429 and names the operation; other calls go on")
    func runLimit() async throws {
        try await withSimulator { rig async throws in
            for _ in 0..<6 {
                #expect(try await rig.call("POST", "\(rig.base)/runs/jobs", body: runBody(rig)).status == 200)
            }
            let seventh = try await rig.call("POST", "\(rig.base)/runs/jobs", body: runBody(rig))
            #expect(seventh.status == 429)
            #expect(seventh.errorCode == "RateLimitExceeded")
            #expect(seventh.header("retry-after") == "1")
            #expect(seventh.header("ITwinPlatform-RateLimited-Operation") == "v2.runs.start")
            #expect(try await rig.get("\(rig.base)/reports").status == 200)
            rig.clock.advance(by: .seconds(1))
            #expect(try await rig.call("POST", "\(rig.base)/runs/jobs", body: runBody(rig)).status == 200)
        }
    }

    @Test("a report is deleted by a POST, answered 202 with an empty object")
    func delete() async throws {
        try await withSimulator { rig async throws in
            let id = rig.simulator.reportIDs(iTwin: rig.iTwin)[3]
            let body = #"{"jobs":["\#(id)"],"operation":"delete"}"#
            let response = try await rig.call("POST", "\(rig.base)/reports/jobs/deletion", body: body)
            #expect(response.status == 202)
            #expect(response.text == "{}")
            #expect(!rig.simulator.reportExists(id))
            #expect(try await rig.get("\(rig.base)/reports/\(id)").status == 404)
            #expect(try await rig.call("POST", "\(rig.base)/reports/jobs/deletion", body: body).status == 404)
            for bad in [#"{"jobs":["\#(id)"]}"#, #"{"jobs":["a","b"],"operation":"delete"}"#, "[]"] {
                let refused = try await rig.call("POST", "\(rig.base)/reports/jobs/deletion", body: bad)
                #expect(refused.status == 422)
                #expect(refused.errorCode == "InvalidDeleteReportsRequest")
            }
        }
    }

    private func runBody(_ rig: Rig) -> String {
        let test = rig.simulator.testIDs(iTwin: rig.iTwin)[0]
        let model = rig.simulator.repositoryIDs(iTwin: rig.iTwin)[0]
        return #"{"jobs":[{"testId":"\#(test)","iModelId":"\#(model)"}],"operation":"run"}"#
    }

    private func ids(_ page: RawResponse) -> [String] {
        (page.json["reports"] as? [[String: Any]] ?? []).compactMap { $0["id"] as? String }
    }

    private func clashes(_ response: RawResponse) -> [[String: Any]]? {
        (response.json["report"] as? [String: Any])?["clashes"] as? [[String: Any]]
    }
}

/// A link of a page, or nil when it is null.
func link(_ page: RawResponse, _ name: String) -> String? {
    ((page.json["_links"] as? [String: Any])?[name] as? [String: Any])?["href"] as? String
}
