// What a request head says that its decoded form does not show.

import NIOCore
import NIOHTTP1

/// Facts that the decoder does not keep. Most heads have none.
struct HeadNotes {
    /// The method, where it is none of those that are served.
    var method: String?
    /// The version, where its major number is not 1.
    var version: HTTPVersion?
    /// The head byte for byte, where it has bytes beyond ASCII: as text they may have been repaired.
    var bytes: ByteBuffer?

    var isEmpty: Bool { method == nil && version == nil && bytes == nil }

    /// The head with what it said.
    func corrected(_ decoded: HTTPRequestHead) -> HTTPRequestHead {
        var head = decoded
        if let method { head.method = .RAW(value: method) }
        if let version { head.version = version }
        return head
    }
}
