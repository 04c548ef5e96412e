// Replies meet their commands, in time or not at all: on an embedded channel, whose clock the test moves.

import NIOCore
import NIOEmbedded
import Testing

@testable import Fleet

@Suite struct RedisHandlerTests {
    /// What happened, on the one thread of a test.
    private final class Log {
        var answers: [String: RedisHandler.Answer] = [:]
        var ended: [RedisTrouble] = []
    }

    private func channel(_ log: Log) throws -> (EmbeddedChannel, RedisHandler) {
        let handler = RedisHandler { log.ended.append($0) }
        let channel = EmbeddedChannel(handler: handler)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        return (channel, handler)
    }

    private func send(
        _ names: [String], _ handler: RedisHandler, _ log: Log, within time: TimeAmount = .milliseconds(50)
    ) {
        for name in names { handler.send(RedisCommand("ECHO", name), within: time) { log.answers[name] = $0 } }
    }

    private func receive(_ text: String, _ channel: EmbeddedChannel) throws {
        try channel.writeInbound(ByteBuffer(string: text))
    }

    @Test("each reply goes to its command, in order, in whatever pieces")
    func order() throws {
        let log = Log()
        let (channel, handler) = try channel(log)
        send(["a", "b", "c"], handler, log)
        try receive("+on", channel)
        #expect(log.answers.isEmpty)
        try receive("e\r\n-ERR two\r\n:3", channel)
        #expect(log.answers["a"] == .success(.simple("one")))
        #expect(log.answers["b"] == .failure(.refused("ERR two")))
        #expect(log.answers["c"] == nil)
        try receive("\r\n", channel)
        #expect(log.answers["c"] == .success(.integer(3)))
        #expect(log.ended.isEmpty)
    }

    @Test("a late reply is dropped, and does not go to another command")
    func late() throws {
        let log = Log()
        let (channel, handler) = try channel(log)
        send(["a"], handler, log)
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(49))
        #expect(log.answers["a"] == nil)
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(log.answers["a"] == .failure(.silent))
        send(["b"], handler, log)
        try receive("+a\r\n+b\r\n", channel)
        #expect(log.answers["a"] == .failure(.silent))
        #expect(log.answers["b"] == .success(.simple("b")))
    }

    @Test("a connection that owes a reply for a second is left")
    func silence() throws {
        let log = Log()
        let (channel, handler) = try channel(log)
        send(["a"], handler, log)
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(1_049))
        #expect(log.ended.isEmpty)
        send(["b"], handler, log)
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(log.ended == [.silent])
        #expect(log.answers["b"] == .failure(.silent))
        send(["c"], handler, log)
        #expect(log.answers["c"] == .failure(.silent))
        #expect(!channel.isActive)
    }

    @Test(
        "garbage, a reply too much, a refusal and the end are told to all who wait, once",
        arguments: [
            ("HTTP/1.1 400\r\n", "a"), ("+a\r\n+b\r\n+c\r\n+d\r\n", "d"), ("$1000000000\r\n", "a"),
        ])
    func ends(text: String, first: String) throws {
        let log = Log()
        let (channel, handler) = try channel(log)
        send(["a", "b", "c"], handler, log)
        try receive(text, channel)
        #expect(log.ended.count == 1)
        guard case .garbage = log.ended.first else { throw RedisTrouble.unexpected("\(log.ended)") }
        #expect(log.answers.count == 3)
        if first == "a" { #expect(log.answers.values.allSatisfy { $0 == .failure(log.ended[0]) }) }
    }

    @Test("what a server says before it closes is the reason")
    func farewell() throws {
        let log = Log()
        let (channel, _) = try channel(log)
        try receive("-DENIED Redis is running in protected mode\r\n", channel)
        #expect(log.ended == [.refused("DENIED Redis is running in protected mode")])
    }

    @Test("no more commands wait than the bound")
    func crowd() throws {
        let log = Log()
        let (channel, handler) = try channel(log)
        for number in 0..<ReplyQueue<Int>.limit { send(["\(number)"], handler, log) }
        #expect(log.answers.isEmpty)
        send(["more"], handler, log)
        #expect(log.answers["more"] == .failure(.crowded))
        _ = channel
    }
}
