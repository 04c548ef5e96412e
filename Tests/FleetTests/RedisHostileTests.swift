// Servers that are none, or mean harm: the member is cut, in time and in words, and holds no more than a little memory.

import Ground
import NIOCore
import TestSupport
import Testing

@testable import Fleet

/// A server that answers each command with whatever the test says; nil: nothing.
struct FakeRedis {
    let origin: ScriptedOrigin

    init(_ answer: @escaping @Sendable (_ words: [String]) -> String?) {
        origin = ScriptedOrigin { connection in
            var parser = RESPParser()
            while true {
                parser.feed(ByteBuffer(bytes: try connection.read(exactly: 1)))
                while let command = try parser.next() {
                    if let text = answer((command.items ?? []).map { $0.text ?? "" }) { try connection.send(text) }
                }
            }
        }
    }

    /// What a sound primary says when it is greeted.
    static func greeting(_ words: [String]) -> String? {
        func bulk(_ text: String) -> String { "$\(text.utf8.count)\r\n\(text)\r\n" }
        return switch (words.first, words.dropFirst().first) {
        case ("INFO", "server"): bulk("redis_version:7.0.15\r\nrun_id:fake\r\n")
        case ("INFO", "memory"): bulk("maxmemory_policy:noeviction\r\n")
        case ("INFO", _): bulk("role:master\r\n")
        case ("ROLE", _): "*3\r\n\(bulk("master")):0\r\n*0\r\n"
        case ("HMGET", _): "*2\r\n$-1\r\n$-1\r\n"
        default: nil
        }
    }
}

@Suite(.timeLimit(.minutes(2))) struct RedisHostileTests {
    private func ledger(_ port: Int, link: Duration = .seconds(10), must: Duration = .seconds(10)) -> RedisLedger {
        RedisLedger(
            RedisServers(port: port), fleet: "0123456789abcdef", maxLag: .milliseconds(500), group: testLoops,
            time: .system,
            times: RedisLedger.Times(
                soon: .milliseconds(50), tell: .milliseconds(50), must: must, link: link, looks: .patient),
            clock: .server)
    }

    /// Joins and returns why it could not.
    private func reason(_ ledger: RedisLedger) async throws -> FleetError {
        switch await result({ () throws(FleetError) in try await ledger.join(FleetHello(1, .sample())) }) {
        case .success(let joined): throw NeverHappened(what: "a refusal; joined \(joined)")
        case .failure(let error): return error
        }
    }

    @Test(
        "whoever does not speak the protocol is a cut that says so",
        arguments: [
            "HTTP/1.1 400 Bad Request\r\n\r\n", "$1000000000\r\n", "*1000000000\r\n", "\u{0}\u{0}\u{0}\r\n",
            String(repeating: "x", count: 100_000), "+" + String(repeating: "x", count: 100_000),
        ])
    func garbage(text: String) async throws {
        let origin = ScriptedOrigin { connection in
            try connection.send(text)
            connection.readUntilClosed()
        }
        defer { origin.stop() }
        guard case .cut(let why) = try await reason(ledger(origin.port)) else {
            throw NeverHappened(what: "a cut")
        }
        #expect(why.contains("does not speak the Redis protocol"))
    }

    @Test(
        "silence and half lines are a cut when the time is over", arguments: ["", "+O", "$100\r\nhalf", "*6\r\n+a\r\n"])
    func silence(text: String) async throws {
        let origin = ScriptedOrigin { connection in
            if !text.isEmpty { try connection.send(text) }
            connection.readUntilClosed()
        }
        defer { origin.stop() }
        let cut = FleetError.cut("redis://127.0.0.1:\(origin.port): it does not answer in time")
        #expect(try await reason(ledger(origin.port, link: .milliseconds(300))) == cut)
    }

    @Test("nobody at the port is a cut at once, and who hangs up too")
    func nobody() async throws {
        let origin = ScriptedOrigin { _ in }
        let (hangs, port) = (ledger(origin.port), origin.port)
        let closed = try await reason(hangs)
        #expect(closed == .cut("redis://127.0.0.1:\(port): it closed the connection"))
        origin.stop()
        try await eventually("nobody listens") { origin.isClosed }
        guard case .cut(let why) = try await reason(ledger(port)) else { throw NeverHappened(what: "a cut") }
        #expect(why.contains("cannot be reached") && why.contains("fleet.engine"))
    }

    @Test(
        "refusals of a greeting, each in its words",
        arguments: [
            ("-LOADING Redis is loading the dataset in memory\r\n", RedisTrouble.loading),
            ("-NOAUTH Authentication required.\r\n", .passwordNeeded),
            ("-MOVED 1 127.0.0.1:1\r\n", .clustered("MOVED 1 127.0.0.1:1")),
            ("-MASTERDOWN Link with MASTER is down\r\n", .unsettled("MASTERDOWN Link with MASTER is down")),
            (":1\r\n", .unexpected("INFO server")), ("*0\r\n", .unexpected("INFO server")),
            ("$-1\r\n", .unexpected("INFO server")),
        ])
    func greetings(text: String, trouble: RedisTrouble) async throws {
        let server = FakeRedis { _ in text }
        defer { server.origin.stop() }
        let name = "redis://127.0.0.1:\(server.origin.port): "
        #expect(try await reason(ledger(server.origin.port)) == .cut(name + trouble.text))
    }

    @Test(
        "refusals of a script, each in its words, and answers that no script gives",
        arguments: [
            ("-OOM command not allowed when used memory > 'maxmemory'.\r\n", RedisTrouble.outOfMemory.text),
            ("-READONLY You can't write against a read only replica.\r\n", RedisTrouble.readOnly.text),
            ("-MISCONF disk\r\n", RedisTrouble.cannotSave.text), ("-BUSY script\r\n", RedisTrouble.busy.text),
            ("-NOSCRIPT no\r\n", RedisTrouble.noScript.text),
            ("-NOPERM x\r\n", RedisTrouble.notPermitted("NOPERM x").text),
            ("-ERR unknown command 'EVALSHA'\r\n", RedisTrouble.refused("ERR unknown command 'EVALSHA'").text),
            ("*1\r\n$2\r\nok\r\n", "join"), ("*2\r\n$2\r\nok\r\n$1\r\na\r\n", "join"), ("+ok\r\n", "join"),
            ("*0\r\n", "join"),
            ("*10\r\n$2\r\nok\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n*1\r\n+x\r\n*0\r\n*0\r\n", "join"),
        ])
    func scripts(text: String, words: String) async throws {
        let server = FakeRedis { FakeRedis.greeting($0) ?? text }
        defer { server.origin.stop() }
        guard case .cut(let why) = try await reason(ledger(server.origin.port)) else {
            throw NeverHappened(what: "a cut")
        }
        #expect(why.contains(words), "\(why)")
    }

    @Test("a server that stops answering its scripts costs the time for one, and no more")
    func hangs() async throws {
        let server = FakeRedis { FakeRedis.greeting($0) }
        defer { server.origin.stop() }
        let ledger = ledger(server.origin.port, must: .milliseconds(200))
        let cut = FleetError.cut("redis://127.0.0.1:\(server.origin.port): it does not answer in time")
        #expect(try await reason(ledger) == cut)
    }

    @Test("an error that repeats the password does not get into words")
    func echo() async throws {
        let server = FakeRedis { words in "-ERR you said \(words.joined(separator: " "))\r\n" }
        defer { server.origin.stop() }
        let credentials = RedisCredentials(file: Array("me:letmein".utf8))
        let ledger = RedisLedger(
            RedisServers(port: server.origin.port, credentials: credentials), fleet: "0", maxLag: .seconds(1),
            group: testLoops, time: .system, times: RedisLedger.Times(link: .seconds(10), looks: .patient),
            clock: .server)
        let why = try await reason(ledger)
        #expect(!why.text.contains("letmein") && why.text.hasSuffix(RedisTrouble.passwordRefused.text))
    }

    @Test("a Sentinel and a server of before version 5 are named")
    func unfit() async throws {
        for (info, words) in [
            ("redis_version:4.0.14\r\nrun_id:x\r\n", "Redis 5 or newer"),
            ("redis_version:7.0.15\r\nredis_mode:sentinel\r\nrun_id:x\r\n", "Sentinel"),
        ] {
            let server = FakeRedis { words in
                words.starts(with: ["INFO", "server"])
                    ? "$\(info.utf8.count)\r\n\(info)\r\n" : FakeRedis.greeting(words)
            }
            defer { server.origin.stop() }
            #expect(try await reason(ledger(server.origin.port)).text.contains(words))
        }
    }
}
