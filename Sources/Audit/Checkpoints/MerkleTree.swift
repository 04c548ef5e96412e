// The Merkle tree of RFC 6962 section 2.1 as a compact range: the roots of its full subtrees and nothing below them, so that
// a log of any length costs 2 KiB at most, and a record two hashes on average.

import Crypto

/// A tree that only grows.
package struct MerkleTree: Sendable, Equatable {
    /// How many leaves it has.
    package private(set) var size: UInt64 = 0
    /// Roots of its full subtrees, the largest first: one for each bit that is set in `size`.
    package private(set) var peaks: [[UInt8]] = []

    /// A tree without leaves.
    package init() {}

    /// The tree that these subtrees make up; nil where their number is not that of the size's set bits, or one is no hash.
    package init?(size: UInt64, peaks: [[UInt8]]) {
        guard peaks.count == size.nonzeroBitCount, peaks.allSatisfy({ $0.count == SHA256.byteCount }) else {
            return nil
        }
        (self.size, self.peaks) = (size, peaks)
    }

    /// Adds a leaf.
    package mutating func append(_ leaf: Span<UInt8>) {
        var hash = Self.hash(leaf: leaf)
        var rest = size
        while rest & 1 == 1, let left = peaks.popLast() {
            hash = Self.hash(left, hash)
            rest >>= 1
        }
        peaks.append(hash)
        size += 1
    }

    /// The tree's hash: 32 bytes.
    package var root: [UInt8] {
        guard var hash = peaks.last else { return Array(SHA256.hash(data: [UInt8]())) }
        for peak in peaks.dropLast().reversed() { hash = Self.hash(peak, hash) }
        return hash
    }

    private static func hash(leaf: Span<UInt8>) -> [UInt8] {
        unsafe leaf.withUnsafeBytes { bytes in
            var hash = SHA256()
            hash.update(data: [0])
            unsafe hash.update(bufferPointer: bytes)
            return Array(hash.finalize())
        }
    }

    private static func hash(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] {
        var hash = SHA256()
        hash.update(data: [1])
        hash.update(data: left)
        hash.update(data: right)
        return Array(hash.finalize())
    }
}
