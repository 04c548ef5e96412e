// Relations between keys, what counts as loopback, and which keys stop a start or are only warned about.

import Ground
import Testing
import Tokens

@testable import Configuration

@Suite("Configuration checks")
struct ConfigCheckTests {
    static let hash = String(repeating: "ab", count: 32)
    static let tls = "tls_certificate = \"c.pem\"\ntls_key = \"k.pem\"\n"

    @Test(
        "keys that do not go together are told at one of them",
        arguments: [
            ("[listen]\ntls_certificate = \"c.pem\"", "2: listen.tls_certificate: is set without listen.tls_key"),
            ("[listen]\ntls_key = \"k.pem\"", "2: listen.tls_key: is set without listen.tls_certificate"),
            ("[listen]\nclient_ca = \"ca.pem\"", "2: listen.client_ca: needs TLS"),
            (
                "[listen]\naddress = \"0.0.0.0:80\"",
                "2: listen.address: \"0.0.0.0:80\" can be reached from other machines"
            ),
            ("[listen]\naddress = \"[::]:80\"", "2: listen.address: \"[::]:80\" can be reached from other machines"),
            ("[listen]\naddress = \"127.0.0.1:8081\"", "admin.address: \"127.0.0.1:8081\" is taken by listen.address"),
            ("[admin]\naddress = \"localhost:8080\"", "2: admin.address: \"localhost:8080\" is taken by"),
            (
                "[admin]\naddress = \"0.0.0.0:8080\"\nkey_sha256 = \"\(hash)\"",
                "2: admin.address: \"0.0.0.0:8080\" is taken by"
            ),
            (
                "[admin]\naddress = \"0.0.0.0:8081\"",
                "2: admin.address: \"0.0.0.0:8081\" can be reached from other machines, and admin.key_sha256 is not set"
            ),
            (
                "[admin]\naddress = \"[::]:8081\"",
                "2: admin.address: \"[::]:8081\" can be reached from other machines, and admin.key_sha256 is not set"
            ),
            (
                "[upstream]\nproxy = \"https://proxy:3128\"",
                "2: upstream.proxy: \"https://proxy:3128\" is no plain HTTP"
            ),
            (
                "[upstream]\nproxy = \"http://localhost:8080\"",
                "2: upstream.proxy: \"http://localhost:8080\" is this proxy"
            ),
            (
                "[upstream]\nproxy_credentials_file = \"f\"",
                "2: upstream.proxy_credentials_file: is set without upstream.proxy"
            ),
            (
                "[upstream]\nurl = \"http://localhost:8080\"",
                "2: upstream.url: \"http://localhost:8080\" is this proxy itself"
            ),
            (
                "[token]\ntoken_url = \"http://127.0.0.1:8080/t\"",
                "2: token.token_url: \"http://127.0.0.1:8080/t\" is this"
            ),
            (
                "[listen]\npublic_url = \"https://api.bentley.com/x\"",
                "2: listen.public_url: is the same as upstream.url"
            ),
            ("[upstream]\nurl = \"http://api.example.com\"", "2: upstream.url: sends secrets over plain http"),
            ("[token]\ntoken_url = \"http://10.0.0.1/t\"", "2: token.token_url: sends secrets over plain http"),
            (
                "[upstream]\nurl = \"https://a.example.com/v2\"",
                "2: upstream.url: \"https://a.example.com/v2\" has a path"
            ),
            (
                "[listen]\nmax_held_bytes = \"1MiB\"\nmax_body_bytes = \"600KiB\"",
                "3: listen.max_body_bytes: one request body may be larger than all that are held together"
            ),
            (
                "[cache]\nmax_bytes = \"1MiB\"\nmax_entry_bytes = \"2MiB\"",
                "3: cache.max_entry_bytes: one entry may be larger than the whole cache"
            ),
            (
                "[rate]\nmax_in_flight = 9\n[upstream]\nmax_connections = 8",
                "2: rate.max_in_flight: 9 calls have no room on 8 connections"
            ),
            ("[token]\nmode = \"refresh_token\"", "token.state_file: is empty, and refresh_token needs it"),
            (
                "[token]\nclient_secret = \"x\"\nclient_secret_file = \"f\"",
                "3: token.client_secret_file: stands beside token.client_secret"
            ),
            ("[[caller]]\nkey_sha256 = \"\(hash)\"", "1: caller[1]: has no name"),
            ("[[caller]]\nname = \"\"\nkey_sha256 = \"\(hash)\"", "2: caller[1].name: \"\" is empty"),
            ("[[caller]]\nname = \"anonymous\"\nkey_sha256 = \"\(hash)\"", "2: caller[1].name: \"anonymous\" is what"),
            ("[[caller]]\nname = \"x\"", "1: caller[1]: has none of key_sha256, certificate and user"),
            ("[[caller]]\nname = \"x\"\ncertificate = \"cn\"", "3: caller[1].certificate: cannot be checked without"),
            ("[[caller]]\nname = \"x\"\nkey_sha256 = \"abc\"", "3: caller[1].key_sha256: the value is not 64 hex"),
            ("[[caller]]\nname = \"x\"\nkey_sha256 = \"\(hash)\"\nallow = []", "4: caller[1].allow: [] is empty"),
            ("[[caller]]\nname = \"x\"\nkey_sha256 = \"\(hash)\"\nweight = 0", "4: caller[1].weight: 0 is below 1"),
            (
                "[[caller]]\nname = \"x\"\nkey_sha256 = \"\(hash)\"\ncertificate = \"cn\"",
                "4: caller[1].certificate: stands beside key_sha256"
            ),
            (
                "[[caller]]\nname = \"x\"\nuser = \"1\"\ncertificate = \"cn\"",
                "3: caller[1].user: stands beside certificate"
            ),
            (
                "[[caller]]\nname = \"x\"\nuser = \"no-such-user-here\"",
                "3: caller[1].user: \"no-such-user-here\" is no user of this machine"
            ),
            (
                "[[caller]]\nname = \"x\"\nuser = \"root\"\n[[caller]]\nname = \"y\"\nuser = \"0\"",
                "6: caller[2].user: is also that of caller[1]"
            ),
            (
                "[[caller]]\nname = \"x\"\nkey_sha256 = \"\(hash)\"\nitwins = [\"a\"]",
                "4: caller[1].itwins[1]: \"a\" is no GUID, so it can match nothing"
            ),
            (
                "[[caller]]\nname = \"x\"\nkey_sha256 = \"\(hash)\"\noperations = [\"v2.tests.lst\"]",
                "4: caller[1].operations[1]: \"v2.tests.lst\" names no operation of the API, so it can match nothing (v2.tests.list?)"
            ),
            (
                "[[caller]]\nname = \"x\"\nkey_sha256 = \"\(hash)\"\nallow = [\"read\"]\noperations = [\"v2.tests.*\", \"v2.reports.delete\"]",
                "5: caller[1].operations[2]: \"v2.reports.delete\" needs \"delete\", so it can match nothing; add the right to allow"
            ),
            (
                "[[issuer]]\nurl = \"https://h\"\naudience = [\"a\"]\noperations = [\"v1.runs.start\"]",
                "4: issuer[1].operations[1]: \"v1.runs.start\" needs \"run\", so it can match nothing"
            ),
            (
                "[[issuer]]\nurl = \"https://h\"\naudience = [\"a\"]\noperations = [\"v1.runs.start\"]\nrights_claim = \"g\"\nrights = { \"a\" = [\"write\"] }",
                "4: issuer[1].operations[1]: \"v1.runs.start\" needs \"run\", so it can match nothing"
            ),
            ("[deletes]\nprotect = [\"x\"]", "2: deletes.protect[1]: \"x\" is no id of the API"),
            ("[[issuer]]\naudience = [\"a\"]", "1: issuer[1]: has no url"),
            ("[[issuer]]\nurl = \"https://h\"", "1: issuer[1]: has neither audience nor client_ids"),
            (
                "[[issuer]]\nurl = \"http://h\"\naudience = [\"a\"]",
                "2: issuer[1].url: \"http://h\" is plain http, which is for loopback hosts only"
            ),
            (
                "[[issuer]]\nurl = \"https://h\"\njwks_url = \"http://h/k\"\nclient_ids = [\"a\"]",
                "3: issuer[1].jwks_url: \"http://h/k\" is plain http, which is for loopback hosts only"
            ),
            (
                "[[issuer]]\nurl = \"https://h\"\naudience = [\"a\"]\n[[issuer]]\nurl = \"https://h\"\naudience = [\"b\"]",
                "5: issuer[2].url: \"https://h\" is also the url of issuer[1]"
            ),
            (
                "[[issuer]]\nurl = \"https://h\"\naudience = [\"a\"]\nitwins = [\"x\"]",
                "4: issuer[1].itwins[1]: \"x\" is no GUID"
            ),
            (
                "[[issuer]]\nurl = \"https://h\"\naudience = [\"a\"]\n[token]\nmode = \"passthrough\"",
                "1: issuer[1]: does not go with token.mode"
            ),
            (
                "[[audit_sink]]\nname = \"a\"\nurl = \"http://h/in\"",
                "3: audit_sink[1].url: \"http://h/in\" is plain http, which is for loopback hosts only"
            ),
            (
                "[[audit_sink]]\nname = \"a\"\nurl = \"tcp://h:1\"\ntoken_file = \"/dev/null\"",
                "4: audit_sink[1].token_file: is for https:// sinks only"
            ),
            (
                "[[audit_sink]]\nname = \"a\"\nurl = \"udp://h:1\"\nca_file = \"/ca\"",
                "4: audit_sink[1].ca_file: is for tls:// and https:// sinks only"
            ),
            ("[[audit_sink]]\nname = \"a\"", "1: audit_sink[1]: has no url"),
        ])
    func relations(text: String, message: String) {
        let found = configMistakes(text)
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.contains(message) == true, "\(found)")
    }

    @Test(
        "what can be reached from outside is accepted with a caller or in passthrough, and loopback always",
        arguments: [
            "[listen]\naddress = \"0.0.0.0:80\"\n[[caller]]\nname = \"x\"\nkey_sha256 = \"\(hash)\"",
            "[listen]\naddress = \"0.0.0.0:80\"\n[token]\nmode = \"passthrough\"",
            "[listen]\naddress = \"localhost:80\"",
            "[listen]\naddress = \"127.8.9.1:80\"",
            "[listen]\naddress = \"[::1]:80\"",
            "[listen]\naddress = \"unix:/run/clash.sock\"",
            "[listen]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"127.0.0.1:0\"",
            "[listen]\naddress = \"127.0.0.1:80\"\n[admin]\naddress = \"127.0.0.2:80\"",
            "[listen]\naddress = \"127.0.0.1:443\"",
            "[admin]\naddress = \"0.0.0.0:8081\"\nkey_sha256 = \"\(hash)\"",
            "[admin]\naddress = \"unix:/run/admin.sock\"",
            "[upstream]\nproxy = \"http://proxy.example.com:3128\"\nproxy_credentials_file = \"f\"",
            "[upstream]\nurl = \"http://[::1]:9000\"\n[token]\ntoken_url = \"http://localhost:9000/connect/token\"",
        ])
    func accepted(text: String) {
        #expect(configMistakes(text) == [])
    }

    @Test(
        "hosts that only look like loopback are not",
        arguments: [
            "127.1", "0x7f.0.0.1", "localhost.example.com", "::ffff:8.8.8.8", "0.0.0.0", "::", "2130706433",
            "127.0.0.1.nip.io", "::127.0.0.1", "::2", "", "[::1]",
        ])
    func notLoopback(host: String) {
        #expect(!HostName.isLoopback(host))
    }

    @Test(
        "loopback is 127.0.0.0/8, ::1, their v4-mapped forms and localhost, for everybody who asks",
        arguments: [
            "127.0.0.1", "127.255.255.254", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::ffff:7f00:1", "localhost",
            "LOCALHOST",
        ])
    func loopback(host: String) throws {
        #expect(HostName.isLoopback(host))
        let authority = host.contains(":") ? "[\(host)]" : host
        // `check`, upstream and token endpoint; `login` takes its endpoints by the same rule.
        let url = "http://\(authority):9/t"
        #expect(try BaseURL(parsing: url).isLoopback)
        #expect(configMistakes(flags: ["token.token_url=\(url)", "upstream.url=http://\(authority):9"]) == [])
        #expect(SignInEndpoints.discoveryURL(tokenURL: url) != nil)
        #expect(try ListenAddress(parsing: "\(authority):80").isLoopback)
    }

    @Test("client credentials need an id and a secret, other modes less")
    func neededCredentials() {
        #expect(
            configMistakes(environment: [:]) == [
                "token.client_id: the environment variable CLASH_CLIENT_ID is not set or empty, and client_credentials "
                    + "needs it; set CLASH_CLIENT_ID or token.client_id",
                "token.client_secret: the environment variable CLASH_CLIENT_SECRET is not set or empty, and "
                    + "client_credentials needs it or client_secret_file; set CLASH_CLIENT_SECRET or token.client_secret",
            ])
        let id = ["CLASH_CLIENT_ID": "x"]
        let written = "[token]\nclient_id = \"${CLASH_CLIENT_ID}\"\nclient_secret = \"${CLASH_CLIENT_SECRET}\"\n"
        #expect(configMistakes(written + "mode = \"passthrough\"", environment: [:]) == [])
        #expect(configMistakes(written + "mode = \"refresh_token\"\nstate_file = \"s\"", environment: id) == [])
        #expect(configMistakes(written + "mode = \"refresh_token\"\nstate_file = \"s\"", environment: [:]).count == 1)
        #expect(configMistakes(written + "client_secret_file = \"f\"", environment: id) == [])
        // The reference that everybody's file has is no second secret, even when its variable happens to be set.
        #expect(configMistakes(written + "client_secret_file = \"f\"") == [])
        #expect(
            configMistakes("[token]\nclient_secret = \"\"").first?.hasPrefix("proxy.conf:2: token.client_secret: ")
                == true)
    }

    @Test("files that cannot be read are told with their path")
    func files() {
        let text = "[listen]\n\(Self.tls)[upstream]\nca_file = \"ca.pem\""
        #expect(
            configMistakes(text, unreadable: ["k.pem": "there is no such file", "ca.pem": "is a folder, not a file"])
                == [
                    "proxy.conf:3: listen.tls_key: \"k.pem\": there is no such file; name a file that this user can read",
                    "proxy.conf:5: upstream.ca_file: \"ca.pem\": is a folder, not a file; name a file with PEM certificates that "
                        + "this user can read",
                ])
    }

    @Test("traces do not go to the proxy itself")
    func tracesToItself() {
        #expect(configMistakes(flags: ["traces.endpoint=http://127.0.0.1:4318/v1/traces"]) == [])
        #expect(
            configMistakes(flags: ["traces.endpoint=http://localhost:8080/v1/traces"]) == [
                "--set traces.endpoint: \"http://localhost:8080/v1/traces\" is this proxy itself; name the collector"
            ])
    }

    @Test("the program for alerts must be one, and its webhook is https, or on this machine; a wrong one is not shown")
    func alerts() {
        #expect(
            configMistakes(
                "[alerts]\ncommand = \"notify --all\"", unreadable: ["notify --all": "there is no such file"])
                == [
                    "proxy.conf:2: alerts.command: \"notify --all\": there is no such file; name a program that this user can "
                        + "run, without arguments (no shell looks at it)"
                ])
        for url in ["http://hooks.example.com/s3cret", "ftp://h/s3cret", "https://u:s3cret@h/x", "https://h/x#s3cret"] {
            let mistakes = configMistakes(flags: ["alerts.webhook=\(url)"])
            #expect(mistakes.count == 1 && !mistakes[0].contains("s3cret"), "\(mistakes)")
        }
        for url in ["https://hooks.example.com/a?key=b", "http://127.0.0.1:9/x", "http://[::1]:9"] {
            #expect(configMistakes(flags: ["alerts.webhook=\(url)"]) == [])
        }
    }

    @Test("a key that is not in force is named in a warning")
    func notices() throws {
        let loaded = try loadConfig(
            "[cache]\nttl_list = \"1s\"\n[fleet]\nkey_file = \"k\"")
        #expect(loaded.refusals.isEmpty)
        #expect(
            loaded.warnings.map(\.problem) == [
                "set, but not yet in force in this version: fleet.key_file"
            ])
        #expect(try loadConfig().refusals.isEmpty)
        #expect(try loadConfig().warnings.isEmpty)
        // The shipped file says every default in so many words; that is nothing to warn of.
        #expect(try loadConfig("[cache]\nenabled = true\nttl_list = \"30s\"").warnings.isEmpty)
    }

    @Test("every token mode may be served with, and its keys are nothing to warn of", arguments: TokenMode.allCases)
    func modes(mode: TokenMode) throws {
        let loaded = try loadConfig(
            "[token]\nmode = \"\(mode.rawValue)\"\nstate_file = \"s\"\nauthorize_url = \"https://h/a\"\nredirect_port = 1"
        )
        #expect(loaded.refusals.isEmpty && loaded.warnings.isEmpty)
    }

    @Test("extra token parameters are name=value, none of the proxy's own fields, and none twice")
    func extraParameters() throws {
        func mistakes(_ list: String) -> [String] { configMistakes("[token]\nextra_parameters = \(list)") }
        let loaded = try loadConfig("[token]\nextra_parameters = [\"audience=https://h/?a=b\", \"empty=\"]")
        #expect(
            loaded.config.token.extraParameters == [
                TokenParameter(name: "audience", value: "https://h/?a=b"), TokenParameter(name: "empty", value: ""),
            ])
        #expect(mistakes("[\"audience\"]").first?.contains("token.extra_parameters[1]: \"audience\" has no =") == true)
        #expect(mistakes("[\"=x\"]").count == 1)
        #expect(
            mistakes("[\"a=1\", \"client_secret=x\"]").first?.contains("is a field that the proxy sets itself") == true)
        #expect(mistakes("[\"a=1\", \"b=1\", \"a=2\"]").first?.contains("has \"a\" twice") == true)
    }

    @Test("an admin listener that others can reach without TLS is warned about")
    func exposedAdmin() throws {
        let warnings = try loadConfig("[admin]\naddress = \"0.0.0.0:8081\"\nkey_sha256 = \"\(Self.hash)\"").warnings
        #expect(warnings.map(\.key) == ["admin.address"])
        #expect(warnings.first?.place == .file(name: "proxy.conf", line: 2))
    }

    @Test("PROXY preambles that are expected of nobody are warned about")
    func preamblesOfNobody() throws {
        #expect(try loadConfig("[listen]\nproxy_protocol = true").warnings.map(\.key) == ["listen.proxy_protocol"])
        let named = "[listen]\nproxy_protocol = true\ntrusted_proxies = [\"10.0.0.0/8\"]"
        #expect(try loadConfig(named).warnings.isEmpty)
    }

    @Test("a listener for tools beyond loopback speaks plain text, which is warned about")
    func exposedListener() throws {
        let hash = String(repeating: "a", count: 64)
        let caller = "[[caller]]\nname = \"a\"\nkey_sha256 = \"\(hash)\"\nallow = [\"read\"]"
        let warnings = try loadConfig("[listen]\naddress = \"0.0.0.0:8080\"\n\(caller)").warnings
        #expect(warnings.map(\.key) == ["listen.address"])
        #expect(warnings.first?.problem.contains("plain text") == true)
    }

    @Test("changes name the keys that differ and whether a restart is needed")
    func changes() {
        var new = Config()
        #expect(Config().changes(to: new) == [])
        new.listen.addresses = [.unix(path: "/run/x.sock")]
        new.cache.ttlList = .seconds(1)
        new.token.clientSecret = Secret("other")
        new.callers = [.init(name: "x", credential: .certificate("cn"), allow: [.read])]
        #expect(
            Config().changes(to: new) == [
                ConfigChange(key: "listen.address", needsRestart: true),
                ConfigChange(key: "token.client_secret", needsRestart: false),
                ConfigChange(key: "cache.ttl_list", needsRestart: false),
                ConfigChange(key: "caller", needsRestart: false),
            ])
    }
}
