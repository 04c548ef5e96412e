// Field names seen in responses, so that the dozen names every answer carries are validated and lower-cased once and
// not once per answer. Bounded: a server that invents names only loses the shortcut. Used by the curl thread alone.

import HTTPTypes

/// What a field means for the framing of a response (RFC 9112 section 6).
enum FieldRole {
    case ordinary
    case contentLength
    case contentEncoding
    case transferEncoding
}

/// A small open hash table from the bytes of a name to the validated name.
struct FieldNameTable {
    struct Entry {
        let name: HTTPField.Name
        let role: FieldRole

        func isSpelled(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
            let own = name.rawName.utf8.span
            guard own.count == bytes.count else { return false }
            for index in own.indices where unsafe own[index] != bytes[index] { return false }
            return true
        }
    }

    private static let slots = 512
    private static let capacity = 256
    private var entries: [Entry?] = Array(repeating: nil, count: Self.slots)
    private var count = 0

    /// The name spelled by `bytes`, or nil if that is no field name (RFC 9110 section 5.1).
    mutating func entry(for bytes: UnsafeBufferPointer<UInt8>) -> Entry? {
        var hash: UInt32 = 2_166_136_261  // FNV-1a
        for index in bytes.indices { hash = unsafe (hash ^ UInt32(bytes[index])) &* 16_777_619 }
        var slot = Int(hash % UInt32(Self.slots))
        while let entry = self.entries[slot] {
            if unsafe entry.isSpelled(bytes) { return entry }
            slot = (slot + 1) % Self.slots
        }
        guard let name = unsafe HTTPField.Name(String(decoding: bytes, as: UTF8.self)) else { return nil }
        let entry = Entry(name: name, role: Self.role(of: name))
        if self.count < Self.capacity {
            self.entries[slot] = entry
            self.count += 1
        }
        return entry
    }

    private static func role(of name: HTTPField.Name) -> FieldRole {
        switch name {
        case .contentLength: .contentLength
        case .contentEncoding: .contentEncoding
        case .transferEncoding: .transferEncoding
        default: .ordinary
        }
    }
}
