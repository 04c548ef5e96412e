// Every operation of both API versions goes through with its documented status, headers and body.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct OperationTests {
    @Test("every operation of v2 answers through the proxy as documented")
    func allOfV2() async throws {
        try await withRig { rig in
            try await check(rig, try await ids(rig).v2)
        }
    }

    @Test("every operation of v1 answers through the proxy as documented")
    func allOfV1() async throws {
        try await withRig { rig in
            try await check(rig, try await ids(rig).v1)
        }
    }

    private func check(_ rig: Rig, _ rows: [OperationRow]) async throws {
        for row in rows {
            let name = "\(row.operation) \(row.method) \(row.target)"
            let id = "row-\(row.method)-\(row.target.utf8.count)-\(UInt32.random(in: 0 ... .max))"
            let answer = try await rig.call(
                row.method, row.target, row.headers + [("x-correlation-id", id)], body: row.body)
            #expect(answer.status == row.status, "\(name): \(answer.text)")
            #expect(answer.ending == .complete, "\(name)")
            checkFraming(answer, name)
            #expect(answer.values("x-correlation-id") == [id], "\(name)")
            #expect(answer["Via"] == "1.1 clash-proxy", "\(name)")
            #expect(answer["Tier"] == "iTwin Platform Community", "\(name)")
            #expect(answer["Request-Context"]?.hasPrefix("appId=") == true, "\(name)")
            #expect(answer["Proxy-Status"] == nil, "\(name)")
            let line = try await rig.accessLog.line(with: id)
            #expect(line.contains(" \(row.operation) "), "\(name): \(line)")
            if row.method == "GET" { try await compareWithUpstream(rig, row, answer, name) }
        }
    }

    private func checkFraming(_ answer: RawResponse, _ name: String) {
        switch answer.status {
        case 204:
            #expect(answer["Content-Type"] == nil && answer["Content-Length"] == nil, "\(name)")
            #expect(answer["Transfer-Encoding"] == nil, "\(name)")
        case 201 where answer.body.isEmpty: #expect(answer["Content-Type"] == nil, "\(name)")
        default:
            #expect(answer["Content-Type"] == "application/json", "\(name)")
            #expect(!answer.body.isEmpty, "\(name)")
        }
    }

    /// A read asked of upstream directly differs in nothing but the base of its links and the hop's own headers.
    private func compareWithUpstream(
        _ rig: Rig, _ row: OperationRow, _ answer: RawResponse, _ name: String
    ) async throws {
        let client = try RawClient(port: rig.upstream.apiPort)
        defer { client.close() }
        let token = ("Authorization", "Bearer \(rig.simulator.issueToken())")
        let direct = try await client.exchange(rig.request(row.method, row.target, row.headers + [token]))
        let own = "http://\(rig.host)"
        let expected = direct.text
            .replacing("https://dev-api.bentley.com/apis/clash-detection-v2/operations", with: own + "/clash-detection")
            .replacing("https://api.bentley.com/clashdetection", with: own + "/clashdetection")
        #expect(answer.text == expected, "\(name)")
        let perCall = ["date", "x-correlation-id", "content-length"]
        for header in direct.headers where !perCall.contains(header.name.lowercased()) {
            #expect(answer.headers.contains(header), "\(name) lost \(header)")
        }
    }

    /// The simulator tells template ids only through its API.
    private func ids(_ rig: Rig) async throws -> WorldIDs {
        let templates = try await rig.get("\(rig.v2)/suppression-templates")
        let id = try firstID(templates.text)
        return WorldIDs(rig, template: id, legacyTemplate: rig.simulator.legacyID(project: rig.iTwin, entity: id) ?? "")
    }

    private func firstID(_ json: String) throws -> String {
        guard let start = json.firstRange(of: #""id":""#)?.upperBound else {
            throw RawClient.Trouble(description: "no id in \(json)")
        }
        return String(json[start...].prefix { $0 != "\"" })
    }
}
