// What links in answers begin with, and which of them are rewritten.

import ClashAPI
import Edge

/// How links in answers are rewritten.
final class LinkSettings: Sendable {
    let rules: [LinkRule]
    let allowPrefixes: [String]
    /// `public_url` as links begin with it, without a slash at its end; nil: scheme and authority of each request.
    let base: String?

    init(rules: [LinkRule], allowPrefixes: [String], publicURL: String?) {
        self.rules = rules
        self.allowPrefixes = allowPrefixes
        var base = publicURL
        while base?.hasSuffix("/") == true { base?.removeLast() }
        self.base = base
    }
}

/// This proxy as the tool knows it: what links in its answers begin with.
struct LinkBase: Sendable {
    let text: String
    /// Tells bases apart in an ETag (FNV-1a).
    let digest: String

    /// - Parameter scheme: what the tool speaks; see `Client`.
    init(_ links: LinkSettings, _ head: RequestHead, scheme: String) {
        text = links.base ?? "\(scheme)://\(head.authorityText)"
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        digest = String(hash, radix: 16)
    }
}
