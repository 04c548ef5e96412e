// What a Redis server answers, as values (RESP2: redis.io, "Redis serialization protocol specification").

/// One reply.
package enum RESPValue: Sendable, Equatable {
    /// A short text, such as `OK`.
    case simple(String)
    /// A refusal: a word in capitals, then words for people.
    case error(String)
    /// A number.
    case integer(Int64)
    /// Bytes of any kind.
    case bulk([UInt8])
    /// What is not there.
    case null
    /// Several replies in order.
    case array([RESPValue])

    /// The text of a simple or bulk reply; what is no UTF-8 in it is replaced. Nil for anything else.
    package var text: String? {
        switch self {
        case .simple(let text): text
        case .bulk(let bytes): String(decoding: bytes, as: UTF8.self)
        default: nil
        }
    }

    /// The bytes of a bulk reply; nil for anything else.
    package var bytes: [UInt8]? { if case .bulk(let bytes) = self { bytes } else { nil } }

    /// A number, also one that came as text, as the values of hashes do. Nil for anything else.
    package var number: Int64? {
        switch self {
        case .integer(let number): number
        case .simple(let text): Int64(text)
        case .bulk(let bytes): bytes.count <= 20 ? Int64(String(decoding: bytes, as: UTF8.self)) : nil
        default: nil
        }
    }

    /// The replies of an array; nil for anything else.
    package var items: [RESPValue]? { if case .array(let items) = self { items } else { nil } }
}
