// Replies out of bytes: whole, in halves, too large, and not of this protocol.

import NIOCore
import TestSupport
import Testing

@testable import Fleet

@Suite struct RedisCodecTests {
    private static func encode(_ value: RESPValue) -> String {
        switch value {
        case .simple(let text): "+\(text)\r\n"
        case .error(let text): "-\(text)\r\n"
        case .integer(let number): ":\(number)\r\n"
        case .bulk(let bytes): "$\(bytes.count)\r\n\(String(decoding: bytes, as: UTF8.self))\r\n"
        case .null: "$-1\r\n"
        case .array(let items): "*\(items.count)\r\n" + items.map(encode).joined()
        }
    }

    private static func random(_ depth: Int, _ random: inout SeededGenerator) -> RESPValue {
        switch Int.random(in: 0..<(depth > 0 ? 7 : 5), using: &random) {
        case 0: .simple(["OK", "", "PONG"].randomElement(using: &random) ?? "")
        case 1: .error("ERR \(UInt64.random(in: 0...9, using: &random))")
        case 2: .integer(Int64.random(in: .min ... .max, using: &random))
        case 3:
            .bulk(
                (0..<Int.random(in: 0...40, using: &random)).map { _ in
                    [0x0D, 0x0A, 0x24, 0x61, 0x2A].randomElement(using: &random) ?? 0
                })
        case 4: .null
        default: .array((0..<Int.random(in: 0...5, using: &random)).map { _ in Self.random(depth - 1, &random) })
        }
    }

    private static func parse(_ text: String, limits: RESPParser.Limits = .init()) throws -> [RESPValue] {
        var parser = RESPParser(limits: limits)
        parser.feed(ByteBuffer(string: text))
        var values: [RESPValue] = []
        while let value = try parser.next() { values.append(value) }
        return values
    }

    @Test(
        "whatever a server may say is read the same in one piece and in any pieces",
        arguments: 1...20 as ClosedRange<UInt64>)
    func pieces(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<50 {
            let values = (0..<Int.random(in: 1...6, using: &random)).map { _ in Self.random(3, &random) }
            let bytes = Array(values.map(Self.encode).joined().utf8)
            var parser = RESPParser()
            var read: [RESPValue] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...9, using: &random))
                rest = rest.dropFirst(piece.count)
                parser.feed(ByteBuffer(bytes: piece))
                while let value = try parser.next() { read.append(value) }
            }
            #expect(read == values)
            #expect(!parser.isInReply && parser.heldBytes == 0)
        }
    }

    @Test(
        "changed bytes are read as something or refused, and never hold more than they are",
        arguments: 1...20 as ClosedRange<UInt64>)
    func garbage(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var refused = 0
        for _ in 0..<200 {
            var bytes = Array(Self.encode(Self.random(3, &random)).utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
                }
            }
            var parser = RESPParser()
            parser.feed(ByteBuffer(bytes: bytes))
            do throws(RESPGarbage) {
                while try parser.next() != nil {}
            } catch {
                refused += 1
            }
            #expect(parser.heldBytes <= bytes.count)
        }
        #expect(refused > 20)
    }

    @Test(
        "what is not the protocol is refused, and said so",
        arguments: [
            "HTTP/1.1 400 Bad Request\r\n", "\r\n", "+OK\n", "+O\rK\r\n", ":12a\r\n", ":\r\n", "$-2\r\n",
            "$3\r\nabcd\r\n",
            "*-2\r\n", "%1\r\n+a\r\n+b\r\n", "$1000000000\r\n", "*1000000000\r\n", "$99999999999999999999\r\n",
            String(repeating: "*1\r\n", count: 9), "+" + String(repeating: "a", count: 20_000),
            ":" + String(repeating: "1", count: 20_000) + "\r\n",
        ])
    func refused(text: String) {
        #expect(throws: RESPGarbage.self) { try Self.parse(text) }
    }

    @Test("half of anything is waited for")
    func halves() throws {
        for text in ["+O", "+OK\r", "$3\r\nab", "$3\r\nabc\r", "*2\r\n+a\r\n", "*2\r\n*1\r\n", "$1000\r\n", ""] {
            var parser = RESPParser()
            parser.feed(ByteBuffer(string: text))
            #expect(try parser.next() == nil, "\(text)")
            #expect(parser.isInReply == !text.isEmpty)
        }
    }

    @Test("a reply is held to all its limits together")
    func limits() throws {
        var limits = RESPParser.Limits()
        (limits.values, limits.reply) = (5, 40)
        #expect(try Self.parse("*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n", limits: limits).count == 2)
        #expect(throws: RESPGarbage.self) { try Self.parse("*2\r\n:1\r\n*3\r\n:1\r\n:2\r\n:3\r\n", limits: limits) }
        let bulk = "$10\r\n0123456789\r\n"
        #expect(try Self.parse(bulk + bulk + bulk, limits: limits).count == 3)
        #expect(throws: RESPGarbage.self) { try Self.parse("*3\r\n" + bulk + bulk + bulk, limits: limits) }
    }

    @Test("commands are arrays of bulks, of any bytes")
    func commands() {
        var command = RedisCommand("SET", "a key")
        command.append([0x0D, 0x0A, 0xFF])
        command.append(Int64(-7))
        var buffer = ByteBuffer()
        command.write(to: &buffer)
        let bytes =
            Array("*4\r\n$3\r\nSET\r\n$5\r\na key\r\n$3\r\n".utf8) + [0x0D, 0x0A, 0xFF] + Array("\r\n$2\r\n-7\r\n".utf8)
        #expect(Array(buffer.readableBytesView) == bytes)
    }

    @Test("every refusal has its own kind, also from within a script of any version")
    func refusals() {
        let kinds: [(String, RedisTrouble)] = [
            ("NOAUTH Authentication required.", .passwordNeeded),
            ("WRONGPASS invalid username-password pair or user is disabled.", .passwordRefused),
            ("ERR invalid password", .passwordRefused),
            ("ERR AUTH <password> called without any password configured for the default user.", .passwordRefused),
            ("READONLY You can't write against a read only replica.", .readOnly),
            (
                "ERR Error running script (call to f_1): @user_script:7: @user_script: 7: -READONLY You can't write",
                .readOnly
            ),
            (
                "ERR Error running script (call to f_3b5e8f74c1802c54ea624c5ebcea63096e92c0cf): @user_script:203: "
                    + "@user_script: 203: -READONLY You can't write against a read only replica. ", .readOnly
            ),
            ("LOADING Redis is loading the dataset in memory", .loading),
            ("OOM command not allowed when used memory > 'maxmemory'.", .outOfMemory),
            ("ERR Error running script: @user_script:1: OOM command not allowed", .outOfMemory),
            ("MISCONF Redis is configured to save RDB snapshots", .cannotSave),
            ("BUSY Redis is busy running a script.", .busy),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", .wrongType),
            ("ERR Error running script (call to f_2): @user_script:3: WRONGTYPE Operation against a key", .wrongType),
            ("NOSCRIPT No matching script. Please use EVAL.", .noScript),
            ("MOVED 3999 127.0.0.1:6381", .clustered("MOVED 3999 127.0.0.1:6381")),
            ("CLUSTERDOWN The cluster is down", .clustered("CLUSTERDOWN The cluster is down")),
            ("NOPERM this user has no permissions", .notPermitted("NOPERM this user has no permissions")),
            ("TRYAGAIN Multiple keys", .unsettled("TRYAGAIN Multiple keys")),
            ("ERR unknown command\u{1B}[2J", .refused("ERR unknown command?[2J")),
        ]
        for (reply, trouble) in kinds {
            #expect(RedisTrouble(reply: reply) == trouble)
            #expect(!trouble.text.isEmpty && !trouble.text.hasSuffix("."))
        }
    }

    @Test("user and password are what stands in the file, but for one line end")
    func credentials() {
        func command(_ text: String) -> RedisCommand? { RedisCredentials(file: Array(text.utf8))?.command }
        #expect(command("secret\n") == RedisCommand("AUTH", "secret"))
        #expect(command("secret\r\n") == RedisCommand("AUTH", "secret"))
        #expect(command("secret\n\n") == RedisCommand("AUTH", "secret\n"))
        #expect(command("me:se:cret") == RedisCommand("AUTH", "me", "se:cret"))
        #expect(command(":se:cret\n") == RedisCommand("AUTH", "se:cret"))
        #expect(command("me:") == nil)
        #expect(command("\n") == nil)
        #expect(RedisCredentials(file: [0xFF, 0xFE]) == nil)
        let credentials = RedisCredentials(file: Array("me:secret".utf8))
        #expect(!"\(String(describing: credentials)) \(String(reflecting: credentials))".contains("secret"))
    }
}
