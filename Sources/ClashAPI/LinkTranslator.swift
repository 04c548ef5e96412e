// Turns one link of upstream's into one of this proxy's, or leaves it alone. Used for `_links` and for `Location`.

import Ground

/// Rewrites single links by rules.
///
/// A link is rewritten only if it lands below an allowed prefix and its path could be asked of this proxy; relative
/// links that begin with a slash are made absolute under the same conditions. Everything else stays as it is.
package struct LinkTranslator: Sendable {
    private let rules: [LinkRule]
    private let allowedPrefixes: [String]
    private let base: [UInt8]

    /// - Parameters:
    ///   - rules: tried in order; the first whose result is allowed counts.
    ///   - allowedPrefixes: as for `ClashAPI.isAllowed`.
    ///   - base: this proxy as clients see it, such as `http://127.0.0.1:8080`.
    package init(rules: [LinkRule], allowedPrefixes: [String], base: String) {
        self.rules = rules
        self.allowedPrefixes = allowedPrefixes
        self.base = LinkRule.withoutTrailingSlashes(Array(base.utf8))
    }

    /// The link as clients should see it; unchanged when no rule applies.
    package func rewriteLocation(_ link: String) -> String {
        let utf8 = link.utf8
        guard let translated = translate(utf8.span) else { return link }
        return String(decoding: translated, as: UTF8.self)
    }

    /// The same for a field value, whose bytes need be no UTF-8; nil when it is to stay.
    package func rewriteLocation(_ link: UnsafeBufferPointer<UInt8>) -> [UInt8]? { translate(link.span) }

    /// The rewritten link, or nil when it is to stay.
    func translate(_ link: Span<UInt8>) -> [UInt8]? {
        guard link.count > 0 else { return nil }
        if link[0] == ASCII.slash { return landed(link, []) }
        guard let url = LinkURL(link) else { return nil }
        for rule in rules where rule.origin == url.origin {
            guard LinkTranslator.path(of: link, from: url.pathStart, beginsWith: rule.path) else { continue }
            let rest = url.pathStart + rule.path.count
            if let result = landed(link.extracting(rest..<link.count), rule.replacement) { return result }
        }
        return nil
    }

    private static func path(of link: Span<UInt8>, from start: Int, beginsWith prefix: [UInt8]) -> Bool {
        guard link.count - start >= prefix.count else { return false }
        for index in prefix.indices where link[start + index] != prefix[index] { return false }
        let end = start + prefix.count
        return end == link.count || LinkURL.endsAuthority(link[end])
    }

    /// Base, replacement and rest, if that is a target this proxy would take.
    private func landed(_ rest: Span<UInt8>, _ replacement: [UInt8]) -> [UInt8]? {
        var result = base
        result.reserveCapacity(base.count + replacement.count + rest.count)
        result += replacement
        result.append(rest, 0..<rest.count)
        let target = result.span.extracting(base.count..<result.count)
        guard ClashAPI.isAllowed(target, prefixes: allowedPrefixes) else { return nil }
        var pathEnd = 0
        while pathEnd < target.count, !PathScan.endsPath(target[pathEnd]) { pathEnd += 1 }
        guard TargetCheck.pathDefect(target, end: pathEnd) == nil else { return nil }
        return result
    }
}
