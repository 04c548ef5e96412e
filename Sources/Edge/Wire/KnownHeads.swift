// Request heads that were seen a moment ago, by their bytes: dashboards and scripts send the same head again and again,
// and to read it, to check it and to find out what it asks for takes longer than to compare it.
//
// What stays true:
//  1. A head is known only by all of its bytes, but for the value of its correlation id, whose place and form `RawHead`
//     tells; so the value that is kept may depend on nothing else: on no peer, no listener, no configuration, no time.
//  2. At most `maxEntries` heads and `maxBytes` of their bytes are held.
//  3. Where a head is kept follows from a hash with a seed of this process: nobody outside can choose who pushes out whom.

import Glibc

/// Values by the bytes of heads. Confined to one event loop.
final class KnownHeads<Value> {
    private struct Entry {
        let hash: UInt64
        /// The head without the value of its correlation id, which stood at `cut`.
        let bytes: [UInt8]
        let cut: Int
        let value: Value
    }

    private var table: [Entry?]
    private var heldBytes = 0
    private let seed: UInt64
    private let maxBytes: Int

    /// - Parameters:
    ///   - maxEntries: a power of two.
    ///   - maxBytes: of all heads together.
    init(maxEntries: Int = 512, maxBytes: Int = 256 << 10, seed: UInt64 = .random(in: .min ... .max)) {
        precondition(maxEntries > 1 && maxEntries & (maxEntries - 1) == 0)
        table = Array(repeating: nil, count: maxEntries)
        self.maxBytes = maxBytes
        self.seed = seed
    }

    /// What is kept for the head that `bytes` begin with, cut as `raw` says.
    func find(_ bytes: UnsafeRawBufferPointer, _ raw: RawHead) -> Value? {
        let hash = hash(bytes, raw)
        let first = Int(truncatingIfNeeded: hash) & (table.count - 1)
        if let entry = table[first], entry.hash == hash, Self.isSame(entry, bytes, raw) { return entry.value }
        if let entry = table[first ^ 1], entry.hash == hash, Self.isSame(entry, bytes, raw) { return entry.value }
        return nil
    }

    /// Keeps a value for a head; of the heads that share a place the two newest stay.
    func remember(_ value: Value, for bytes: UnsafeRawBufferPointer, _ raw: RawHead) {
        let hash = hash(bytes, raw)
        let size = raw.length - raw.id.count
        guard size <= maxBytes else { return }
        if heldBytes + size > maxBytes { removeAll() }
        let first = Int(truncatingIfNeeded: hash) & (table.count - 1)
        if let old = table[first], old.hash != hash || !Self.isSame(old, bytes, raw) {
            drop(first ^ 1)
            table.swapAt(first, first ^ 1)
        } else {
            drop(first)
        }
        var kept: [UInt8] = []
        kept.reserveCapacity(size)
        kept += bytes[..<raw.id.lowerBound]
        kept += bytes[raw.id.upperBound..<raw.length]
        table[first] = Entry(hash: hash, bytes: kept, cut: raw.id.lowerBound, value: value)
        heldBytes += size
    }

    /// Bytes of heads that are held.
    var byteCount: Int { heldBytes }

    private func drop(_ index: Int) {
        heldBytes -= table[index]?.bytes.count ?? 0
        table[index] = nil
    }

    private func removeAll() {
        for index in table.indices { table[index] = nil }
        heldBytes = 0
    }

    private static func isSame(_ entry: Entry, _ bytes: UnsafeRawBufferPointer, _ raw: RawHead) -> Bool {
        let rest = raw.length - raw.id.upperBound
        guard entry.cut == raw.id.lowerBound, entry.bytes.count == entry.cut + rest, let base = bytes.baseAddress else {
            return false
        }
        return entry.bytes.withUnsafeBytes { known in
            guard let start = known.baseAddress else { return false }
            return memcmp(start, base, entry.cut) == 0
                && memcmp(start + entry.cut, base + raw.id.upperBound, rest) == 0
        }
    }

    private func hash(_ bytes: UnsafeRawBufferPointer, _ raw: RawHead) -> UInt64 {
        var hash = WordHash(seed: seed)
        hash.combine(UnsafeRawBufferPointer(rebasing: bytes[..<raw.id.lowerBound]))
        hash.combine(UnsafeRawBufferPointer(rebasing: bytes[raw.id.upperBound..<raw.length]))
        return hash.value
    }
}

/// A hash of eight bytes at a time by multiplication and folding (as wyhash does), for tables that outsiders can fill but
/// not look at. Comparing is never left to it.
struct WordHash {
    private(set) var value: UInt64

    init(seed: UInt64) { value = seed ^ 0xa076_1d64_78bd_642f }

    /// Its length is a part of what is hashed, so that the same bytes cut elsewhere are something else.
    mutating func combine(_ bytes: UnsafeRawBufferPointer) {
        var index = 0
        while index + 8 <= bytes.count {
            mix(bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            index += 8
        }
        var rest: UInt64 = 0
        while index < bytes.count {
            rest = rest << 8 | UInt64(bytes[index])
            index += 1
        }
        mix(rest)
        mix(UInt64(bytes.count))
    }

    private mutating func mix(_ word: UInt64) {
        let product = (value ^ word).multipliedFullWidth(by: 0xe703_7ed1_a0b4_28db)
        value = product.high ^ product.low &+ word
    }
}
