// The id by which a request is found in our log, in Bentley's support desk and in the audit log.

import Edge
import Ground
import HTTPTypes

enum CorrelationID {
    /// The tool's own id if it is 1–128 of `[A-Za-z0-9._-]` and no key, else a new random UUID (version 4).
    ///
    /// - Parameter fields: of its request: what came as a key or token there is no id.
    static func choose(_ offered: String?, _ environment: Environment, not fields: HTTPFields = [:]) -> String {
        if let offered, OfferedID.isAcceptable(offered), !KeyForm.isIn(offered), !isCredential(offered, fields) {
            return offered
        }
        let (high, low) = environment.randomBits()
        return uuid(high, low)
    }

    private static func isCredential(_ id: String, _ fields: HTTPFields) -> Bool {
        [HTTPField.Name.apiKey, .authorization].contains { name in
            fields[values: name].contains {
                $0.utf8.count >= id.utf8.count && $0.split(separator: " ").contains(id[...])
            }
        }
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
