// A body whose links begin with this proxy's address as the tool knows it. Nearly all tools know it by the same one, so the
// body is kept with that one in it; for the others it is put together anew around the places noted.

import NIOCore

/// An answer's body with places for the base of its links. Immutable; copies share their bytes.
package struct SplicedBody: Sendable {
    /// The whole body as tools get it that know this proxy as `base`.
    package let bytes: ByteBuffer
    /// What stands at the places.
    package let base: String
    /// Ascending offsets into `bytes` at which the base stands.
    package let splices: [Int]

    /// A body without places.
    package init(bytes: ByteBuffer) {
        (self.bytes, base, splices) = (bytes, "", [])
    }

    /// - Parameters:
    ///   - plain: the body without bases.
    ///   - places: ascending offsets into `plain` at which the base belongs, 0...count.
    ///   - base: what most tools know this proxy by.
    package init(_ plain: [UInt8], places: [Int], base: String) {
        let length = base.utf8.count
        var whole = ByteBufferAllocator().buffer(capacity: plain.count + places.count * length)
        var done = 0
        for place in places {
            whole.writeBytes(plain[done..<place])
            whole.writeString(base)
            done = place
        }
        whole.writeBytes(plain[done...])
        bytes = whole
        self.base = base
        splices = places.enumerated().map { $1 + $0 * length }
    }

    /// Length of the whole body in bytes for tools that know this proxy by `base`.
    package func length(base other: String) -> Int {
        bytes.readableBytes + splices.count * (other.utf8.count - base.utf8.count)
    }

    /// Whether `bytes` are what a tool gets that knows this proxy by `other`.
    package func isWhole(base other: String) -> Bool { splices.isEmpty || base == other }

    /// Appends the whole body. Copies; for large bodies use `forEachPart`.
    package func write(base: String, into out: inout ByteBuffer) {
        forEachPart(base: base) {
            out.writeImmutableBuffer($0)
        } writeBase: {
            out.writeString($0)
        }
    }

    /// The body in order, without copying.
    package func forEachPart(base other: String, _ take: (ByteBuffer) -> Void, writeBase: (String) -> Void) {
        if isWhole(base: other) {
            if bytes.readableBytes > 0 { take(bytes) }
            return
        }
        var done = 0
        for splice in splices {
            if splice > done { take(part(done, splice)) }
            if !other.isEmpty { writeBase(other) }
            done = splice + base.utf8.count
        }
        if done < bytes.readableBytes { take(part(done, bytes.readableBytes)) }
    }

    private func part(_ start: Int, _ end: Int) -> ByteBuffer {
        bytes.getSlice(at: bytes.readerIndex + start, length: end - start) ?? ByteBuffer()
    }

    /// The body without bases. Copies.
    package var plain: [UInt8] {
        var plain: [UInt8] = []
        plain.reserveCapacity(length(base: ""))
        forEachPart(base: "") {
            plain += $0.readableBytesView
        } writeBase: { _ in
        }
        return plain
    }

    /// Bytes really held.
    var cost: Int { bytes.storageCapacity + splices.count * MemoryLayout<Int>.stride + base.utf8.count }
}
