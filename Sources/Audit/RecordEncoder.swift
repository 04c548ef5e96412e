// A record as a line. The order of members is part of the format, and `prev` and `hash` stand last, at fixed distance
// from the end, so that a verifier needs no JSON parser.

import Crypto
import Ground

/// The newest record of a chain.
public struct AuditHead: Sendable, Hashable, CustomStringConvertible {
    /// Its number, which is also how many records the log has; 0 for an empty log.
    public let seq: UInt64
    /// Its hash: SHA-256 in 64 lower-case hex digits; all zeros for an empty log.
    public let hash: String

    /// Makes a head.
    public init(seq: UInt64, hash: String) {
        self.seq = seq
        self.hash = hash
    }

    /// What the first record is chained to.
    public static let empty = AuditHead(seq: 0, hash: String(repeating: "0", count: 64))

    /// Number and hash.
    public var description: String { "\(seq) \(hash)" }
}

enum RecordEncoder {
    /// Appends the record that follows `head`, with its line end, and returns the new head.
    static func append(_ draft: RecordDraft, after head: AuditHead, time: AuditTime, to out: inout [UInt8]) -> AuditHead
    {
        let start = out.count
        let seq = head.seq + 1
        out.append(#"{"seq":"#)
        out.append(decimal: seq)
        out.append(#","time":""#)
        time.append(to: &out)
        out.append(#"","event":""#)
        out += draft.event.rawValue.utf8
        out.append(0x22)
        out += draft.call.id
        if let intent = draft.intent {
            out.append(#","intent":"#)
            out.append(decimal: intent)
        }
        out += draft.call.members
        out += draft.tail
        out.append(#","prev":""#)
        out += head.hash.utf8
        out.append(0x22)
        let hash = RecordHash.hex(of: out.span.extracting(start..<out.count))
        out.append(#","hash":""#)
        out += hash
        out.append(#""}"#)
        out.append(0x0A)
        return AuditHead(seq: seq, hash: String(decoding: hash, as: UTF8.self))
    }
}

enum RecordHash {
    static func hex(of bytes: Span<UInt8>) -> [UInt8] {
        unsafe bytes.withUnsafeBytes { buffer in
            var hash = SHA256()
            unsafe hash.update(bufferPointer: buffer)
            var hex: [UInt8] = []
            hex.reserveCapacity(64)
            for byte in hash.finalize() { Hex.append(byte, to: &hex) }
            return hex
        }
    }
}
