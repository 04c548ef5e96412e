// What is about to be deleted, as a member of its intent. Never longer than 64 KiB, never able to end the record early.

import Ground

enum Snapshot {
    static let maxBytes = 65_536

    /// Appends `,"snapshot":…`.
    static func append(_ bytes: [UInt8], to out: inout [UInt8]) {
        out.append(#","snapshot":"#)
        if bytes.count <= maxBytes, JSONCheck.isContainer(bytes) {
            // In valid JSON a raw line end stands between tokens only, where it means nothing.
            for byte in bytes where byte != 0x0A && byte != 0x0D { out.append(byte) }
        } else {
            _ = JSONText.append(
                String(decoding: bytes.prefix(maxBytes), as: UTF8.self), .lines, atMost: maxBytes, to: &out)
        }
    }
}
