// What an answer is stored under: the bytes of everything that makes two requests ask for the same thing.

import Glibc
import HTTPTypes

/// The key of a stored answer. Equal keys mean interchangeable answers.
package struct CacheKey: Hashable, Sendable {
    private var bytes: [UInt8]
    /// Chooses the shard: the same for all pages of a list, since it is made of the path alone.
    private(set) var shardHint: UInt64 = 0
    /// Of all bytes, from when nothing is appended any more; 0 before.
    private var digest = 0

    /// - Parameters:
    ///   - partition: whose answers these are, without line feeds; never the token itself.
    ///   - estimatedBytes: room to reserve for what will be appended.
    package init(partition: String, estimatedBytes: Int) {
        bytes = []
        bytes.reserveCapacity(partition.utf8.count + estimatedBytes + 1)
        bytes += partition.utf8
        bytes.append(Self.separator)
    }

    /// Appends the target in canonical spelling, which has no line feed. `transform` may change what was appended.
    package mutating func appendTarget(_ append: (inout [UInt8]) -> Void) {
        digest = 0
        let start = bytes.count
        append(&bytes)
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for index in start..<bytes.count {
            if bytes[index] == UInt8(ascii: "?") { break }
            hash = (hash ^ UInt64(bytes[index])) &* 0x100_0000_01b3
        }
        shardHint = hash ^ (hash >> 32)
        bytes.append(Self.separator)
    }

    /// Appends text without line feeds.
    package mutating func append(_ text: String) {
        digest = 0
        bytes += text.utf8
        bytes.append(Self.separator)
    }

    /// Appends every value of a request field; absent and empty are two things.
    package mutating func append(_ name: HTTPField.Name, of fields: HTTPFields) {
        digest = 0
        if fields.contains(name) {
            for field in fields[fields: name] {
                field.withUnsafeBytesOfValue { bytes.append(contentsOf: $0) }
                bytes.append(Self.valueEnd)
            }
        }
        bytes.append(Self.separator)
    }

    /// The key of one variant among those that `Vary` tells apart. The shard stays the same.
    package func variant(_ secondary: String) -> CacheKey {
        var key = self
        key.bytes += secondary.utf8
        key.digest = 0
        return key
    }

    /// Takes the hash of all bytes for good: a key that is remembered is looked up more often than it is made.
    package mutating func seal() { digest = Self.digest(of: bytes) }

    /// Tells keys apart for people, until the process ends; says nothing of what is in it.
    package var id: String {
        let bits = UInt64(bitPattern: Int64(digest == 0 ? Self.digest(of: bytes) : digest))
        return String(bits, radix: 16)
    }

    /// Of what was appended first, the target, alone: the same for whoever asks, and in every process (FNV-1a).
    package var targetHash: UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        let target = bytes.drop { $0 != Self.separator }.dropFirst().prefix { $0 != Self.separator }
        for byte in target { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }

    /// What was appended, in that order, the partition first.
    package var parts: [Substring] {
        Array(
            String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).dropLast())
    }

    private static func digest(of bytes: [UInt8]) -> Int {
        var hasher = Hasher()
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
        return hasher.finalize()
    }

    /// Bytes it holds.
    var byteCount: Int { bytes.capacity }

    /// Whether both ask for the same thing.
    package static func == (left: CacheKey, right: CacheKey) -> Bool {
        guard left.bytes.count == right.bytes.count else { return false }
        // The library compares arrays byte by byte.
        return left.bytes.withUnsafeBytes { left in
            right.bytes.withUnsafeBytes { right in
                guard let first = left.baseAddress, let second = right.baseAddress else { return true }
                return memcmp(first, second, left.count) == 0
            }
        }
    }

    /// By all bytes, not by the path alone.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(digest == 0 ? Self.digest(of: bytes) : digest)
    }

    /// No field value and no target holds a line feed.
    private static let separator = UInt8(ascii: "\n")
    /// No field value holds a zero byte.
    private static let valueEnd: UInt8 = 0
}
