// A script that the server runs as one step, nobody in between. Known there by its SHA-1; who does not know it gets the text.

import Crypto
import Ground

/// One script. Works from Redis 5 on: no functions, no commands or flags that are newer.
struct RedisScript: Sendable {
    /// Where `now` comes from.
    enum Clock: Sendable {
        /// The server's clock, the only one that counts.
        case server
        /// The last argument, in milliseconds: so that tests can compare hours of a trace.
        case told
    }

    let text: String
    let digest: String

    /// - Parameter body: Lua, behind `RedisScript.prelude` and with what that declares.
    init(_ body: String, clock: Clock = .server) {
        let now =
            switch clock {
            case .server:
                """
                if redis.replicate_commands then redis.replicate_commands() end
                local clock = redis.call('TIME')
                local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

                """
            case .told: "local now = tonumber(ARGV[#ARGV])\n"
            }
        text = now + Self.prelude + body
        digest = Hex.text(Array(Insecure.SHA1.hash(data: Array(text.utf8))))
    }

    /// The commands that run it: by its digest, and with its text.
    func command(byDigest: Bool, keys: [String], arguments: [RedisArgument]) -> RedisCommand {
        var command = byDigest ? RedisCommand("EVALSHA", digest) : RedisCommand("EVAL", text)
        command.append(Int64(keys.count))
        for key in keys { command.append(key) }
        for argument in arguments {
            switch argument {
            case .text(let text): command.append(text)
            case .number(let number): command.append(Int64(number))
            case .bytes(let bytes): command.append(bytes)
            }
        }
        return command
    }
}

/// An argument of a script.
enum RedisArgument: Sendable, ExpressibleByStringLiteral {
    case text(String)
    case number(Int)
    case bytes([UInt8])

    init(stringLiteral value: String) { self = .text(value) }
}

extension RedisConnection {
    /// Runs a script. One that the server does not know is sent again with its text; nothing else is ever sent twice.
    func run(
        _ script: RedisScript, keys: [String], _ arguments: [RedisArgument], within time: Duration
    ) async throws(RedisTrouble) -> RESPValue {
        do throws(RedisTrouble) {
            return try await call(script.command(byDigest: true, keys: keys, arguments: arguments), within: time)
        } catch .noScript {
            return try await call(script.command(byDigest: false, keys: keys, arguments: arguments), within: time)
        }
    }
}
