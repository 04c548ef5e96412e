// A header block as bytes by which it is known again (`KnownHeads`): every field with its length, so that no two blocks are
// the same bytes, and a first byte that no head of HTTP/1.1 begins with.

import NIOHPACK

/// The bytes of one block, and where in them the value of its correlation id stands.
struct BlockKey {
    private(set) var bytes: [UInt8] = []

    /// Makes the bytes of another block. Nil where it is too long to be remembered, or where its correlation id is not one
    /// that is taken as it is.
    mutating func fill(_ block: HPACKHeaders) -> RawHead? {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(2)
        var id: Range<Int>?
        for (name, value, _) in block {
            append(name)
            let isID = name == "x-correlation-id"
            if isID {
                guard id == nil, OfferedID.isAcceptable(value) else { return nil }
                let start = bytes.count
                bytes += value.utf8
                id = start..<bytes.count
            } else {
                append(value)
            }
            guard bytes.count <= RawHead.maxBytes else { return nil }
        }
        return RawHead(length: bytes.count, id: id ?? bytes.count..<bytes.count)
    }

    /// The value at `id`.
    func id(_ raw: RawHead) -> String? { raw.id.isEmpty ? nil : String(decoding: bytes[raw.id], as: UTF8.self) }

    private mutating func append(_ text: String) {
        let length = UInt32(truncatingIfNeeded: text.utf8.count)
        for shift in [24, 16, 8, 0] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: length >> shift)) }
        bytes += text.utf8
    }
}
