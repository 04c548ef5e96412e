// What a connection has read, in its order.

import NIOCore
import NIOHTTP1

/// A head that is known, and what is kept for it beyond.
package final class KnownRequest {
    /// The head, checked.
    package let head: RequestHead
    /// What the service behind the listener has found out about it; see `RequestHandling.handle`.
    package var memo: AnyObject?

    init(_ head: RequestHead) { self.head = head }
}

/// A part of a request as the connection keeps it.
enum ReceivedPart {
    /// `raw`: the bytes, where the head may be remembered by them.
    case head(HTTPRequestHead, HeadNotes?, raw: ByteBuffer?)
    /// A whole request without a body, which was seen before; `id` is the correlation id that it brings this time.
    case known(KnownRequest, id: String?)
    case body(ByteBuffer)
    case end
    /// What comes here and behind cannot be understood; `id` is the correlation id that the tool offers for it.
    case failed(WireFailure, id: String?)
}
