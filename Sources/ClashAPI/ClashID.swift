// v1 ids carry the ids of their project and entity. That is read off the documented examples and stated nowhere:
// an id that does not decode is used as it stands, and counts as one of any project.

import Ground

/// What a v1 id of the clash detection API is made of.
///
/// A test, run or rule id is 43 characters of base64url: two GUIDs in little-endian byte order (project, entity).
/// A result id is 64: three GUIDs (project, another, the run's entity).
package struct ClashID: Sendable, Hashable {
    /// The project, which is the iTwin; a lower-case GUID.
    package let projectID: String
    /// The entity: for a result id, that of its run. A lower-case GUID.
    package let entityID: String

    /// Decodes an id; nil if it is no v1 id.
    package init?(_ id: String) {
        guard let guids = ClashID.guids(id), let project = guids.first, let entity = guids.last else { return nil }
        projectID = project
        entityID = entity
    }

    /// All GUIDs in a v1 id, the project's first; nil if it is none.
    static func guids(_ id: String) -> [String]? {
        let length = id.utf8.count
        guard length == 43 || length == 64, let bytes = Base64.decodeURL(id.utf8) else { return nil }
        return stride(from: 0, to: bytes.count, by: 16).map { GUID.text(bytes, at: $0) }
    }
}

/// GUIDs as text and as the 16 bytes that Microsoft's libraries write.
enum GUID {
    static let byteOrder = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]

    static func text(_ bytes: [UInt8], at start: Int) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(36)
        for (position, offset) in byteOrder.enumerated() {
            if position == 4 || position == 6 || position == 8 || position == 10 { text.append(0x2D) }
            Hex.append(bytes[start + offset], to: &text)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Characters of a GUID with its dashes.
    static let length = 36

    static func isGUID(_ text: String) -> Bool {
        let utf8 = text.utf8
        return utf8.count == length && begins(utf8.span, at: 0)
    }

    /// Whether a GUID with dashes begins here; there are bytes enough.
    static func begins(_ bytes: Span<UInt8>, at start: Int) -> Bool {
        for index in 0..<length {
            switch index {
            case 8, 13, 18, 23: if bytes[start + index] != 0x2D { return false }
            default: if ASCII.hexValue(bytes[start + index]) == nil { return false }
            }
        }
        return true
    }

    /// GUIDs in lower case, anything else as it stands: the one spelling used in tags.
    static func canonical(_ id: String) -> String { isGUID(id) ? id.lowercased() : id }
}
