// v2 tests, suppression rules, templates and manual suppressions.

import Simulator
import Testing

@Suite("v2 tests and suppressions", .timeLimit(.minutes(8)))
struct SuppressionTests {
    @Test("tests are listed by hundreds, filtered and sorted, and need the configType header")
    func listTests() async throws {
        try await withSimulator { rig async throws in
            let refused = try await rig.get("\(rig.base)/tests")
            #expect(refused.status == 422)
            #expect(refused.text.contains("configType"))
            let all = try await rig.get("\(rig.base)/tests?orderBy=name", ["configType": "2"])
            #expect(all.json["count"] as? Int == 12)
            let names = (all.json["tests"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String }
            #expect(names == names.sorted() && names.count == 12)
            let some = try await rig.get("\(rig.base)/tests?name=test12&includeRulesCount=true", ["configType": "2"])
            #expect(some.json["count"] as? Int == 1)
            #expect(some.text.contains("rulesCount"))
            #expect(try await rig.get("\(rig.base)/tests?$top=501", ["configType": "2"]).status == 422)
            let page = try await rig.get("\(rig.base)/tests?$top=5&name=Test", ["configType": "2"])
            #expect(link(page, "next")?.hasSuffix("/tests?$top=5&$continuationToken=Mg==&name=Test") == true)
        }
    }

    @Test("a test is created, read, updated, un-tagged by omission, deleted; its reports stay")
    func testLife() async throws {
        try await withSimulator { rig async throws in
            let tag = #","tag":{"id":"x","type":"iModels"}"#
            let created = try await rig.call("POST", "\(rig.base)/tests", body: testBody("New", tag))
            #expect(created.status == 201)
            let test = try #require(created.json["test"] as? [String: Any])
            let id = try #require(test["id"] as? String)
            #expect(test["name"] as? String == "New")
            #expect(try await rig.get("\(rig.base)/tests/\(id)").text.contains("\"tag\":{\"id\":\"x\""))
            let updated = try await rig.call("PUT", "\(rig.base)/tests/\(id)", body: testBody("Newer", ""))
            #expect(updated.status == 200)
            let read = try await rig.get("\(rig.base)/tests/\(id)")
            #expect(read.text.contains("\"name\":\"Newer\"") && !read.text.contains("\"tag\""))

            let old = rig.simulator.testIDs(iTwin: rig.iTwin)[0]
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin).count
            let body = #"{"jobs":["\#(old)"],"operation":"delete"}"#
            let deleted = try await rig.call("POST", "\(rig.base)/tests/jobs/deletion", body: body)
            #expect(deleted.status == 202 && deleted.text == "{}")
            #expect(!rig.simulator.testExists(old))
            #expect(rig.simulator.reportIDs(iTwin: rig.iTwin).count == reports)
            #expect(try await rig.get("\(rig.base)/tests/\(old)").errorCode == "ClashDetectionTestNotFound")
        }
    }

    @Test("a create without required members is 422 and names each of them")
    func missingMembers() async throws {
        try await withSimulator { rig async throws in
            let response = try await rig.call("POST", "\(rig.base)/tests", body: #"{"name":"x"}"#)
            #expect(response.status == 422)
            #expect(response.text.contains("MissingRequiredProperty") && response.text.contains("\"setB\""))
            let empty = try await rig.call("POST", "\(rig.base)/tests")
            #expect(empty.text.contains("MissingRequestBody"))
        }
    }

    @Test("a rule is created, patched member by member, deleted with 204 and nothing else")
    func ruleLife() async throws {
        try await withSimulator { rig async throws in
            let templates = try await rig.get("\(rig.base)/suppression-templates")
            let rows = templates.json["suppressionTemplates"] as? [[String: Any]]
            let template = try #require(rows?.first?["id"] as? String)
            let body = #"{"name":"R","reason":"why","templateId":"\#(template)","parameters":{"a":1}}"#
            let created = try await rig.call("POST", "\(rig.base)/suppression-rules", body: body)
            #expect(created.status == 201)
            let rule = try #require(created.json["suppressionRule"] as? [String: Any])
            let id = try #require(rule["id"] as? String)
            #expect(rule["parameters"] as? String == #"{"a":1}"#)
            let path = "\(rig.base)/suppression-rules/\(id)"
            let patched = try await rig.call("PATCH", path, body: #"{"reason":"because"}"#)
            #expect(patched.status == 200)
            let read = try await rig.get(path).json["suppressionRule"] as? [String: Any]
            #expect(read?["name"] as? String == "R" && read?["reason"] as? String == "because")

            let deleted = try await rig.call("DELETE", path)
            #expect(deleted.status == 204)
            #expect(deleted.header("Content-Type") == nil && deleted.header("Content-Length") == nil)
            #expect(!rig.simulator.ruleExists(id))
            #expect(try await rig.call("DELETE", path).errorCode == "SuppressionRuleNotFound")
            #expect(try await rig.call("PATCH", path, body: "{}").errorCode == "ClashDetectionSuppressionRuleNotFound")
            let bad = try await rig.call("POST", "\(rig.base)/suppression-rules", body: "{}")
            #expect(bad.status == 400 && bad.errorCode == "InvalidClashDetectionRequest")
            #expect(try await rig.get("\(rig.base)/suppression-rules").json["count"] as? Int == 12)
        }
    }

    @Test("manual suppressions are applied with 201 and no body, listed, counted in the report, and removed with 204")
    func manualSuppressions() async throws {
        try await withSimulator { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let headers = [
                "repository-id": rig.simulator.repositoryIDs(iTwin: rig.iTwin)[0], "clash-report-id": report,
            ]
            let path = "\(rig.base)/manual-suppressions"
            let body = #"{"elementIds":[["0x21","0x23"],["0x61","0x96"]],"reason":"ok"}"#
            let applied = try await rig.call("POST", path, headers, body: body)
            #expect(applied.status == 201)
            #expect(applied.body.isEmpty && applied.header("Content-Type") == nil)
            #expect(try await rig.get("\(rig.base)/reports/\(report)").text.contains("\"ms\":2"))

            let list = try await rig.get("\(path)?clashReportId=\(report)&$top=1&$skip=1")
            #expect(list.json["count"] as? Int == 2)
            #expect((list.json["manualSuppressions"] as? [Any])?.count == 1)
            #expect(link(list, "next") == nil)
            #expect(link(list, "prev")?.contains("$top=1&$skip=0&clashReportId=\(report)") == true)

            let one = #"{"elementIds":[["0x21","0x23"]],"reason":"no"}"#
            let removed = try await rig.call("POST", "\(path)/removal", headers, body: one)
            #expect(removed.status == 204 && removed.header("Content-Type") == nil)
            #expect(try await rig.get("\(rig.base)/reports/\(report)").text.contains("\"ms\":1"))
            #expect(try await rig.get(path).status == 422)
            #expect(try await rig.get("\(path)?clashReportId=\(report)&$top=101").status == 422)
        }
    }

    @Test("suppressing in an unknown report or repository is 404 with the documented details")
    func unknownSuppressions() async throws {
        try await withSimulator { rig async throws in
            let path = "\(rig.base)/manual-suppressions"
            let body = #"{"elementIds":[["0x21","0x23"]],"reason":"ok"}"#
            let noRepository = try await rig.call("POST", path, body: body)
            #expect(noRepository.status == 404 && noRepository.errorCode == "ResourceNotFound")
            #expect(noRepository.text.contains("repositoryIdNotFound"))
            let headers = ["repository-id": rig.simulator.repositoryIDs(iTwin: rig.iTwin)[0]]
            let noReport = try await rig.call("POST", path, headers, body: body)
            #expect(noReport.text.contains("ClashReportIdNotFound"))
        }
    }

    private func testBody(_ name: String, _ tail: String) -> String {
        #"{"name":"\#(name)","description":"d","suppressTouching":true,"includeSubModels":false,"#
            + #""touchingTolerance":0.5,"setA":{},"setB":{},"suppressionRules":[]\#(tail)}"#
    }
}
