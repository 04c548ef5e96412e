// What a connection begins with, to tell TLS from plain HTTP where the other one was meant.

import NIOCore

enum FirstBytes {
    /// Whether this begins as a TLS handshake does (RFC 8446 section 5.1). No request begins with that byte.
    static func isTLS(_ bytes: ByteBuffer) -> Bool { bytes.readableBytesView.first == 0x16 }

    /// The method of the request that this looks like; nil when it looks like none. No TLS record begins with a letter.
    static func method(_ bytes: ByteBuffer) -> String? {
        let view = bytes.readableBytesView
        guard let first = view.first, isLetter(first) else { return nil }
        let word = view.prefix { isLetter($0) || $0 == UInt8(ascii: "-") }
        // The longest that is registered has seventeen.
        guard word.count <= 20 else { return nil }
        return String(decoding: word, as: UTF8.self)
    }

    private static func isLetter(_ byte: UInt8) -> Bool { byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A }
}
