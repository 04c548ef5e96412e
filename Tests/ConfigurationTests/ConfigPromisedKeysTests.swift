// Keys whose features come later: they can be written, what is wrong with them is told, and none of them is ignored where
// that would leave a door open or a promise unkept.

import Ground
import Testing

@testable import Configuration

@Suite("Keys that are not yet in force")
struct ConfigPromisedKeysTests {
    @Test("all keys of the contract are known, in its order")
    func names() {
        let sections = [
            "listen":
                "address socket_mode public_url tls_certificate tls_key client_ca h2c trusted_proxies proxy_protocol "
                + "max_connections max_header_bytes max_body_bytes max_held_bytes min_rate header_timeout idle_timeout "
                + "cors_origins hosts",
            "admin": "address key_sha256 public hosts",
            "upstream": "url link_prefixes allow_prefixes ca_file proxy proxy_credentials_file connect_timeout "
                + "first_byte_timeout stall_timeout max_connections http2",
            "token": "mode token_url client_id client_secret client_secret_file client_auth scope extra_parameters "
                + "authorize_url redirect_port refresh_before state_file",
            "cache": "enabled max_bytes max_entry_bytes ttl_list ttl_in_progress ttl_terminal ttl_stable "
                + "stale_while_revalidate stale_if_error walks prefetch",
            "rate": "windows run_windows max_in_flight max_wait max_queue observe",
            "fleet": "engine password_file ca_file name max_members offline_reserve max_lag share_pages key_file",
            "audit": "path required snapshot require_reason also delete_budget rotate_bytes keep signing_key_file "
                + "checkpoint_every",
            "deletes": "protect approval archive archive_path archive_keep",
            "alerts": "webhook command budget_at", "traces": "endpoint sample", "log": "level format access",
            "shutdown": "ready_delay drain_timeout",
        ]
        let order = [
            "listen", "admin", "upstream", "token", "cache", "rate", "fleet", "audit", "deletes", "alerts", "traces",
            "log",
            "shutdown",
        ]
        #expect(ConfigKeys.sections == order)
        for (section, names) in sections {
            #expect(ConfigKeys.all.filter { $0.section == section }.map(\.name).joined(separator: " ") == names)
        }
        #expect(
            ConfigKeys.caller.map(\.name) == [
                "name", "key_sha256", "certificate", "user", "allow", "itwins", "operations", "priority", "weight",
                "max_in_flight", "windows",
            ])
        #expect(ConfigTable.allCases.map(\.rawValue) == ["caller", "issuer", "audit_sink"])
    }

    static let caller = "[[caller]]\nname = \"x\"\n"
    static let key = "key_sha256 = \"\(String(repeating: "ab", count: 32))\"\n"

    @Test("what is not in force is noticed in one line, and defaults in so many words are nothing to notice")
    func noticed() throws {
        let text = """
            [listen]
            h2c = true
            max_held_bytes = "32MiB"
            min_rate = "2KiB/s"
            [admin]
            public = []
            [cache]
            walks = false
            prefetch = false
            [fleet]
            key_file = "k"
            [alerts]
            webhook = "https://hooks.example.com/T/B/secret?x=y"
            budget_at = [50]
            [traces]
            sample = 0.5
            \(Self.caller + Self.key)max_in_flight = 2
            """
        let loaded = try loadConfig(text)
        #expect(loaded.refusals.isEmpty)
        #expect(
            loaded.warnings.map(\.description) == [
                "set, but not yet in force in this version: "
                    + "fleet.key_file"
            ])
        #expect(!loaded.effectiveTOML().contains("secret?x"))
        let shipped = try ConfigLoader.load(
            ConfigSources(
                file: .init(name: "/etc/clash-proxy/proxy.conf", text: try ConfigDefaultsTests.shipped()),
                environment: testCredentials))
        #expect(shipped.warnings.isEmpty && shipped.refusals.isEmpty)
    }

    @Test("names that may stand in Host, and several addresses to listen on")
    func inForce() throws {
        let config = try loadConfig("[listen]\nhosts = [\"Clash.Example.com\"]\naddress = [\"[::1]:8080\"]").config
        #expect(config.listen.hosts == ["clash.example.com"])
        #expect(config.listen.addresses == [.tcp(host: "::1", port: 8080)])
        #expect(
            try loadConfig(flags: ["listen.address=[::1]:80"]).config.listen.addresses == [.tcp(host: "::1", port: 80)])
        let several = [ListenAddress.tcp(host: "127.0.0.1", port: 1), .tcp(host: "::1", port: 2)]
        let text = "[listen]\naddress = [\"127.0.0.1:1\", \"[::1]:2\"]"
        #expect(try loadConfig(text).config.listen.addresses == several)
        #expect(try loadConfig(flags: ["listen.address=127.0.0.1:1, [::1]:2"]).config.listen.addresses == several)
        #expect(
            try loadConfig(flags: ["listen.address=[::1]:2,127.0.0.1:1"]).config.listen.addresses == several.reversed())
        #expect(try loadConfig(text).effectiveTOML().contains("address = [\"127.0.0.1:1\", \"[::1]:2\"]"))
        let twice = configMistakes("[listen]\naddress = [\"127.0.0.1:1\", \"0.0.0.0:1\"]\n\(Self.caller + Self.key)")
        #expect(twice.count == 1 && twice.first?.contains("stands there twice") == true, "\(twice)")
        #expect(!configMistakes("[listen]\naddress = []").isEmpty)
    }

    @Test(
        "their formats are held to already",
        arguments: [
            "listen.socket_mode=660x", "listen.socket_mode=0778", "listen.trusted_proxies=10.0.0.1/8",
            "listen.trusted_proxies=10.0.0.0/33", "listen.trusted_proxies=host", "listen.trusted_proxies=10.0.0.0/",
            "listen.trusted_proxies=10.0.0.0/8/8", "listen.trusted_proxies=10.0.0.0/-1",
            "listen.trusted_proxies=[fd00::]/8",
            "listen.trusted_proxies=fd00::/129", "listen.trusted_proxies=fd00::1/64",
            "listen.trusted_proxies=10.0.0.1:80",
            "listen.trusted_proxies=::ffff:10.0.0.1/104", "listen.min_rate=1KiB",
            "listen.min_rate=0B/s", "listen.hosts=a b", "admin.key_sha256=ab", "admin.public=metrics",
            "admin.public=/status", "caller=[{name=\"other\",key_sha256=\"\(String(repeating: "a", count: 64))\"}]",
            "upstream.proxy=proxy:3128", "upstream.proxy=https://u:p@h", "upstream.proxy=http://h/path",
            "fleet.engine=memcached://h", "fleet.engine=redis://u:p@h:6379/0", "fleet.engine=redis://h/x",
            "fleet.engine=redis://h1,,h2", "fleet.engine=file:", "fleet.engine=file://h/x",
            "fleet.engine=file:///x", "fleet.offline_reserve=10",
            "fleet.offline_reserve=101%",
            "fleet.max_members=0", "audit.keep=1m", "audit.also=everything", "deletes.approval=first",
            "deletes.archive=on", "deletes.protect=[\"\"]", "deletes.protect=a", "alerts.webhook=http://example.com/x",
            "alerts.budget_at=0", "alerts.budget_at=101", "traces.sample=1.5", "traces.endpoint=h",
            "caller=[{name=\"x\",user=\"\"}]", "audit_sink=[{name=\"a\",url=\"tcp://h\"}]",
            "audit_sink=[{name=\"a\",url=\"tls://h:1/p\"}]", "audit_sink=[{name=\"a\",url=\"ftp://h:1\"}]",
            "issuer=[{url=\"https://h\",audience=[\"a\"],rights={x=[\"fly\"]}}]",
        ])
    func formats(flag: String) {
        #expect(configMistakes(flags: [flag]).count == 1, "\(configMistakes(flags: [flag]))")
    }

    @Test("read is written: networks, engines, rates and sinks")
    func roundTrips() throws {
        for text in ["10.0.0.0/8", "192.168.1.7", "fd00::/8", "0.0.0.0/0"] {
            let range = try ConfigFormat<NetworkRange>.network.read(.string(text))
            #expect(ConfigFormat<NetworkRange>.network.write(range) == .string(text))
        }
        let mapped = try ConfigFormat<NetworkRange>.network.read(.string("::ffff:10.0.0.0/104"))
        #expect(ConfigFormat<NetworkRange>.network.write(mapped) == .string("10.0.0.0/8"))
        for text in ["file:/f.db", "redis://h:6379/0", "rediss://h1:1,[::1]:80/15"] {
            let engine = try ConfigFormat<FleetEngine>.engine.read(.string(text))
            #expect(ConfigFormat<FleetEngine>.engine.write(engine) == .string(text))
        }
        for text in ["tls://siem:6514", "udp://[::1]:514", "tcp://h:443", "https://h/p"] {
            let sink = try ConfigFormat<SinkURL>.sink.read(.string(text))
            #expect(ConfigFormat<SinkURL>.sink.write(sink) == .string(text))
        }
        #expect(
            ConfigFormat<Int>.byteRate.write(try ConfigFormat<Int>.byteRate.read(.string("2KiB/s")))
                == .string("2KiB/s"))
        #expect(
            ConfigFormat<FileMode>.fileMode.write(try ConfigFormat<FileMode>.fileMode.read(.string("660")))
                == .string("0660"))
    }
}
