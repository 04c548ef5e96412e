// Which absolute URLs in answers are the proxied API, and what path they have here.

import Ground

/// One entry of `link_prefixes`.
package struct LinkRule: Sendable, Equatable {
    /// Why an entry is refused.
    package enum Defect: Error, Sendable, Equatable {
        /// The prefix is no absolute http or https URL with a host.
        case notAbsolute
        /// The prefix has user information, a query or a fragment.
        case notAPrefix
        /// The replacement does not begin with `/`, or has a query or a fragment.
        case replacementNotAPath
    }

    /// Scheme, host and port in one spelling.
    let origin: [UInt8]
    /// The path that links must have in front; without a slash at its end.
    let path: [UInt8]
    /// What stands in its place.
    let replacement: [UInt8]

    /// Links that begin with the absolute URL `prefix` get the path `replacement` instead of it.
    package init(prefix: String, replacement: String = "") throws(Defect) {
        let bytes = Array(prefix.utf8)
        guard let parsed = LinkURL(bytes.span) else { throw .notAbsolute }
        let path = bytes[parsed.pathStart...]
        guard !path.contains(ASCII.question), !path.contains(ASCII.hash) else { throw .notAPrefix }
        let replacementBytes = Array(replacement.utf8)
        if let first = replacementBytes.first {
            guard first == ASCII.slash, !replacementBytes.contains(ASCII.question),
                !replacementBytes.contains(ASCII.hash)
            else { throw .replacementNotAPath }
        }
        origin = parsed.origin
        self.path = LinkRule.withoutTrailingSlashes(Array(path))
        self.replacement = LinkRule.withoutTrailingSlashes(replacementBytes)
    }

    /// Reads `URL` or `URL => /path`.
    package init(_ entry: String) throws(Defect) {
        let bytes = Array(entry.utf8)
        let arrow = bytes.indices.dropLast().first { bytes[$0] == ASCII.equals && bytes[$0 + 1] == 0x3E }
        guard let arrow else {
            try self.init(prefix: LinkRule.trimmed(bytes[...]))
            return
        }
        let replacement = LinkRule.trimmed(bytes[(arrow + 2)...])
        guard !replacement.isEmpty else { throw .replacementNotAPath }
        try self.init(prefix: LinkRule.trimmed(bytes[..<arrow]), replacement: replacement)
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes.trimmedBlanks, as: UTF8.self)
    }

    static func withoutTrailingSlashes(_ bytes: [UInt8]) -> [UInt8] {
        let end = bytes.lastIndex { $0 != ASCII.slash }.map { $0 + 1 } ?? 0
        return Array(bytes[..<end])
    }
}

/// An absolute http or https URL, as far as links need it.
struct LinkURL {
    /// Scheme and host in lower case, without the scheme's own port.
    let origin: [UInt8]
    /// Where the path begins, or what stands in its place.
    let pathStart: Int

    /// Nil for anything else, also for URLs with user information.
    init?(_ url: Span<UInt8>) {
        let isHTTPS = LinkURL.begins(url, "https://")
        guard isHTTPS || LinkURL.begins(url, "http://") else { return nil }
        let authorityStart = isHTTPS ? 8 : 7
        var end = authorityStart
        while end < url.count, !LinkURL.endsAuthority(url[end]) {
            switch url[end] {
            case ASCII.at, ASCII.backslash, ...ASCII.space, 0x7F...: return nil
            default: end += 1
            }
        }
        var authority: [UInt8] = []
        for index in authorityStart..<end { authority.append(ASCII.folded(url[index])) }
        for port in isHTTPS ? [":443", ":"] : [":80", ":"] where authority.ends(with: port) {
            authority.removeLast(port.utf8.count)
            break
        }
        guard !authority.isEmpty else { return nil }
        origin = Array((isHTTPS ? "https://" : "http://").utf8) + authority
        pathStart = end
    }

    private static func begins(_ url: Span<UInt8>, _ scheme: StaticString) -> Bool {
        guard url.count > scheme.utf8CodeUnitCount else { return false }
        for index in 0..<scheme.utf8CodeUnitCount
        where ASCII.folded(url[index]) != scheme.utf8Start[index] {
            return false
        }
        return true
    }

    @inline(__always)
    static func endsAuthority(_ byte: UInt8) -> Bool {
        byte == ASCII.slash || byte == ASCII.question || byte == ASCII.hash
    }
}

extension [UInt8] {
    fileprivate func ends(with text: String) -> Bool {
        suffix(text.utf8.count).elementsEqual(text.utf8)
    }
}
