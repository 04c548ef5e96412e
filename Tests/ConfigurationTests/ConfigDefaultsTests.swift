// The shipped proxy.conf, the table of keys and the defaults in `Config` must be one and the same.

import Glibc
import Testing

@testable import Configuration

@Suite("Configuration defaults")
struct ConfigDefaultsTests {
    /// The repository's proxy.conf, found from this file wherever the package lies.
    static func shipped() throws -> String {
        let here = try #require(realpath(#filePath, nil))
        defer { free(here) }
        let root = String(cString: here).split(separator: "/").dropLast(3).joined(separator: "/")
        let sources = try ConfigSources.read(config: "/\(root)/proxy.conf", environment: [:], flags: [])
        return try #require(sources.file).text
    }

    @Test("the shipped proxy.conf means exactly the defaults")
    func shippedFileIsDefaults() throws {
        let loaded = try loadConfig(Self.shipped())
        #expect(loaded.config == (try loadConfig().config))
        var expected = Config()
        expected.token.clientID = "service-abc"
        expected.token.clientSecret = Secret("hunter2")
        #expect(loaded.config == expected)
    }

    @Test("the shipped proxy.conf has every key on a line with its default and its comment")
    func shippedFileIsComplete() throws {
        let text = try Self.shipped()
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let located = TOMLLocator.lines(of: text)
        let document = try TOMLNode.parse(text)
        for key in ConfigKeys.all {
            let number = try #require(located[[key.section, key.name]], "\(key.dotted) is missing")
            let comment = "# \(key.inForce ? "" : "Not yet: ")\(key.comment)"
            #expect(lines[number - 1].hasSuffix(comment), "comment of \(key.dotted)")
            guard case .table(let section)? = document[key.section] else { continue }
            #expect(section[key.name] != nil)
        }
        // The others stand in a comment of their neighbour: one credential is enough, and issuers are as callers.
        let neighbours = ["certificate", "user", "operations", "priority", "weight", "max_in_flight", "windows"]
        func isTold(_ name: String, _ comment: String, _ inForce: Bool) -> Bool {
            lines.contains { $0.hasPrefix("# \(name) = ") && $0.hasSuffix(comment) }
        }
        for key in ConfigKeys.caller where !["certificate", "user"].contains(key.name) {
            #expect(isTold(key.name, "# \(key.inForce ? "" : "Not yet: ")\(key.comment)", key.inForce), "\(key.name)")
        }
        for key in ConfigKeys.issuer where !neighbours.contains(key.name) {
            #expect(isTold(key.name, "# \(key.comment)", key.inForce), "\(key.name)")
        }
        for key in ConfigKeys.auditSink { #expect(isTold(key.name, "# \(key.comment)", key.inForce), "\(key.name)") }
    }

    @Test("the commented caller of the shipped file is a valid caller once it has a hash")
    func shippedCallerExample() throws {
        let text = try Self.shipped()
        let begin = try #require(text.firstRange(of: "# [[caller]]")).lowerBound
        let end = try #require(text[begin...].firstRange(of: "\n\n")).lowerBound
        let example = text[begin..<end].split(separator: "\n").map { $0.dropFirst(2) }.joined(separator: "\n")
            .replacing("64 hex digits", with: String(repeating: "ab", count: 32))
        let caller = try #require(try loadConfig(example).config.callers.first)
        #expect(caller.name == "dashboard")
        #expect(caller.allow == [.read])
        #expect(caller.priority == .interactive)
        #expect(caller.weight == 1)
    }

    @Test("the effective configuration loads again to the same values")
    func effectiveRoundTrip() throws {
        let changed = """
            [listen]
            address = "[::1]:0"
            public_url = "https://clash.example.com:8443/base/"
            cors_origins = ["https://Viewer.Example.com:443", "electron://frontend"]
            header_timeout = "250ms"
            max_body_bytes = "1500B"
            [admin]
            address = ""
            [upstream]
            url = "http://127.0.0.1:9000"
            [token]
            mode = "passthrough"
            scope = ""
            [rate]
            windows = []
            [traces]
            sample = 0.25
            [fleet]
            engine = "rediss://h1:6379,[::1]:80/3"
            [audit]
            path = "a \\"quoted\\" $${NAME} \\\\ path\\t\\u0007"
            also = ["cancel"]
            delete_budget = "20/1h"
            keep = "17520h"
            [[caller]]
            name = "x"
            user = "1000"
            allow = ["approve"]
            windows = ["1000/1h"]
            [[audit_sink]]
            name = "siem"
            url = "tls://[::1]:6514"
            """
        for text in [nil, changed] {
            let first = try loadConfig(text)
            let second = try loadConfig(first.effectiveTOML())
            #expect(second.config == first.config)
        }
        #expect(try loadConfig(changed).config.audit.path == "a \"quoted\" ${NAME} \\ path\t\u{7}")
        #expect(
            try loadConfig(changed).config.listen.corsOrigins == ["https://viewer.example.com", "electron://frontend"])
    }

    @Test("the effective configuration tells the origin of every value")
    func effectiveOrigins() throws {
        let loaded = try loadConfig(
            "[listen]\n\nmax_connections = 5\n[log]\nlevel = \"debug\"",
            environment: testCredentials.merging(["CLASH_PROXY_LOG_FORMAT": "json"]) { $1 },
            flags: ["rate.max_queue=7"])
        let lines = loaded.effectiveTOML().split(separator: "\n")
        #expect(lines.contains("max_connections = 5  # proxy.conf:3"))
        #expect(lines.contains("level = \"debug\"  # proxy.conf:5"))
        #expect(lines.contains("format = \"json\"  # CLASH_PROXY_LOG_FORMAT"))
        #expect(lines.contains("max_queue = 7  # --set rate.max_queue"))
        #expect(lines.contains("max_wait = \"30s\"  # default"))
        #expect(lines.contains("client_secret = \"${CLASH_CLIENT_SECRET}\"  # default"))
    }

    @Test("every variable name stands for one key")
    func variablesAreUnique() {
        #expect(Set(ConfigKeys.all.map(\.variable)).count == ConfigKeys.all.count)
        #expect(ConfigKeys.all.first?.variable == "CLASH_PROXY_LISTEN_ADDRESS")
    }

    @Test("every key sets the field of its name and no other", arguments: ConfigKeys.all.map(\.dotted))
    func keysAndFields(dotted: String) throws {
        let key = try #require(ConfigKeys.all.first { $0.dotted == dotted })
        let candidates: [TOMLNode] =
            [
                .boolean(true), .boolean(false), .integer(7), .float(0.5), .array([]), .array([.string("/x")]),
                .array([.string("x://h")]), .array([.string("a=b")]), .array([.string("10.0.0.0/8")]),
                .array([.string("h")]), .array([.integer(7)]), .array([.string(String(repeating: "a", count: 32))]),
            ]
            + [
                "7m", "7h", "7MiB", "7KiB", "7/7m", "7KiB/s", "7%", "0660", "unix:/x", "file:/x", "https://h/x",
                String(repeating: "ab", count: 32), "json", "post", "debug", "passthrough", "second", "required", "x",
            ].map(TOMLNode.string)
        let changed = candidates.lazy.compactMap { node -> Config? in
            var config = Config()
            do { try key.read(node, &config) } catch { return nil }
            return key.isSame(config, Config()) ? nil : config
        }
        let fields = Self.fields(of: Config())
        let difference = Self.fields(of: try #require(changed.first)).filter { fields[$0.key] != $0.value }
        // Its one key takes one address or several.
        let names = difference.keys.map { $0 == "listen.addresses" ? "listen.address" : $0 }
        #expect(names == [dotted.replacing("_", with: "")])
    }

    /// Every field of every section, named as `section.fieldname`, with its printed value.
    private static func fields(of config: Config) -> [String: String] {
        var fields: [String: String] = [:]
        for section in Mirror(reflecting: config).children {
            for field in Mirror(reflecting: section.value).children {
                // A set prints in any order.
                let words = (field.value as? Set<AuditExtra>)?.map(\.rawValue).sorted()
                fields["\(section.label ?? "").\(field.label ?? "")".lowercased()] = "\(words ?? field.value)"
            }
        }
        return fields
    }
}
