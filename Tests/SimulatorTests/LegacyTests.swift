// v1: long ids, its own paging and links, DELETE verbs, and one world shared with v2.

import Foundation
import Simulator
import Testing

@Suite("v1", .timeLimit(.minutes(8)))
struct LegacyTests {
    private let accept = ["Accept": "application/vnd.bentley.itwin-platform.v1+json"]

    @Test("tests are paged by a token that remembers the page size")
    func paging() async throws {
        try await withSimulator { rig async throws in
            let first = try await rig.get("/clashdetection/tests?projectId=\(rig.iTwin)&$top=5", accept)
            #expect((first.json["tests"] as? [Any])?.count == 5)
            let href = try #require(link(first, "next"))
            let start = "https://api.bentley.com/clashdetection/tests?projectId=\(rig.iTwin)&continuationToken="
            #expect(href.hasPrefix(start))
            let token = try #require(Data(base64Encoded: String(href.dropFirst(start.count))))
            #expect(String(decoding: token, as: UTF8.self) == #"{"top":5,"skipToken":"Mg=="}"#)
            let path = String(href.dropFirst("https://api.bentley.com".count))
            let second = try await rig.get(path, accept)
            #expect((second.json["tests"] as? [Any])?.count == 5)
            let last = try #require(link(second, "next")).dropFirst("https://api.bentley.com".count)
            let third = try await rig.get(String(last), accept)
            #expect((third.json["tests"] as? [Any])?.count == 2)
            #expect(third.text.hasSuffix("\"_links\":{\"next\":null}}"))
            #expect(try await rig.get("/clashdetection/tests?projectId=\(rig.iTwin)&$top=51").status == 422)
            #expect(try await rig.get("/clashdetection/tests?projectId=\(rig.iTwin)&continuationToken=x").status == 422)
        }
    }

    @Test("a missing project is 422, an unknown one 404")
    func projects() async throws {
        try await withSimulator { rig async throws in
            #expect(try await rig.get("/clashdetection/tests").status == 422)
            let unknown = try await rig.get("/clashdetection/runs?projectId=1b7d4045-a99e-441e-9318-93df23b49a57")
            #expect(unknown.status == 404 && unknown.errorCode == "ProjectNotFound")
        }
    }

    @Test("runs come as one array, minimal or full by the Prefer header, with links that can be followed")
    func runs() async throws {
        try await withSimulator { rig async throws in
            let minimal = try await rig.get("/clashdetection/runs?projectId=\(rig.iTwin)")
            let rows = try #require(minimal.json["runs"] as? [[String: Any]])
            #expect(rows.count == 25)
            #expect(minimal.json["_links"] == nil && rows[0]["status"] == nil)
            let full = try await rig.get(
                "/clashdetection/runs?projectId=\(rig.iTwin)", ["prefer": "return=representation"])
            #expect((full.json["runs"] as? [[String: Any]])?[0]["status"] is String)
            let links = try #require(rows[0]["_links"] as? [String: [String: String]])
            for (name, code) in [("result", 200), ("test", 200)] {
                let href = try #require(links[name]?["href"])
                let path = String(href.dropFirst("https://api.bentley.com".count))
                #expect(try await rig.get(path).status == code)
            }
        }
    }

    @Test("deleting a run removes its result, its v2 report, and answers 204 without a body or a type")
    func deleteRun() async throws {
        try await withSimulator { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let run = try #require(rig.simulator.legacyID(project: rig.iTwin, entity: report))
            let result = try #require(rig.simulator.legacyResultID(report: report))
            #expect(run.count == 43 && result.count == 64)
            let read = try await rig.get("/clashdetection/runs/\(run)")
            #expect((read.json["run"] as? [String: Any])?["resultId"] as? String == result)
            let details = try await rig.get("/clashdetection/results/\(result)")
            #expect((details.json["result"] as? [Any])?.count == 5)
            #expect((details.json["suppressingRuleList"] as? [Any])?.isEmpty == true)

            let deleted = try await rig.call("DELETE", "/clashdetection/runs/\(run)")
            #expect(deleted.status == 204)
            #expect(deleted.header("Content-Type") == nil && deleted.header("Content-Length") == nil)
            #expect(try await rig.get("/clashdetection/runs/\(run)").errorCode == "ClashDetectionRunNotFound")
            let gone = try await rig.get("/clashdetection/results/\(result)")
            #expect(gone.errorCode == "ClashDetectionResultNotFound")
            #expect(try await rig.get("\(rig.base)/reports/\(report)").status == 404)
            #expect(try await rig.call("DELETE", "/clashdetection/runs/\(run)").status == 404)
        }
    }

    @Test("ids are matched exactly, literals in any case")
    func exactIDs() async throws {
        try await withSimulator { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let run = try #require(rig.simulator.legacyID(project: rig.iTwin, entity: report))
            #expect(try await rig.get("/ClashDetection/Runs/\(run)").status == 200)
            #expect(try await rig.get("/clashdetection/runs/\(run.uppercased())").status == 404)
        }
    }

    @Test("a run is started, seen at work, and completed")
    func startRun() async throws {
        try await withSimulator { rig async throws in
            let test = try #require(
                rig.simulator.legacyID(project: rig.iTwin, entity: rig.simulator.testIDs(iTwin: rig.iTwin)[0]))
            let model = rig.simulator.repositoryIDs(iTwin: rig.iTwin)[0]
            let body = #"{"testId":"\#(test)","iModelId":"\#(model)","namedVersionId":"\#(model)"}"#
            let started = try await rig.call("POST", "/clashdetection/runs", body: body)
            #expect(started.status == 201)
            let run = try #require(started.json["run"] as? [String: Any])
            let id = try #require(run["id"] as? String)
            func status() async throws -> String? {
                (try await rig.get("/clashdetection/runs/\(id)").json["run"] as? [String: Any])?["status"] as? String
            }
            #expect(try await status() == "started")
            rig.clock.advance(by: .seconds(3))
            #expect(try await status() == "completed")
            #expect(try await rig.call("POST", "/clashdetection/runs", body: "{}").status == 422)
        }
    }

    @Test("a v1 429 has its own code")
    func rateLimit() async throws {
        try await withSimulator {
            $0.rateWindows = [RateWindow(limit: 1, per: .seconds(60))]
        } _: { rig async throws in
            _ = try await rig.get("/clashdetection/runs?projectId=\(rig.iTwin)")
            let refused = try await rig.get("/clashdetection/runs?projectId=\(rig.iTwin)")
            #expect(refused.status == 429 && refused.errorCode == "TooManyRequests")
            #expect(refused.header("Retry-After") == "60")
            #expect(refused.header("ITwinPlatform-RateLimited-Application") == "demo")
        }
    }

    @Test("models and categories are extracted: 202 with an empty object and a Location to poll")
    func extraction() async throws {
        try await withSimulator { rig async throws in
            let model = rig.simulator.repositoryIDs(iTwin: rig.iTwin)[0]
            for kind in ["modelsAndCategories", "schemas"] {
                let path = "/clashdetection/\(kind)/imodels/\(model)"
                let extract = try await rig.call("POST", path, body: #"{"projectId":"\#(rig.iTwin)"}"#)
                #expect(extract.status == 202 && extract.text == "{}")
                let location = try #require(extract.header("Location"))
                #expect(location == "https://api.bentley.com\(path)?projectId=\(rig.iTwin)")
                let polled = String(location.dropFirst("https://api.bentley.com".count))
                if kind == "modelsAndCategories" {
                    #expect(try await rig.get(polled).json["status"] as? String == "unavailable")
                    rig.clock.advance(by: .seconds(3))
                }
                #expect(try await rig.get(polled).json["status"] as? String == "available")
                let bad = try await rig.call("POST", path, body: "nonsense")
                #expect(bad.status == 422 && bad.text.contains("InvalidRequestBody"))
            }
            let unknown = "/clashdetection/modelsandcategories/imodels/\(rig.iTwin)"
            let missing = try await rig.call("POST", unknown, body: #"{"projectId":"\#(rig.iTwin)"}"#)
            #expect(missing.status == 404 && missing.errorCode == "iModelNotFound")
        }
    }

    @Test("tests and rules are created, read, updated and deleted")
    func writes() async throws {
        try await withSimulator { rig async throws in
            let test =
                #"{"projectId":"\#(rig.iTwin)","displayName":"T","description":"d","suppressTouching":true,"#
                + #""includeSubModels":true,"touchingTolerance":0,"setA":{},"setB":{},"suppressionRules":[]}"#
            try await life(rig, "tests", "test", create: test, update: test, missing: "ClashDetectionTestNotFound")
            let templates = try await rig.get("/clashdetection/suppressionRuleTemplates?projectId=\(rig.iTwin)")
            let rows = templates.json["suppressionRuleTemplates"] as? [[String: Any]]
            let template = try #require(rows?.first?["id"] as? String)
            let rule =
                #"{"projectId":"\#(rig.iTwin)","displayName":"R","reason":"r","templateId":"\#(template)","#
                + #""parameters":{}}"#
            try await life(
                rig, "suppressionRules", "suppressionRule", create: rule, update: #"{"displayName":"R2"}"#,
                missing: "ClashDetectionSuppressionRuleNotFound")
            let list = try await rig.get("/clashdetection/suppressionrules?projectId=\(rig.iTwin)&$top=1")
            #expect(list.text.contains("\"_links\":{\"suppressionRule\":{\"href\":"))
        }
    }

    private func life(
        _ rig: Rig, _ kind: String, _ member: String, create: String, update: String, missing: String
    ) async throws {
        let created = try await rig.call("POST", "/clashdetection/\(kind)", body: create)
        #expect(created.status == 201)
        let row = try #require(created.json[member] as? [String: Any])
        let id = try #require(row["id"] as? String)
        let href = (row["_links"] as? [String: [String: String]])?["self"]?["href"]
        #expect(href == "https://api.bentley.com/clashdetection/\(kind.lowercased())/\(id)")
        let path = "/clashdetection/\(kind)/\(id)"
        #expect(try await rig.get(path).status == 200)
        #expect(try await rig.call("PUT", path, body: update).status == 200)
        #expect(try await rig.call("DELETE", path).status == 204)
        for method in ["GET", "PUT", "DELETE"] {
            let gone = try await rig.call(method, path, body: method == "PUT" ? update : nil)
            #expect(gone.status == 404 && gone.errorCode == missing)
        }
    }
}
