// The ids that stand anywhere in a body: whatever kind of page it is, a write to one of its objects makes it untrue.
// Kept as hashes, since a page of a hundred rows holds hundreds; two ids with one hash purge a little too much.

import Ground

/// Ids found in the strings of one body. GUIDs count in every spelling, v1 ids as they stand and by the GUIDs in them,
/// other ids where a member named like one holds them.
package struct HeldIDs: Sendable, Equatable {
    /// FNV-1a of each, in no order; some may be there twice.
    package private(set) var hashes: [UInt64] = []
    /// There are more than are kept, or some could not be read: any id may be among them.
    package private(set) var areIncomplete = false

    private var nextTidying = HeldIDs.capacity

    static let capacity = 1 << 14
    private static let shortestFound = 32
    private static let longestNamed = 128

    /// None yet.
    package init() {}

    /// How a write finds an id that it was sent with.
    static func hashes(of id: String) -> [UInt64] {
        var found = HeldIDs()
        let utf8 = id.utf8
        let bytes = utf8.span
        found.add(from: bytes, 0..<bytes.count, isNamed: true)
        return found.hashes
    }

    /// Adds the GUIDs and v1 ids in a string, wherever in it they stand; where there are none and the string is named an
    /// id, the string.
    @inline(__always)
    mutating func add(from bytes: Span<UInt8>, _ range: Range<Int>, isNamed: Bool) {
        if range.count >= Self.shortestFound {
            let known = hashes.count
            find(in: bytes, range)
            if hashes.count != known { return }
        }
        if isNamed { addNamed(bytes, range) }
    }

    /// An id of no known shape. Numbers of elements inside an iModel are none.
    private mutating func addNamed(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        guard !range.isEmpty, range.count <= Self.longestNamed, !Self.isElement(bytes, range) else { return }
        add(Self.hash(bytes, range))
    }

    /// Something could not be read.
    mutating func giveUp() { areIncomplete = true }

    private mutating func find(in bytes: Span<UInt8>, _ range: Range<Int>) {
        var start = range.lowerBound
        while start < range.upperBound {
            var end = start
            while end < range.upperBound, Self.mayStandInID(bytes[end]) { end += 1 }
            if end - start >= Self.shortestFound { readRun(bytes, start..<end) }
            start = end + 1
        }
    }

    private mutating func readRun(_ bytes: Span<UInt8>, _ run: Range<Int>) {
        if run.count == 32, run.allSatisfy({ ASCII.hexValue(bytes[$0]) != nil }) {
            return add(Self.hash(ofGUID: bytes, run))
        }
        var start = run.lowerBound
        var holdsGUID = false
        while start + GUID.length <= run.upperBound {
            if GUID.begins(bytes, at: start) {
                add(Self.hash(ofGUID: bytes, start..<start + GUID.length))
                holdsGUID = true
                start += GUID.length
            } else {
                start += 1
            }
        }
        guard !holdsGUID, run.count == 43 || run.count == 64 else { return }
        let text = PathScan.text(bytes, run)
        guard let guids = ClashID.guids(text) else { return }
        add(Self.hash(bytes, run))
        // The first is the project, which is no object.
        for guid in guids.dropFirst() {
            let utf8 = guid.utf8
            add(Self.hash(ofGUID: utf8.span, 0..<GUID.length))
        }
    }

    private mutating func add(_ hash: UInt64) {
        guard !areIncomplete else { return }
        hashes.append(hash)
        guard hashes.count >= nextTidying else { return }
        hashes = Array(Set(hashes))
        areIncomplete = hashes.count >= Self.capacity
        nextTidying = max(2 * hashes.count, Self.capacity)
    }

    private static func hash(_ bytes: Span<UInt8>, _ range: Range<Int>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for index in range { hash = (hash ^ UInt64(bytes[index])) &* 0x100_0000_01b3 }
        return hash
    }

    /// The same for every spelling.
    private static func hash(ofGUID bytes: Span<UInt8>, _ range: Range<Int>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for index in range where bytes[index] != 0x2D {
            hash = (hash ^ UInt64(ASCII.folded(bytes[index]))) &* 0x100_0000_01b3
        }
        return hash
    }

    @inline(__always)
    private static func mayStandInID(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
        default: false
        }
    }

    private static func isElement(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        range.count > 2 && bytes[range.lowerBound] == 0x30 && bytes[range.lowerBound + 1] == 0x78
    }
}
