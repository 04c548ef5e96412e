// The id by which a request is found in our log, in Bentley's support desk and in the audit log.

import Edge
import Ground

enum CorrelationID {
    /// The tool's own id if it is 1–128 of `[A-Za-z0-9._-]`, else a new random UUID (version 4).
    static func choose(_ offered: String?, _ environment: Environment) -> String {
        if let offered, OfferedID.isAcceptable(offered) { return offered }
        let (high, low) = environment.randomBits()
        return uuid(high, low)
    }

    /// RFC 9562 version 4 layout of 122 random bits.
    private static func uuid(_ high: UInt64, _ low: UInt64) -> String {
        let high = (high & ~0xF000) | 0x4000
        let low = (low & ~(0b11 << 62)) | (0b10 << 62)
        return String(unsafeUninitializedCapacity: 36) { buffer in
            let room = UnsafeMutableRawBufferPointer(buffer)
            let (front, second) = (
                Hex.digits(of: UInt32(truncatingIfNeeded: high >> 32)), Hex.digits(of: UInt32(truncatingIfNeeded: high))
            )
            let (third, back) = (
                Hex.digits(of: UInt32(truncatingIfNeeded: low >> 32)), Hex.digits(of: UInt32(truncatingIfNeeded: low))
            )
            func put<Word: FixedWidthInteger>(_ word: Word, _ offset: Int) {
                room.storeBytes(of: word.bigEndian, toByteOffset: offset, as: Word.self)
            }
            put(front, 0)
            put(UInt32(truncatingIfNeeded: second >> 32), 9)
            put(UInt32(truncatingIfNeeded: second), 14)
            put(UInt32(truncatingIfNeeded: third >> 32), 19)
            put(UInt32(truncatingIfNeeded: third), 24)
            put(back, 28)
            (room[8], room[13], room[18], room[23]) = (dash, dash, dash, dash)
            return 36
        }
    }

    private static let dash = UInt8(ascii: "-")
}
