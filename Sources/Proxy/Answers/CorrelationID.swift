// The id by which a request is found in our log, in Bentley's support desk and in the audit log.

import Ground

enum CorrelationID {
    /// The tool's own id if it is 1–128 of `[A-Za-z0-9._-]`, else a new random UUID (version 4).
    static func choose(_ offered: String?, _ environment: Environment) -> String {
        if let offered, isAcceptable(offered) { return offered }
        let (high, low) = environment.randomBits()
        return uuid(high, low)
    }

    static func isAcceptable(_ id: String) -> Bool {
        let bytes = id.utf8
        guard (1...128).contains(bytes.count) else { return false }
        return bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
    }

    /// RFC 9562 version 4 layout of 122 random bits.
    private static func uuid(_ high: UInt64, _ low: UInt64) -> String {
        let high = (high & ~0xF000) | 0x4000
        let low = (low & ~(0b11 << 62)) | (0b10 << 62)
        return String(unsafeUninitializedCapacity: 36) { buffer in
            var position = 0
            for digit in 0..<32 {
                if digit == 8 || digit == 12 || digit == 16 || digit == 20 {
                    buffer[position] = UInt8(ascii: "-")
                    position += 1
                }
                let word = digit < 16 ? high : low
                let nibble = UInt8((word >> UInt64((15 - digit % 16) * 4)) & 0xF)
                buffer[position] = Hex.digit(nibble)
                position += 1
            }
            return 36
        }
    }
}
