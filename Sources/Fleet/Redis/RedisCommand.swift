// A command as it goes over the wire: an array of bulks.

import NIOCore

/// A command with its arguments.
struct RedisCommand: Sendable, Equatable {
    private(set) var parts: [[UInt8]]

    init(_ parts: String...) { self.parts = parts.map { Array($0.utf8) } }

    mutating func append(_ text: String) { parts.append(Array(text.utf8)) }

    mutating func append(_ number: Int64) { append(String(number)) }

    mutating func append(_ bytes: [UInt8]) { parts.append(bytes) }

    /// With one more argument.
    func with(_ text: String) -> RedisCommand {
        var command = self
        command.append(text)
        return command
    }

    func write(to buffer: inout ByteBuffer) {
        buffer.writeString("*\(parts.count)\r\n")
        for part in parts {
            buffer.writeString("$\(part.count)\r\n")
            buffer.writeBytes(part)
            buffer.writeString("\r\n")
        }
    }
}
