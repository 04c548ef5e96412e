// Links in answers lead back to the proxy, for clients that follow them verbatim, and nothing else in a body changes.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct LinkTests {
    @Test(
        "a client that follows next verbatim sees every row once and ends at the last page",
        arguments: ["v2 reports", "v2 reports encoded", "v1 tests", "v2 rules of a repository"])
    func follow(list: String) async throws {
        try await withRig { rig in
            let (start, key, total) =
                switch list {
                case "v1 tests": ("/clashdetection/tests?projectId=\(rig.iTwin)&$top=5", "tests", 12)
                case "v2 reports encoded": ("\(rig.v2)/reports?%24top=10", "reports", 25)
                case "v2 rules of a repository":
                    ("\(rig.v2)/suppression-rules?name=rule&$top=7", "suppressionRules", 12)
                default: ("\(rig.v2)/reports", "reports", 25)
                }
            var ids: [String] = []
            var next: String? = "http://\(rig.host)\(start)"
            var pages = 0
            while let url = next, pages < 20 {
                #expect(url.hasPrefix("http://\(rig.host)/"))
                // Verbatim: what stands behind the authority is the request target.
                let target = String(url.dropFirst("http://\(rig.host)".count))
                let page = try await rig.get(target)
                #expect(page.status == 200, "\(url)")
                ids += page.rowIDs(key)
                next = page.link("next")
                pages += 1
            }
            #expect(pages > 1)
            #expect(ids.count == total && Set(ids).count == total, "\(pages) pages, \(ids.count) rows")
        }
    }

    @Test("prev is null on the first page and next on the last, and both stay null")
    func nulls() async throws {
        try await withRig { rig in
            let first = try await rig.get("\(rig.v2)/reports?$top=100")
            #expect(first.text.contains(#""next":null"#) && first.text.contains(#""prev":null"#))
            #expect(first.link("self") == "http://\(rig.host)\(rig.v2)/reports?$top=100")
        }
    }

    @Test(
        "the base of links is the request's Host, in each spelling that reaches this proxy",
        arguments: ["localhost:81", "127.0.0.1", "[::1]:8080", "LocalHost"])
    func host(host: String) async throws {
        try await withRig { rig in
            let page = try await rig.get(rig.list, [("Host", host)])
            #expect(page.link("next")?.hasPrefix("http://\(host)/clash-detection/itwins/") == true)
            let absolute = try await rig.raw("GET http://\(host)\(rig.list) HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(absolute.link("next")?.hasPrefix("http://\(host)/clash-detection/itwins/") == true)
        }
    }

    @Test("the base of links is public_url where it is set")
    func publicURL() async throws {
        try await withRig { options in
            options.flags = ["listen.public_url=https://clash.example.com/"]
        } _: { rig in
            for host in [rig.host, "clash.example.com"] {
                let page = try await rig.get(rig.list, [("Host", host)])
                #expect(page.link("next")?.hasPrefix("https://clash.example.com/clash-detection/itwins/") == true)
            }
        }
    }

    @Test("an HTTP/1.0 tool without Host gets links that lead back to this proxy")
    func http10() async throws {
        try await withRig { rig in
            let page = try await rig.raw("GET \(rig.list) HTTP/1.0\r\n\r\n")
            #expect(page.status == 200)
            #expect(page.link("next")?.hasPrefix("http://\(rig.host)/clash-detection/") == true, "\(page.text)")
        }
    }

    @Test("only links below an allowed prefix change; every other byte stays")
    func untouched() async throws {
        let body = #"""
            {"_links" : {"self":{"href":"https:\/\/api.bentley.com\/clashdetection\/runs?a=\u0041"},
              "createdBy":{"href":"https://api.bentley.com/accesscontrol/itwins/1/members/2"},
              "evil":{"href":"https://api.bentley.com.evil.example/clashdetection/x"},
              "user":{"href":"https://a@api.bentley.com/clashdetection/x"},"prev":null},
             "url":"https://api.bentley.com/clashdetection/tests", "text":"\"_links\":{\"x\":{\"href\":\"https://api.bentley.com/clashdetection\"}}",
             "rows":[{"_links":{"test":{"href":"https://api.bentley.com/clashdetection/tests/AbC"}}}], "n": 1.0e-7 }
            """#
        try await withRig(origin: origin(always: json(body))) { rig in
            let answer = try await rig.get("/clashdetection/runs?projectId=p")
            let own = "http://\(rig.host)"
            let expected =
                body
                .replacing(#""https:\/\/api.bentley.com\/clashdetection\/runs?a=\u0041""#, with: "SELF")
                .replacing(
                    #""https://api.bentley.com/clashdetection/tests/AbC""#, with: "\"\(own)/clashdetection/tests/AbC\"")
            let got = answer.text
                .replacing("\"\(own)/clashdetection/runs?a=A\"", with: "SELF")
                .replacing(#""\#(own.replacing("/", with: #"\/"#))\/clashdetection\/runs?a=\u0041""#, with: "SELF")
            #expect(got == expected)
            #expect(answer["Content-Length"] == "\(answer.body.count)")
        }
    }

    @Test("a page that upstream codes although it was asked not to comes back readable, with its links rewritten")
    func gzip() async throws {
        try await withRig { options in
            options.simulator.gzip = true
        } _: { source in
            let coded = try await codedPage(source)
            let server = ScriptedOrigin { connection in
                _ = try connection.readRequest()
                try connection.send(coded)
                connection.readUntilClosed()
            }
            try await withRig(origin: server) { rig in
                let page = try await rig.get(source.list)
                #expect(page.status == 200 && page["Content-Encoding"] == nil && page["Vary"] == "Accept-Encoding")
                #expect(page.link("next")?.hasPrefix("http://\(rig.host)/clash-detection/") == true)
                #expect(page["Content-Length"] == "\(page.body.count)")
            }
        }
    }

    /// A gzip answer as the simulator sends it, byte for byte.
    private func codedPage(_ rig: Rig) async throws -> [UInt8] {
        let client = try RawClient(port: rig.upstream.apiPort)
        defer { client.close() }
        let token = [("Authorization", "Bearer \(rig.simulator.issueToken())"), ("Accept-Encoding", "gzip")]
        let answer = try await client.exchange(rig.request("GET", rig.list, token))
        #expect(answer["Content-Encoding"] == "gzip")
        return client.received
    }

    @Test("a page larger than what is held back streams in chunks with all of its links rewritten")
    func largePage() async throws {
        let link = "https://dev-api.bentley.com/apis/clash-detection-v2/operations/itwins/i/reports/"
        let rows = (0..<8_000).map { #"{"id":"\#($0)","_links":{"self":{"href":"\#(link)\#($0)"}}}"# }
        let body = #"{"reports":["# + rows.joined(separator: ",") + "]}"
        #expect(body.utf8.count > 512 << 10)
        try await withRig(origin: origin(always: json(body))) { rig in
            let page = try await rig.get("/clash-detection/itwins/i/reports")
            #expect(page["Transfer-Encoding"] == "chunked" && page["Content-Length"] == nil)
            #expect(page.ending == .complete && page.chunks.count > 1)
            let own = "http://\(rig.host)/clash-detection/itwins/i/reports/"
            #expect(page.text == body.replacing(link, with: own))
        }
    }

    @Test("Location leads back to this proxy when it lands below an allowed prefix, and stays otherwise")
    func location() async throws {
        let received = Received()
        let targets = [
            "https://api.bentley.com/clashdetection/modelsAndCategories/imodels/1?projectId=2", "/clashdetection/x",
            "https://elsewhere.example/clashdetection/x", "https://api.bentley.com/other",
        ]
        let server = origin(received) { number, _ in
            "HTTP/1.1 202 Accepted\r\nLocation: \(targets[number - 1])\r\nContent-Length: 0\r\n\r\n"
        }
        try await withRig(origin: server) { rig in
            var seen: [String?] = []
            for _ in targets { seen.append(try await rig.call("POST", "/clashdetection/x", body: "{}")["Location"]) }
            #expect(seen[0] == "http://\(rig.host)/clashdetection/modelsAndCategories/imodels/1?projectId=2")
            #expect(seen[1] == "http://\(rig.host)/clashdetection/x" || seen[1] == "/clashdetection/x")
            #expect(seen[2] == targets[2] && seen[3] == targets[3])
        }
    }
}

extension RawResponse {
    /// `_links.name.href` at the top level, as these servers write it.
    func link(_ name: String) -> String? {
        guard let links = text.ranges(of: #""_links":{"#).last?.upperBound,
            let start = text[links...].firstRange(of: "\"\(name)\":{\"href\":\"")?.upperBound
        else { return nil }
        return String(text[start...].prefix { $0 != "\"" })
    }

    /// The ids of the rows under a key.
    func rowIDs(_ key: String) -> [String] {
        // A report's id is its last member and the only one of that name; other rows begin with theirs.
        let mark = key == "reports" ? "\"id\":\"" : "{\"id\":\""
        guard let rows = text.firstRange(of: "\"\(key)\":[")?.upperBound else { return [] }
        let end = text[rows...].ranges(of: #"],"_links""#).last?.lowerBound ?? text.endIndex
        return text[rows..<end].ranges(of: mark).map { range in
            String(text[range.upperBound...].prefix { $0 != "\"" })
        }
    }
}
