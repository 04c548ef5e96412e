// Where values may come from besides a file of today: folders, foreign variables, files of earlier releases, and commands
// that need little.

import Testing

@testable import Configuration

@Suite("Configuration origins")
struct ConfigOriginsTests {
    private func load(
        _ text: String, named name: String, flags: [String] = [], environment: [String: String] = testCredentials
    ) throws -> Config {
        let file = ConfigSources.File(name: name, text: text)
        return try ConfigLoader.load(ConfigSources(file: file, environment: environment, flags: flags)) { _, _ in nil }
            .config
    }

    @Test("relative paths of a file start at its folder, those of flags and environment at the working directory")
    func relativePaths() throws {
        let text = """
            [listen]
            address = "unix:run/tools.sock"
            [admin]
            address = "unix:/run/admin.sock"
            [upstream]
            ca_file = "ca.pem"
            [token]
            state_file = "../state/sign-in.json"
            [fleet]
            engine = "file:fleet.db"
            [audit]
            path = "audit"
            """
        let config = try load(text, named: "/etc/clash-proxy/proxy.conf")
        #expect(config.listen.addresses == [.unix(path: "/etc/clash-proxy/run/tools.sock")])
        #expect(config.admin.address == .unix(path: "/run/admin.sock"))
        #expect(config.upstream.caFile == "/etc/clash-proxy/ca.pem")
        #expect(config.token.stateFile == "/etc/clash-proxy/../state/sign-in.json")
        #expect(config.fleet.engine == .file(path: "/etc/clash-proxy/fleet.db"))
        #expect(config.audit.path == "/etc/clash-proxy/audit")
        #expect(try load(text, named: "proxy.conf").audit.path == "audit")
        #expect(try load(text, named: "conf/proxy.conf").audit.path == "conf/audit")
        #expect(try load("", named: "/etc/proxy.conf").audit.path == "/etc/audit", "a missing key is the shipped line")
        #expect(try loadConfig().config.audit.path == "audit", "without a file")
        let environment = testCredentials.merging(["CLASH_PROXY_TOKEN_STATE_FILE": "here"]) { $1 }
        let elsewhere = try load(text, named: "/etc/p.conf", flags: ["audit.path=log"], environment: environment)
        #expect(elsewhere.audit.path == "log" && elsewhere.token.stateFile == "here")
    }

    @Test("what an earlier release may have kept in the working directory is known by its place then and now")
    func formerPaths() throws {
        let text = "[audit]\npath = \"audit\"\n[token]\nstate_file = \"/var/s\"\n"
        let file = ConfigSources.File(name: "/etc/proxy.conf", text: text)
        let loaded = try ConfigLoader.load(ConfigSources(file: file, environment: testCredentials)) { _, _ in nil }
        #expect(loaded.formerPaths.map(\.key) == ["audit.path"])
        #expect(loaded.formerPaths.map(\.former) == ["audit"] && loaded.formerPaths.map(\.now) == ["/etc/audit"])
        #expect(try loadConfig(text).formerPaths.isEmpty)
        let empty = ConfigSources.File(name: "../w1/proxy.conf", text: "")
        let unset = try ConfigLoader.load(ConfigSources(file: empty, environment: testCredentials)) { _, _ in nil }
        #expect(unset.formerPaths.map(\.former) == ["audit"] && unset.formerPaths.map(\.now) == ["../w1/audit"])
        #expect(unset.effectiveTOML().contains("path = \"../w1/audit\"  # default") && unset.warnings.isEmpty)
        let only = try ConfigLoader.load(ConfigSources(file: empty), only: ["audit.path"])
        #expect(only.config.audit.path == "../w1/audit")
    }

    @Test("every key that names a file follows the folder of the configuration")
    func allPathKeys() {
        let paths = ConfigKeys.all.filter { $0.rebase != nil }.map(\.dotted)
        #expect(
            paths == [
                "listen.address", "listen.tls_certificate", "listen.tls_key", "listen.client_ca", "admin.address",
                "upstream.ca_file", "upstream.proxy_credentials_file", "token.client_secret_file", "token.state_file",
                "fleet.engine", "fleet.password_file", "fleet.ca_file", "fleet.key_file",
                "audit.path", "audit.signing_key_file", "deletes.archive_path", "alerts.command",
            ])
        #expect(ConfigKeys.auditSink.filter { $0.rebase != nil }.map(\.name) == ["ca_file", "token_file"])
    }

    @Test("a command that needs one key asks for no other: no secret, no sound section beside it")
    func onlyWhatIsNeeded() throws {
        let text =
            "[audit]\npath = \"log\"\nalso = 3\n[token]\nmode = \"no\"\nclient_secret = \"${NONE}\"\n[nonsense]\nx = 1"
        func load(_ text: String, _ key: String, flags: [String] = []) throws -> Config {
            let sources = ConfigSources(file: .init(name: "/x/proxy.conf", text: text), flags: flags)
            return try ConfigLoader.load(sources, only: [key]).config
        }
        #expect(try load(text, "audit.path").audit.path == "/x/log")
        #expect(try load(text, "admin.address").admin == Config().admin)
        // What may have hidden the key is told.
        for text in ["[audit]\npaht = \"log\"", "[adit]\npath = \"log\"", "[audit]\npath = 3", "[audit\n", "audit = 3"]
        {
            #expect(throws: ConfigMistakes.self, "\(text)") { try load(text, "audit.path") }
        }
        #expect(throws: ConfigMistakes.self) { try load("", "audit.path", flags: ["audti.path=x"]) }
    }

    @Test("variables that name no section are left alone, and one line names them all")
    func strangers() throws {
        let strangers = ["CLASH_PROXY_KEY": "cpk_x", "CLASH_PROXY_LISTN_ADDRESS": "x", "CLASH_PROXY_PORT": "8080"]
        let loaded = try loadConfig(environment: testCredentials.merging(strangers) { $1 })
        #expect(
            loaded.warnings.map(\.description) == [
                "left alone, as they name no section of proxy.conf: CLASH_PROXY_KEY, CLASH_PROXY_LISTN_ADDRESS (did you mean "
                    + "CLASH_PROXY_LISTEN_ADDRESS?), CLASH_PROXY_PORT"
            ])
        for unknown in [
            "CLASH_PROXY_ADMIN_ADRESS", "CLASH_PROXY_CALLER_NAME", "CLASH_PROXY_LOG", "CLASH_PROXY_ADMIN_PORT",
        ] {
            let found = configMistakes(environment: testCredentials.merging([unknown: "8080"]) { $1 })
            #expect(
                found.count == 1 && found.first?.hasPrefix("\(unknown): is not a known variable") == true, "\(found)")
        }
    }

    @Test("what Kubernetes and Docker make of services stops nothing, whatever the service is called")
    func serviceLinks() {
        for service in ["", "ADMIN_", "CACHE_", "AUDIT_SINK_"] {
            let links = [
                "SERVICE_HOST": "10.0.0.1", "SERVICE_PORT": "8080", "SERVICE_PORT_HTTP": "8080",
                "PORT": "tcp://10.0.0.1:8080", "PORT_8081_TCP": "tcp://10.0.0.1:8081", "PORT_8081_TCP_ADDR": "10.0.0.1",
                "PORT_8081_TCP_PROTO": "tcp", "PORT_8081_TCP_PORT": "8081",
            ]
            var environment = testCredentials
            for (name, value) in links { environment["CLASH_PROXY_\(service)\(name)"] = value }
            #expect(configMistakes(environment: environment) == [])
        }
    }

    @Test("callers, issuers and audit sinks come from the environment as one TOML array")
    func tablesFromEnvironment() throws {
        let hash = String(repeating: "0f", count: 32)
        let environment = testCredentials.merging([
            "CLASH_PROXY_CALLER": "[{name = \"a\", key_sha256 = \"\(hash)\", allow = [\"read\", \"approve\"]}]",
            "CLASH_PROXY_ISSUER":
                "[{url = \"https://ims.example.com\", client_ids = [\"c\"], rights = {admins = [\"delete\"]}}]",
            "CLASH_PROXY_AUDIT_SINK": "[{name = \"siem\", url = \"udp://siem:514\", from = \"end\"}]",
        ]) { $1 }
        let config = try loadConfig(environment: environment).config
        #expect(config.callers.map(\.allow) == [[.read, .approve]])
        #expect(config.issuers.map(\.rights) == [["admins": [.delete]]] && config.issuers.map(\.clientIDs) == [["c"]])
        #expect(config.auditSinks.map(\.name) == ["siem"] && config.auditSinks.map(\.from) == [.end])
        #expect(configMistakes(environment: testCredentials.merging(["CLASH_PROXY_ISSUER": "x"]) { $1 }).count == 1)
    }

    @Test("the words that earlier releases recorded still load, with a line that says what they are now")
    func earlierWords() throws {
        let loaded = try loadConfig("[audit]\nalso = [\"run_in_place\", \"remove_suppressions\", \"cancel\"]")
        #expect(loaded.config.audit.also == [.run, .cancel])
        #expect(
            loaded.warnings.map(\.place) == [.file(name: "proxy.conf", line: 2), .file(name: "proxy.conf", line: 2)])
        #expect(loaded.warnings.allSatisfy { $0.key == "audit.also" })
        #expect(try loadConfig("[audit]\nalso = [\"run\"]").warnings.isEmpty)
    }

    @Test("a smaller max_bytes or max_connections alone is fine: what depends on it follows, also in the shipped file")
    func defaultsFollow() throws {
        for text in [nil, try ConfigDefaultsTests.shipped()] {
            let config = try loadConfig(text, flags: ["cache.max_bytes=8MiB", "upstream.max_connections=4"]).config
            #expect(config.cache.maxEntryBytes == 8 << 20)
            #expect(config.rate.maxInFlight == 4)
        }
    }

    @Test("line ends, control characters and a byte-order mark in a credential are mistakes that show nothing of it")
    func credentials() {
        for bad in ["a\nb", "ab\n", "a\r", "\u{FEFF}ab", "a\u{7}b", "a\u{85}b"] {
            for variable in ["CLASH_CLIENT_ID", "CLASH_CLIENT_SECRET", "CLASH_PROXY_TOKEN_CLIENT_SECRET"] {
                let found = configMistakes(environment: testCredentials.merging([variable: bad]) { $1 })
                #expect(found.count == 1 && found.first?.contains("the value has a") == true, "\(found)")
            }
            #expect(FileContent.credential.problem(Array((bad + "x").utf8)) != nil)
        }
        for good in ["geheim\n", "geheim\r\n", "geheim", "s p a c e"] {
            #expect(FileContent.credential.problem(Array(good.utf8)) == nil, "\(good)")
        }
        for bad in ["", "\n", "a\n\n", "a\r\r\n"] {
            #expect(FileContent.credential.problem(Array(bad.utf8)) != nil, "\(bad)")
        }
        #expect(FileContent.credential.problem([0x61, 0xFF]) != nil)
    }

    @Test("a file of CA certificates without one PEM certificate is a mistake")
    func certificates() {
        let body = "MIIB" + String(repeating: "A", count: 200)
        func pem(_ label: String, _ body: String) -> [UInt8] {
            Array("# comment\r\n-----BEGIN \(label)-----\r\n\(body)\r\n-----END \(label)-----\r\n".utf8)
        }
        #expect(FileContent.certificates.problem(pem("CERTIFICATE", body)) == nil)
        #expect(FileContent.certificates.problem(pem("TRUSTED CERTIFICATE", body)) == nil)
        let wrong = [
            pem("PRIVATE KEY", body), pem("CERTIFICATE", ""), pem("CERTIFICATE", "no base64!"),
            pem("CERTIFICATE", "QUJD" + body), Array("-----BEGIN CERTIFICATE-----\n\(body)\n".utf8), [], [0x30, 0x82],
        ]
        for bytes in wrong { #expect(FileContent.certificates.problem(bytes) == "holds no PEM certificate") }
    }
}
