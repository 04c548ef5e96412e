// Coded bodies for tests, made by hand, so that their bytes are known.

/// gzip of one member whose blocks are stored as they are (RFC 1951, RFC 1952).
public func gzip(_ text: String) -> [UInt8] { gzip(Array(text.utf8)) }

/// The same for bytes.
public func gzip(_ bytes: [UInt8]) -> [UInt8] {
    var out: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF]
    for start in stride(from: 0, to: bytes.count, by: 60_000) {
        let block = bytes[start..<min(start + 60_000, bytes.count)]
        let count = UInt16(block.count)
        out.append(start + block.count == bytes.count ? 1 : 0)
        for number in [count, ~count] { out += [UInt8(number & 0xFF), UInt8(number >> 8)] }
        out += block
    }
    if bytes.isEmpty { out += [1, 0, 0, 0xFF, 0xFF] }
    var sum: UInt32 = ~0
    for byte in bytes {
        sum ^= UInt32(byte)
        for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
    }
    for number in [~sum, UInt32(bytes.count)] {
        for shift in [0, 8, 16, 24] { out.append(UInt8(number >> UInt32(shift) & 0xFF)) }
    }
    return out
}

/// Bare deflate that grows by more than a hundred (RFC 1951): one letter, and then the same 258 of them `count` times.
public func deflateBomb(_ count: Int) -> [UInt8] {
    var out: [UInt8] = []
    var (byte, used) = (UInt8(0), UInt8(0))
    func add(_ bits: [UInt8]) {
        for bit in bits {
            byte |= bit << used
            used += 1
            if used == 8 {
                out.append(byte)
                (byte, used) = (0, 0)
            }
        }
    }
    // The last block, of fixed codes; "a"; then length 258 at distance 1; the end of the block.
    add([1, 1, 0] + [1, 0, 0, 1, 0, 0, 0, 1])
    for _ in 0..<count { add([1, 1, 0, 0, 0, 1, 0, 1] + [0, 0, 0, 0, 0]) }
    add([0, 0, 0, 0, 0, 0, 0])
    if used > 0 { out.append(byte) }
    return out
}
