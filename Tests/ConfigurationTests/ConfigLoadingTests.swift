// How values get in: precedence, forms outside TOML, variables inside strings, and finding the file.

import Glibc
import Ground
import RateLimiting
import TestSupport
import Testing

@testable import Configuration

@Suite("Configuration loading")
struct ConfigLoadingTests {
    @Test("a flag beats the environment, that the file, that the default")
    func precedence() throws {
        let text = "[rate]\nmax_queue = 1\nmax_in_flight = 2\nmax_wait = \"3s\""
        let environment = testCredentials.merging([
            "CLASH_PROXY_RATE_MAX_QUEUE": "10", "CLASH_PROXY_RATE_MAX_IN_FLIGHT": "12",
        ]) { $1 }
        let rate = try loadConfig(text, environment: environment, flags: ["rate.max_queue=99", "rate.max_queue=100"])
            .config.rate
        #expect(rate.maxQueue == 100)
        #expect(rate.maxInFlight == 12)
        #expect(rate.maxWait == .seconds(3))
        #expect(rate.windows == Config().rate.windows)
    }

    @Test("lists outside the file are TOML arrays or separated by commas")
    func lists() throws {
        let flags = [
            "rate.windows=500/1m, 5000/1h", "audit.also=[\"cancel\"]", "listen.cors_origins=",
            "upstream.allow_prefixes=/clash-detection",
        ]
        let config = try loadConfig(flags: flags).config
        #expect(
            config.rate.windows == [
                GateWindow(limit: 500, span: .seconds(60)), GateWindow(limit: 5000, span: .seconds(3600)),
            ])
        #expect(config.audit.also == [.cancel])
        #expect(config.listen.corsOrigins == [])
        #expect(config.upstream.allowPrefixes == ["/clash-detection"])
        #expect(configMistakes(flags: ["rate.windows=[\"500/1m\""]).count == 1)
    }

    @Test("every kind of value can come from the environment, with = and spaces in it")
    func environmentValues() throws {
        let config = try loadConfig(
            environment: [
                "CLASH_PROXY_TOKEN_CLIENT_ID": "id", "CLASH_PROXY_TOKEN_CLIENT_SECRET": "a=b ${NOT_A_VARIABLE}",
                "CLASH_PROXY_UPSTREAM_HTTP2": "true", "CLASH_PROXY_LISTEN_MAX_BODY_BYTES": "2MiB",
                "CLASH_PROXY_ADMIN_ADDRESS": "",
            ],
            flags: ["token.scope=a b"]
        ).config
        #expect(config.token.clientSecret?.withValue { $0 } == "a=b ${NOT_A_VARIABLE}")
        #expect(config.token.clientID == "id")
        #expect(config.token.scope == "a b")
        #expect(config.upstream.http2)
        #expect(config.listen.maxBodyBytes == 2 << 20)
        #expect(config.admin.address == nil)
    }

    @Test("callers given by flag replace those of the file, and are checked as they are")
    func callersByFlag() throws {
        let hash = String(repeating: "0f", count: 32)
        let file = "[[caller]]\nname = \"file\"\nkey_sha256 = \"\(hash)\""
        let callers = "caller=[{name = \"flag\", key_sha256 = \"\(hash)\", allow = [\"run\"]}]"
        #expect(try loadConfig(file, flags: [callers]).config.callers.map(\.name) == ["flag"])
        #expect(
            configMistakes(file, flags: ["caller=[{name = \"flag\"}]"]) == [
                "--set caller: caller[1]: has none of key_sha256, certificate and user; run `clash-proxy key new NAME` and "
                    + "paste what it prints"
            ])
        #expect(configMistakes(file, flags: ["caller=[{name"]).count == 1)
        #expect(configMistakes(file, flags: ["caller=[]\n[log]\nlevel = 3"]).count == 1)
    }

    @Test("variables are filled in anywhere in a string and inside lists, once")
    func interpolation() throws {
        let environment = testCredentials.merging(["HOST": "api.example.com", "ONCE": "${HOST}"]) { $1 }
        let text = """
            [upstream]
            url = "https://${HOST}:8443"
            link_prefixes = ["https://${HOST}", "https://${HOST}/x => /clash-detection"]
            [audit]
            path = "$${HOST}/${ONCE}/$HOST/$$"
            """
        let config = try loadConfig(text, environment: environment).config
        #expect(config.upstream.url == BaseURL(scheme: .https, host: "api.example.com", port: 8443))
        #expect(config.upstream.linkPrefixes.map(\.prefix.host) == ["api.example.com", "api.example.com"])
        #expect(config.audit.path == "${HOST}/${HOST}/$HOST/$$")
    }

    @Test("lines are found behind every construct that could fool a reader of lines")
    func lines() {
        let text = """
            "top.dotted" = 1
            [ listen ] # [not.this]
            address = '''
            [fake]
            key = "x"'''
            max_connections = 3
            escaped = \"""a \\
            \\\""" b
            c\"""
            upstream.url = { "a b" = [1, [2, "]"],
              3], c = "}" }
            [[caller]]
            name = 'a # b'
            allow = [ # one
              "read",

              "write" ] # two
            [[caller]]
            "n\\u0061me" = "b"
            [caller.extra]
            x = 1
            """
        let lines = TOMLLocator.lines(of: "\u{FEFF}" + text)
        #expect(lines[["top.dotted"]] == 1)
        #expect(lines[["listen"]] == 2)
        #expect(lines[["listen", "address"]] == 3)
        #expect(lines[["fake"]] == nil)
        #expect(lines[["listen", "max_connections"]] == 6)
        #expect(lines[["listen", "escaped"]] == 7)
        #expect(lines[["listen", "upstream", "url", "a b", "[2]", "[2]"]] == 10)
        #expect(lines[["listen", "upstream", "url", "a b", "[3]"]] == 11)
        #expect(lines[["listen", "upstream", "url", "c"]] == 11)
        #expect(lines[["caller", "[1]", "name"]] == 13)
        #expect(lines[["caller", "[1]", "allow", "[1]"]] == 15)
        #expect(lines[["caller", "[1]", "allow", "[2]"]] == 17)
        #expect(lines[["caller", "[2]"]] == 18)
        #expect(lines[["caller", "[2]", "name"]] == 19)
        #expect(lines[["caller", "[2]", "extra", "x"]] == 21)
    }

    @Test("the locator ends on any text, also on what is no TOML")
    func locatorEnds() {
        let pieces = ["[", "]", "{", "}", "\"", "'", "\"\"\"", "\\", "=", ",", "#", "\n", ".", "a", " "]
        var random = SeededGenerator(seed: 7)
        for _ in 0..<3000 {
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                pieces.randomElement(using: &random) ?? ""
            }.joined()
            let lineCount = text.split(separator: "\n", omittingEmptySubsequences: false).count
            #expect(TOMLLocator.lines(of: text).values.allSatisfy { (1...lineCount).contains($0) }, "\(text)")
        }
    }

    @Test("--config must be there; without it the first file of the search path counts, or none")
    func search() throws {
        let temporary = try TemporaryFolder()
        defer { temporary.remove() }
        let folder = temporary.path
        try write("[rate]\nmax_queue = 5", to: folder + "/second.conf")
        let path = [folder + "/first.conf", folder + "/second.conf"]
        let found = try ConfigSources.read(config: nil, environment: [:], flags: [], searchPath: path)
        #expect(found.file?.name == folder + "/second.conf")
        #expect(try ConfigSources.read(config: nil, environment: [:], flags: [], searchPath: [path[0]]).file == nil)
        #expect(throws: ConfigMistakes.self) {
            try ConfigSources.read(config: path[0], environment: [:], flags: [], searchPath: path)
        }
        #expect(ConfigSources.searchPath == ["./proxy.conf", "/etc/clash-proxy/proxy.conf"])
    }

    @Test("a file that cannot be read is one clear mistake")
    func unreadable() throws {
        let temporary = try TemporaryFolder()
        defer { temporary.remove() }
        let folder = temporary.path
        try write([0x5b, 0xff, 0x5d], to: folder + "/latin1.conf")
        let expected = [
            folder: "is a folder, not a file",
            folder + "/latin1.conf": "is not UTF-8 text; save it as UTF-8",
            folder + "/none.conf": "there is no such file",
        ]
        for (path, problem) in expected {
            // The search stops at a file that is there but wrong; only an explicit path must be there at all.
            let error = #expect(throws: ConfigMistakes.self) {
                try ConfigSources.read(config: path, environment: [:], flags: [])
            }
            #expect(error?.description == "\(path): \(problem)")
        }
        #expect(ConfigSources.problem(folder, .any) == "is a folder, not a file")
        #expect(ConfigSources.problem(folder + "/latin1.conf", .any) == nil)
        #expect(ConfigSources.problem(folder + "/latin1.conf", .certificates) == "holds no PEM certificate")
        #expect(ConfigSources.problem(folder + "/none.conf", .certificates) == "there is no such file")
        #expect(ConfigSources.problem(folder, .program) == "is a folder, not a file")
        #expect(ConfigSources.problem(folder + "/none.conf", .program) == "there is no such file")
        #expect(ConfigSources.problem(folder + "/latin1.conf", .program) == "may not be run by this user")
        #expect(ConfigSources.problem("/bin/sh", .program) == nil)
    }

    @Test("a pipe in the place of a file is a mistake and not waited for", .timeLimit(.minutes(8)))
    func pipe() throws {
        let temporary = try TemporaryFolder()
        defer { temporary.remove() }
        let folder = temporary.path
        let pipe = folder + "/pipe"
        #expect(mkfifo(pipe, 0o600) == 0)
        let error = #expect(throws: ConfigMistakes.self) {
            try ConfigSources.read(config: pipe, environment: [:], flags: [])
        }
        #expect(error?.description == "\(pipe): is no regular file")
        for content in [FileContent.any, .certificates, .credential] {
            #expect(ConfigSources.problem(pipe, content) == "is no regular file", "\(content)")
        }
        #expect(throws: TextFile.Unreadable.self) { try TextFile.read(pipe) }
        #expect(try ConfigSources.read(config: "/dev/null", environment: [:], flags: []).file?.text == "")
    }

    private func write(_ text: String, to path: String) throws { try write(Array(text.utf8), to: path) }

    private func write(_ bytes: [UInt8], to path: String) throws {
        let file = try #require(fopen(path, "w"))
        #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
        fclose(file)
    }
}
