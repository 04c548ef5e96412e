// What the tests of walks share: a walk through a list, at the proxy or past it, and the bytes of its rows.

import Simulator
import TestSupport
import Testing

/// What a walk showed.
struct Walk {
    /// The bytes of each row, in order.
    var rows: [String] = []
    /// Pages that it took.
    var pages: [RawResponse] = []

    var counts: Set<String> { Set(pages.map(\.count)) }
}

extension RawResponse {
    /// The bytes of each row under a key, whatever is in them.
    func rows(_ key: String) -> [String] {
        guard let start = text.firstRange(of: "\"\(key)\":[")?.upperBound else { return [] }
        var rows: [String] = []
        var (row, depth, isText, isEscaped) = ("", 0, false, false)
        for character in text[start...] {
            if depth == 0, character == "]" { break }
            if depth == 0, character == "," { continue }
            row.append(character)
            if isText {
                if !isEscaped, character == "\"" { isText = false }
                isEscaped = !isEscaped && character == "\\"
            } else if character == "\"" {
                isText = true
            } else if character == "{" || character == "[" {
                depth += 1
            } else if character == "}" || character == "]" {
                depth -= 1
                if depth == 0 {
                    rows.append(row)
                    row = ""
                }
            }
        }
        return rows
    }

    /// The digits of the page's count.
    var count: String {
        guard let start = text.firstRange(of: "\"count\":")?.upperBound else { return "" }
        return String(text[start...].prefix(while: \.isNumber))
    }

    /// The target of a link of this proxy.
    func next(_ name: String = "next", at host: String) -> String? {
        guard let link = link(name) else { return nil }
        let own = "http://\(host)"
        #expect(link.hasPrefix(own), "\(link) leads elsewhere")
        return link.hasPrefix(own) ? String(link.dropFirst(own.count)) : nil
    }
}

extension Rig {
    /// Follows `next` through a list.
    func walk(
        _ target: String, _ key: String, _ headers: [(String, String)] = [], mostPages: Int = 200,
        between: (Int) async throws -> Void = { _ in }
    ) async throws -> Walk {
        var walk = Walk()
        var next: String? = target
        while let target = next, walk.pages.count < mostPages {
            let page = try await get(target, headers)
            #expect(page.status == 200, "\(target) \(page.text)")
            guard page.status == 200 else { break }
            walk.rows += page.rows(key)
            walk.pages.append(page)
            next = page.next(at: host)
            try await between(walk.pages.count)
        }
        return walk
    }

    /// The same past the proxy, at the simulator; links in rows as this proxy would have them.
    func directWalk(_ target: String, _ key: String, _ headers: [(String, String)] = []) async throws -> Walk {
        let token = try await directToken()
        var walk = Walk()
        var next: String? = target
        while let target = next, walk.pages.count < 200 {
            let client = try RawClient(port: upstream.apiPort)
            defer { client.close() }
            let page = try await client.exchange(
                request("GET", target, headers + [("Authorization", "Bearer \(token)")]))
            #expect(page.status == 200, "\(target) \(page.text)")
            walk.rows += page.rows(key).map {
                $0.replacing("https://api.bentley.com/clashdetection", with: "http://\(host)/clashdetection")
            }
            walk.pages.append(page)
            next = page.link("next").map {
                $0.replacing("https://dev-api.bentley.com/apis/clash-detection-v2/operations", with: "/clash-detection")
                    .replacing("https://api.bentley.com/clashdetection", with: "/clashdetection")
            }
        }
        return walk
    }

    private func directToken() async throws -> String {
        let client = try RawClient(port: upstream.tokenPort)
        defer { client.close() }
        let form = "grant_type=client_credentials&scope=itwin-platform&client_id=demo&client_secret=demo-secret"
        let path = "/" + (upstream.tokenURL.split(separator: "/", maxSplits: 2).last ?? "")
        let answer = try await client.exchange(
            request("POST", path, [("Content-Type", "application/x-www-form-urlencoded")], body: form))
        let start = try #require(answer.text.firstRange(of: "\"access_token\":\"")?.upperBound)
        return String(answer.text[start...].prefix { $0 != "\"" })
    }

    /// Calls that reached the simulator's API for lists.
    var upstreamReads: Int { simulator.recorded.filter { $0.method == "GET" }.count }
}

/// An upstream list of reports whose rows a test changes as it goes.
struct ListOrigin: Sendable {
    var ids: [String]
    var state = ""
    /// Fewer rows than asked for, as a gateway may have it.
    var most = 100
    var hasCount = true

    /// A list of so many rows.
    init(_ count: Int, _ prefix: String = "r") { ids = (0..<count).map { "\(prefix)\($0)" } }

    /// Answers a request for a page; its tokens are offsets.
    var script: ChangingOrigin.Script {
        { _, request in
            if request.requestLine.hasPrefix("POST") { return .bytes(json("{}", status: "202 Accepted")) }
            let target = request.requestLine.split(separator: " ")[1]
            let top = min(Self.number("top=", in: target) ?? 10, most)
            let offset = Self.number("Token=o", in: target) ?? 0
            let rows = ids.dropFirst(offset).prefix(top).map { #"{"id":"\#($0)\#(state)","status":1}"# }
            func link(_ offset: Int) -> String {
                let base = "https://api.bentley.com/clash-detection/itwins/i/reports"
                return #"{"href":"\#(base)?$top=\#(top)&$continuationToken=o\#(offset)"}"#
            }
            let next = offset + top < ids.count ? link(offset + top) : "null"
            let prev = offset > 0 ? link(max(0, offset - top)) : "null"
            let count = hasCount ? "\"count\":\(ids.count)," : ""
            return .bytes(
                json(
                    #"{\#(count)"reports":[\#(rows.joined(separator: ","))],"_links":{"self":\#(link(offset)),"next":\#(next),"prev":\#(prev)}}"#
                ))
        }
    }

    private static func number(_ mark: String, in target: Substring) -> Int? {
        guard let start = target.firstRange(of: mark)?.upperBound else { return nil }
        return Int(target[start...].prefix(while: \.isNumber))
    }
}

/// Runs a test against a rig that serves walks, in front of such a list.
func withList(
    _ list: ListOrigin, _ flags: [String] = [], _ body: (Rig, ChangingOrigin) async throws -> Void
) async throws {
    try await withCache(
        ["cache.walks=true", "cache.prefetch=false", "cache.stale_while_revalidate=0s"] + flags, list.script, body)
}
