// The command line as somebody types it: what it answers to what is wrong, its exit codes, and what it needs to answer.

import FoundationEssentials
import Glibc
import Proxy
import Simulator
import TestSupport
import Testing

@testable import Configuration

@Suite(.enabled(if: Program.isBuilt)) struct CommandLineTests {
    private func run(
        _ arguments: [String], in place: String? = nil, environment: [String: String] = [:]
    ) async throws -> AuditProgram.Result {
        try await AuditProgram.run(Program.path, arguments, in: place, environment: environment)
    }

    @Test("an unknown command is named as such, with what was meant; a wrong command line ends with 64")
    func unknownCommands() async throws {
        for (arguments, words) in [
            (["chek"], ["no command 'chek'", "did you mean check?"]),
            (["help", "chek"], ["no command 'chek'", "did you mean check?"]),
            (["help", "audit", "lst"], ["no command 'lst'", "did you mean list?"]),
            (["--bo\u{1B}[2J\u{202E}gus"], ["--bo\\u001B[2J\\u202Egus"]),
            (["key", "new", "a\u{1B}b"], ["U+001B"]), (["key", "new", "a", "--allow", "evil"], ["--allow"]),
            (["key", "new", "a", "--itwins", ","], ["--itwins", "is empty"]),
            (["key", "new", "a", "--itwins", ""], ["--itwins", "is empty"]),
            (["key", "new", "a", "--operations", ""], ["--operations", "is empty"]),
            (["fleets", "--help"], ["no command 'fleets'", "did you mean fleet?"]),
            (["audit", "lst", "--path", "x"], ["clash-proxy audit", "no command 'lst'", "did you mean list?"]),
            (["\u{1B}[2Jx"], ["no command"]), (["--bogus"], ["--bogus"]), (["serve", "extra"], ["extra"]),
            (["audit", "list", "--format", "xml"], ["xml"]),
            (["cache", "purge"], ["--all"]),
        ] {
            let ran = try await run(arguments)
            #expect(ran.status == 64, "\(arguments): \(ran)")
            #expect(words.allSatisfy(ran.errors.contains), "\(ran.errors)")
            #expect(ran.output.isEmpty && Self.isPlain(ran.errors) && !ran.errors.contains("OVERVIEW"))
        }
        #expect(try await run(["help", "check"]).status == 0)
        let help = try await run(["audit", "--help"])
        #expect(help.status == 0 && help.output.contains("SUBCOMMANDS"))
    }

    private static func isPlain(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy {
            $0 == "\n" || ![.control, .format, .lineSeparator].contains($0.properties.generalCategory)
        }
    }

    @Test("no name in a file, an argument or the environment reaches a terminal as it is, and none ends a line")
    func namesOnTerminals() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let environment = ["CLASH_CLIENT_ID": "a", "CLASH_CLIENT_SECRET": "b"]
        let odd = "ev\u{1B}[2J\u{202E}.conf"
        try write("[audit]\npath = \"lo\\u001Bg\\u202E\"\n", to: "\(folder.path)/\(odd)")
        let good = try await run(["check", "--config", odd], in: folder.path, environment: environment)
        #expect(good.status == 0 && Self.isPlain(good.output + good.errors), "\(good)")
        #expect(good.lines.last == "ok: read ev\\u001B[2J\\u202E.conf" && good.output.contains(#"lo\u001bg\u202e"#))
        let bad = "\"se\\u001B[2Jct\\u202E\\n\" = 1\n[log]\n\"le\\u001B\\u2028\\nvel\" = 1\n"
        try write(bad, to: "\(folder.path)/\(odd)")
        let ran = try await run(
            ["check", "--config", odd, "--set", "lo\u{1B}\u{202E}g.x=1", "--set", "foo.bar=x"], in: folder.path,
            environment: environment)
        #expect(ran.status == 78 && Self.isPlain(ran.errors) && ran.output.isEmpty, "\(ran)")
        #expect(ran.errors.split(separator: "\n").count == 4, "one line each: \(ran.errors)")
        #expect(ran.errors.contains("--set foo.bar: is not a known key; sections are listen, admin, "), "\(ran.errors)")
        // A shell in between would drop such a variable.
        let variable = try await run(
            ["check"], environment: environment.merging(["CLASH_PROXY_LOG_\u{1B}[2J\u{202E}X": "1"]) { $1 })
        #expect(variable.status == 78 && Self.isPlain(variable.errors), "\(variable)")
        #expect(variable.errors.contains("CLASH_PROXY_LOG_\\u001B[2J\\u202EX: is not a known variable"))
    }

    @Test(
        "a configuration of no name, an address that is a URL, and a socket without a folder are told as what they are")
    func readable() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let credentials = ["CLASH_CLIENT_ID": "a", "CLASH_CLIENT_SECRET": "b"]
        func told(_ arguments: [String]) async throws -> AuditProgram.Result {
            try await run(arguments, in: folder.path, environment: credentials)
        }
        let unnamed = try await told(["check", "--config", ""])
        #expect(
            unnamed.status == 78 && unnamed.errors == "--config names no file; name one, or leave it out\n",
            "\(unnamed)")
        let url = try await told(["check", "--set", "listen.address=http://127.0.0.1:8080"])
        #expect(url.status == 78 && url.errors.contains("is a URL") && url.errors.contains("write host:port"), "\(url)")
        let socket = try await told(["serve", "--set", "listen.address=unix:none/s", "--set", "admin.address="])
        #expect(
            socket.status == 1 && socket.errors.contains("there is no folder none. Make it, or choose"), "\(socket)")
    }

    @Test(
        "a port that is none is blamed on the option that said it", arguments: ["demo --port", "simulate --token-port"])
    func ports(option: String) async throws {
        let words = option.split(separator: " ").map(String.init)
        for port in ["99999", "-1"] {
            let ran = try await run([words[0], "\(words[1])=\(port)"])
            #expect(ran.status == 64 && ran.errors.contains("\(words[1]) is \(port)"), "\(ran)")
            #expect(!ran.errors.contains("listen.address"))
        }
    }

    @Test("a process that was given no argument list at all says so and ends with 1; it never serves")
    func noArguments() async throws {
        let ran = try await AuditProgram.run(Program.path, [], environment: [:], named: false)
        #expect(ran.status == 1 && ran.errors.contains("no list of arguments"), "\(ran)")
        let named = try await AuditProgram.run(Program.path, ["", "--version"], environment: [:], named: false)
        #expect(named.status == 0 && named.output.contains("clash-proxy"))
    }

    @Test("--version names version and libcurl, and the commit when the build was told one")
    func version() async throws {
        let ran = try await run(["--version"])
        #expect(ran.status == 0)
        let line = try #require(
            try /clash-proxy \d+\.\d+\.\d+ \((commit (?<commit>[0-9A-Za-z.+-]+), )?libcurl \d+\.\d+\.\d+\S*\)\n/
                .wholeMatch(in: ran.output), "\(ran.output)")
        #expect(line.commit?.isEmpty != true)
    }

    @Test(
        "arguments arrive where Swift would lose them: no /proc, and a library that moves the environment before main",
        .enabled(if: canHideProc))
    func lostArguments() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try write(
            "#include <stdlib.h>\n__attribute__((constructor)) static void f(void) { setenv(\"EARLY\", \"1\", 1); }\n",
            to: "\(folder.path)/early.c")
        let script = """
            cc -shared -fPIC -o '\(folder.path)/early.so' '\(folder.path)/early.c' || exit 99
            mount -t tmpfs none /proc || exit 99
            for early in '' '\(folder.path)/early.so'; do
                # A library below ours may give up at exit where there is no /proc, after all was said: not our matter.
                for try in 1 2 3 4 5; do
                    LD_PRELOAD=$early '\(Program.path)' audit verify --path '\(folder.path)/none'
                    status=$?
                    [ $status = 132 ] || break
                done
                [ $status = 1 ] || exit 98
            done
            """
        let ran = try await AuditProgram.run("/usr/bin/unshare", ["-m", "/bin/sh", "-c", script])
        #expect(ran.status == 0, "\(ran)")
        #expect(ran.errors.split(separator: "\n").count { $0.contains("no audit log at \(folder.path)/none") } >= 2)
    }

    /// It takes root, a compiler and util-linux.
    private static var canHideProc: Bool {
        geteuid() == 0 && access("/usr/bin/unshare", X_OK) == 0 && access("/usr/bin/cc", X_OK) == 0
    }

    @Test("check ends with ok and the file that it read, or says that there was none")
    func checkSaysOK() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let credentials = ["CLASH_CLIENT_ID": "a", "CLASH_CLIENT_SECRET": "b"]
        let without = try await run(["check"], in: folder.path, environment: credentials)
        #expect(without.status == 0 && without.lines.last?.hasPrefix("ok: no file was found") == true, "\(without)")
        try write("[log]\nlevel = \"debug\"\n", to: "\(folder.path)/proxy.conf")
        let with = try await run(["check"], in: folder.path, environment: credentials)
        #expect(with.status == 0 && with.lines.last == "ok: read proxy.conf" && with.errors.isEmpty, "\(with)")
        let wrong = try await run(["check"], in: folder.path, environment: ["CLASH_CLIENT_ID": "a"])
        #expect(wrong.status == 78 && !wrong.output.contains("ok:"))
    }

    @Test("serve logs what process and container allow, and that a log of an earlier release lies elsewhere")
    func startLines() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try #require(mkdir("\(folder.path)/conf", 0o700) == 0 && mkdir("\(folder.path)/log", 0o700) == 0)
        try write("[audit]\npath = \"log\"\n[listen]\naddress = \"unix:s\"\n", to: "\(folder.path)/conf/proxy.conf")
        // The admin address is taken from nobody, and is not to be had: the start fails after its first lines.
        let taken = SilentOrigin()
        let ran = try await run(
            ["serve", "--config", "conf/proxy.conf", "--set", "admin.address=127.0.0.1:\(taken.port)"], in: folder.path,
            environment: ["CLASH_CLIENT_ID": "a", "CLASH_CLIENT_SECRET": "b"])
        #expect(ran.status == 1, "\(ran)")
        let limits = try #require(ran.errors.split(separator: "\n").first { $0.contains(" limits ") })
        for part in ["memory=", "cache_max_bytes=", "event_loops=", "open_files="] { #expect(limits.contains(part)) }
        #expect(ran.errors.contains("from=log") && ran.errors.contains("to=conf/log"), "\(ran.errors)")
        #expect(access("\(folder.path)/conf/log", F_OK) == 0)
        #expect(taken.port > 0, "and was taken until now")
    }

    @Test("key new prints key and table on one stream")
    func keyNew() async throws {
        let ran = try await run(["key", "new", "night job", "--allow", "read,approve"])
        #expect(ran.status == 0 && ran.errors.isEmpty)
        let key = try #require(ran.lines.first { $0.hasPrefix("cpk_") })
        #expect(ran.output.contains("key_sha256 = \"\(KeyHash(hashing: key).hex)\""))
        #expect(ran.output.contains("name = \"night job\"") && ran.output.contains("allow = [\"read\", \"approve\"]"))
    }

    @Test(
        "who deleted it, from another folder, without credentials, with CLASH_KEY and CLASH_PROXY_KEY in the environment"
    )
    func newcomer() async throws {
        try await withRig { rig async throws in
            let report = try #require(rig.simulator.reportIDs(iTwin: rig.iTwin).first)
            #expect(try await rig.deleteReport(report, id: "c-1", [("X-Audit-Reason", "old")]).status == 202)
            let name = try #require(rig.auditFolder.split(separator: "/").last)
            let parent = rig.auditFolder.dropLast(name.count + 1)
            try write(
                "[audit]\npath = \"\(name)\"\n[admin]\naddress = \"unix:none.sock\"\n", to: "\(parent)/proxy.conf")
            let environment = [
                "CLASH_KEY": "cpk_x", "CLASH_PROXY_KEY": "cpk_x", "CLASH_PROXY_ADMIN_SERVICE_HOST": "10.0.0.1",
            ]
            let config = ["--config", "\(parent)/proxy.conf"]
            let listed = try await run(["audit", "list"] + config, in: "/", environment: environment)
            #expect(listed.status == 0 && listed.output.contains(report) && listed.output.contains("c-1"), "\(listed)")
            let table = listed.lines[0]
            #expect(table.contains("ID") && table.contains("REASON") && listed.lines[1].contains("  old  "))
            #expect(try await run(["audit", "verify"] + config, in: "/", environment: environment).status == 0)
            // These find nobody, but ask for no secret either.
            for command in [["health"], ["cache", "purge", "--all"]] {
                let ran = try await run(command + config, in: "/", environment: environment)
                #expect(ran.status == 1 && ran.errors.contains("\(parent)/none.sock"), "\(ran)")
            }
        }
    }

    @Test("a folder that is missing is named as it is seen from everywhere, with what to do")
    func missingLog() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let ran = try await run(["audit", "list"], in: folder.path)
        #expect(
            ran.status == 1 && ran.errors.contains("\(folder.path)/audit") && ran.errors.contains("--path"), "\(ran)")
    }

    @Test("nothing that a tool wrote reaches a terminal as a control, escape or bidirectional character, in any format")
    func printing() async throws {
        let reason = "a\u{202E}b\u{2066}c\u{200F}d"
        let plain = [
            "show": "audit show c-1", "table": "audit list", "csv": "audit list --format csv", "json": "audit export",
        ]
        try await withRig { rig async throws in
            let report = try #require(rig.simulator.reportIDs(iTwin: rig.iTwin).first)
            #expect(try await rig.deleteReport(report, id: "c-1", [("X-Audit-Reason", reason)]).status == 202)
            for (format, command) in plain {
                let ran = try await run(
                    command.split(separator: " ").map(String.init) + ["--path", rig.auditFolder])
                #expect(ran.status == 0 && ran.output.contains(report))
                let text = ran.output.replacing("\r\n", with: "\n").unicodeScalars
                let bad = text.filter { scalar in
                    scalar != "\n" && [.control, .format].contains(scalar.properties.generalCategory)
                }
                #expect(bad.isEmpty, "\(format): \(bad.map { String($0.value, radix: 16) })")
                if format != "table" { #expect(ran.output.contains("a\\u202Eb\\u2066c\\u200Fd"), "\(ran.output)") }
            }
        }
    }

    private func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path))
    }
}
