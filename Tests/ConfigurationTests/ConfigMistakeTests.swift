// Golden messages: what an operator reads when something is wrong, with the line it is about.

import Testing

@testable import Configuration

@Suite("Configuration mistakes")
struct ConfigMistakeTests {
    @Test("four mistakes give exactly four messages, each with its line")
    func fourMistakes() {
        let text = """
            # a comment with [brackets] and "quotes
            [listen]
            adress = "127.0.0.1:9000"
            tls_certificate = ""

            [upstream]
            link_prefixes = [   # a list over several lines
              "https://api.bentley.com",
              "ftp://old.example.com",
            ]

            [[caller]]
            name = "one"
            key_sha256 = "\(String(repeating: "a1", count: 32))"

            [[caller]]
            name = "two"
            key_sha256 = "\(String(repeating: "b2", count: 32))"
            allow = ["read", "remove"]

            [cache]
            ttl_list = 30
            """
        #expect(
            configMistakes(text) == [
                "proxy.conf:3: listen.adress: is not a known key; did you mean listen.address?",
                "proxy.conf:9: upstream.link_prefixes[2]: \"ftp://old.example.com\" is not an absolute URL that begins "
                    + "with https:// or http://; write a URL, or \"URL => /path\"",
                "proxy.conf:19: caller[2].allow[2]: \"remove\" is not known; write one of \"read\", \"write\", \"run\", "
                    + "\"delete\", \"approve\"",
                "proxy.conf:22: cache.ttl_list: 30 is an integer, not a string; write a duration from \"0s\" to \"24h\" "
                    + "in ms, s, m or h",
            ])
    }

    @Test("mistakes of file, environment and flags come in one go and in that order")
    func allSources() {
        let found = configMistakes(
            "[listen]\nmax_connections = 0",
            environment: testCredentials.merging([
                "CLASH_PROXY_LISTEN_IDLE_TIMEOUT": "soon", "CLASH_PROXY_LISTEN_ADRESS": "x",
            ]) { $1 },
            flags: ["log.access=perhaps", "log.levle=info", "nonsense"])
        #expect(
            found == [
                "proxy.conf:2: listen.max_connections: 0 is below 1; write an integer from 1 to 1000000",
                "CLASH_PROXY_LISTEN_ADRESS: is not a known variable; did you mean CLASH_PROXY_LISTEN_ADDRESS?",
                "CLASH_PROXY_LISTEN_IDLE_TIMEOUT: listen.idle_timeout: \"soon\" is not a whole number with a unit like "
                    + "\"30s\"; write a duration from \"1ms\" to \"1h\" in ms, s, m or h",
                "--set log.levle: is not a known key; did you mean log.level?",
                "--set: has no =; write --set section.key=value",
                "--set log.access: \"perhaps\" is a string, not a boolean; write true or false",
            ])
    }

    @Test(
        "one bad line gives one message",
        arguments: [
            ("address = \"x\"", "address: stands outside its section; write it below [listen]"),
            ("[cahce]\nenabled = true", "cahce: is not a known section; did you mean [cache]?"),
            ("[callers]\nname = \"x\"", "callers: is not a known section; did you mean [[caller]]?"),
            (
                "[caller]\nname = \"x\"",
                "caller: is a table, not an array of tables; write [[caller]] in double brackets"
            ),
            ("listen = 3", "listen: is an integer, not a section; write [listen] and its keys below it"),
            ("[listen]\nhttp2 = true", "listen.http2: is not a known key; did you mean upstream.http2?"),
            ("[log]\nLevel = \"info\"", "log.Level: is not a known key; did you mean log.level?"),
            (
                "[shutdown]\nquickly = true",
                "shutdown.quickly: is not a known key; [shutdown] has ready_delay, drain_timeout"
            ),
            ("[log]\naccess = 1", "log.access: 1 is an integer, not a boolean; write true or false"),
            (
                "[log]\nlevel = \"warn\"",
                "log.level: \"warn\" is not known; write one of \"trace\", \"debug\", \"info\", \"notice\", "
                    + "\"warning\", \"error\", \"critical\""
            ),
            (
                "[upstream]\nmax_connections = 1.5",
                "upstream.max_connections: 1.5 is a number with a fraction, not an integer; write an integer from 1 "
                    + "to 1000"
            ),
            (
                "[upstream]\nallow_prefixes = []",
                "upstream.allow_prefixes: [] is empty; write an array, each element a "
                    + "path like \"/clash-detection\" that does not end with a slash"
            ),
            (
                "[audit]\ndelete_budget = \"20\"",
                "audit.delete_budget: \"20\" is not a number of calls, a slash and a "
                    + "duration; write calls per duration like \"5000/1m\", or \"\" for none"
            ),
            (
                "[token]\nclient_id = \"${NOT_SET}\"",
                "token.client_id: \"${NOT_SET}\" needs the environment variable "
                    + "NOT_SET, which is not set; set NOT_SET, or write the value itself"
            ),
            (
                "[audit]\npath = \"${\"",
                "audit.path: \"${\" has a ${ that no variable name and } follow; write ${NAME} "
                    + "for an environment variable, $${ for a literal ${"
            ),
        ])
    func oneMistake(text: String, message: String) {
        let found = configMistakes(text)
        #expect(found.count == 1)
        #expect(found.first?.hasSuffix(": " + message) == true, "\(found)")
    }

    @Test(
        "text that is not TOML is told with its line, and what other sources say is still checked",
        arguments: [
            ("[listen]\nmax_connections = ", "proxy.conf:2: not valid TOML: "),
            ("[listen]\n\naddress = 127.0.0.1", "proxy.conf:3: not valid TOML: "),
            ("[listen]\naddress = \"a\"\naddress = \"b\"", "proxy.conf:3: not valid TOML: "),
            ("[listen]\n[listen]", "proxy.conf:2: not valid TOML: "),
            ("[log]\nlevel = \"in\\u0000fo\"", "proxy.conf:2: not valid TOML: a NUL character"),
        ])
    func syntax(text: String, start: String) {
        let found = configMistakes(text, flags: ["log.format=xml"])
        #expect(found.count == 2)
        #expect(found.first?.hasPrefix(start) == true, "\(found)")
        #expect(found.last?.hasPrefix("--set log.format: ") == true)
    }

    @Test("a key that is probably misspelt is not also reported as missing")
    func noFollowUps() {
        let exposed = "[listen]\naddress = \"0.0.0.0:8080\"\n"
        #expect(configMistakes(exposed + "[[calller]]\nname = \"x\"").count == 1)
        #expect(configMistakes(exposed + "[[caller]]\nname = \"x\"\nkey_sha256 = \"12\"").count == 1)
        #expect(configMistakes(exposed + "[token]\nmode = \"pasthrough\"").count == 1)
        #expect(configMistakes("[[caller]]\nnmae = \"x\"\nkey_sha265 = \"12\"").count == 2)
        #expect(configMistakes("[token]\ncleint_id = \"x\"", environment: ["CLASH_CLIENT_SECRET": "x"]).count == 1)
    }

    @Test("a faulty value that a stronger source replaces is no mistake")
    func replaced() throws {
        let loaded = try loadConfig("[listen]\naddress = \"${NOT_SET}\"", flags: ["listen.address=127.0.0.1:1"])
        #expect(loaded.config.listen.addresses == [.tcp(host: "127.0.0.1", port: 1)])
    }
}
