// Tags as 64-bit hashes: a page of a hundred rows has hundreds of them. Two tags with one hash purge a little too much,
// which costs a read upstream and is never wrong.

/// A tag such as `report:ID`, hashed (FNV-1a).
package struct TagHash: Hashable, Comparable, Sendable {
    let value: UInt64

    /// Hashes a tag as it is spelled.
    package init(_ tag: String) {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in tag.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        value = hash
    }

    /// Of something that was hashed elsewhere.
    package init(hash: UInt64) { value = hash }

    /// By the hash, for searching in sorted arrays.
    package static func < (left: TagHash, right: TagHash) -> Bool { left.value < right.value }
}

/// A sorted set of tags.
package struct TagSet: Sendable, Equatable {
    private let sorted: [TagHash]

    /// The tags, each once, with those that were hashed elsewhere.
    package init(_ tags: some Sequence<String>, hashes others: [UInt64] = []) {
        var hashes = tags.map { TagHash($0) }
        hashes.reserveCapacity(hashes.count + others.count)
        for other in others { hashes.append(TagHash(hash: other)) }
        hashes.sort()
        var unique: [TagHash] = []
        unique.reserveCapacity(hashes.count)
        for hash in hashes where unique.last != hash { unique.append(hash) }
        sorted = unique
    }

    /// The hashes, for who compares them elsewhere.
    package var hashes: [UInt64] { sorted.map(\.value) }

    private init(sorted: [TagHash]) { self.sorted = sorted }

    /// The tags of both.
    package func union(_ others: TagSet) -> TagSet {
        if others.sorted == sorted { return self }
        var unique: [TagHash] = []
        for hash in (sorted + others.sorted).sorted() where unique.last != hash { unique.append(hash) }
        return TagSet(sorted: unique)
    }

    var count: Int { sorted.count }
    var isEmpty: Bool { sorted.isEmpty }
    var elements: [TagHash] { sorted }

    func contains(_ tag: TagHash) -> Bool {
        var low = 0
        var high = sorted.count
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle] < tag { low = middle + 1 } else { high = middle }
        }
        return low < sorted.count && sorted[low] == tag
    }

    func intersects(_ others: TagSet) -> Bool {
        let (few, many) = count < others.count ? (self, others) : (others, self)
        return few.sorted.contains { many.contains($0) }
    }
}
