// The two ids of W3C Trace Context, as numbers and as text, and where new ones come from.

import Ground
import Synchronization

/// Names one trace; never all zero.
struct TraceID: Sendable, Hashable {
    let high: UInt64
    let low: UInt64

    /// 32 lower-case hexadecimal digits.
    var text: String {
        String(unsafeUninitializedCapacity: 32) { buffer in
            HexWord.write(high, to: buffer, at: 0)
            HexWord.write(low, to: buffer, at: 16)
            return 32
        }
    }
}

/// Names one span within its trace; never zero.
struct SpanID: Sendable, Hashable {
    let bits: UInt64

    /// 16 lower-case hexadecimal digits.
    var text: String {
        String(unsafeUninitializedCapacity: 16) { buffer in
            HexWord.write(bits, to: buffer, at: 0)
            return 16
        }
    }
}

/// A span of another request that has to do with this one.
struct SpanLink: Sendable, Hashable {
    let trace: TraceID
    let span: SpanID
}

/// Makes ids that no other process makes either, as far as 128 random bits can say so. Every request needs several, so they
/// cost an addition and a few shifts each: a counter that goes through all 64-bit numbers in an order nobody guesses by chance
/// (SplitMix64), begun at a place that the kernel has chosen. Usable from every thread.
final class TraceIDs: Sendable {
    private let counter: Atomic<UInt64>
    private let process: UInt64

    /// - Parameter seed: 16 random bytes.
    init(seed: (UInt64, UInt64)) {
        counter = Atomic(seed.0)
        process = seed.1
    }

    func nextSpan() -> SpanID { SpanID(bits: next()) }

    func nextTrace() -> TraceID { TraceID(high: next() ^ process, low: next()) }

    /// Not zero, which stands for no id.
    private func next() -> UInt64 {
        var mixed = counter.wrappingAdd(0x9E37_79B9_7F4A_7C15, ordering: .relaxed).newValue
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        mixed ^= mixed >> 31
        return mixed == 0 ? 1 : mixed
    }
}

/// 64 bits as hexadecimal digits.
enum HexWord {
    /// Writes 16 lower-case digits.
    static func write(_ word: UInt64, to buffer: UnsafeMutableBufferPointer<UInt8>, at offset: Int) {
        let room = UnsafeMutableRawBufferPointer(buffer)
        let (front, back) = (Hex.digits(of: UInt32(word >> 32)), Hex.digits(of: UInt32(truncatingIfNeeded: word)))
        room.storeBytes(of: front.bigEndian, toByteOffset: offset, as: UInt64.self)
        room.storeBytes(of: back.bigEndian, toByteOffset: offset + 8, as: UInt64.self)
    }

    /// What `count` lower-case digits from `start` stand for; nil for anything else, upper case included.
    static func read(_ bytes: Span<UInt8>, at start: Int, count: Int) -> UInt64? {
        var word: UInt64 = 0
        for index in start..<start + count {
            let byte = bytes[index]
            guard let digit = ASCII.hexValue(byte), ASCII.folded(byte) == byte else { return nil }
            word = word << 4 | UInt64(digit)
        }
        return word
    }
}
