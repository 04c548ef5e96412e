// Conditional requests, on both sides: whether a tool already has what is stored, and whether upstream's 304 speaks of
// what is stored.

import Ground
import HTTPTypes

/// Validators and preconditions (RFC 9110, 8.8 and 13; RFC 9111, 4.3).
package enum Conditional {
    /// Whether a GET or HEAD with these fields is answered by 304 from a stored 200 with these validators.
    ///
    /// If-None-Match is compared weakly, and where there is one, If-Modified-Since is not looked at (RFC 9110, 13.2.2).
    /// What cannot be read does not match. If-Match, If-Unmodified-Since and If-Range are for origin servers and may
    /// be ignored by caches (13.1).
    /// - Parameters:
    ///   - request: the tool's fields. That its method is GET or HEAD is the caller's business.
    ///   - etag: the stored answer's, quotes included.
    ///   - lastModified: the stored answer's Last-Modified; nil if it has none.
    package static func isNotModified(request: HTTPFields, etag: String, lastModified: String?) -> Bool {
        var hasNoneMatch = false
        var sinceCount = 0
        var since: Int64?
        for field in request {
            switch field.name.canonicalName {
            case "if-none-match":
                hasNoneMatch = true
                if lists(field, etag) { return true }
            case "if-modified-since":
                sinceCount += 1
                since = date(field)
            default: continue
            }
        }
        guard !hasNoneMatch, sinceCount == 1, let since, let modified = lastModified.flatMap({ HTTPDate.seconds($0) })
        else {
            return false
        }
        return modified <= since
    }

    /// Whether the request has any precondition: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since or
    /// If-Range. For the fast path: without one there is nothing to evaluate.
    package static func hasPreconditions(_ request: HTTPFields) -> Bool {
        for field in request {
            let name = field.name.canonicalName
            switch name.utf8.count {
            case 8 where name == "if-match" || name == "if-range": return true
            case 13 where name == "if-none-match": return true
            case 17 where name == "if-modified-since": return true
            case 19 where name == "if-unmodified-since": return true
            default: continue
            }
        }
        return false
    }

    /// Whether a 304 speaks of the stored answer (RFC 9111, 4.3.4), so that it may update and refresh it. A 304 to a
    /// request that did not ask with this answer's validators does not, and neither does one with another tag or date.
    /// - Parameters:
    ///   - stored: the stored answer's fields as upstream sent them: its own ETag, not the proxy's.
    ///   - notModified: the 304's fields. If it has no validator, it is believed: only one answer was asked about.
    package static func confirms(stored: HTTPFields, by notModified: HTTPFields) -> Bool {
        if let tag = notModified.first(named: "etag") {
            guard let storedTag = stored.first(named: "etag") else { return false }
            return sameTag(storedTag, tag)
        }
        if let modified = notModified.first(named: "last-modified"),
            let storedModified = stored.first(named: "last-modified")
        {
            return date(modified) == date(storedModified)
        }
        return true
    }

    /// Whether an answer can be asked about again: a well-formed ETag or a readable Last-Modified.
    static func hasValidator(_ response: HTTPFields) -> Bool {
        for field in response {
            switch field.name.canonicalName {
            case "etag": if field.withUnsafeBytesOfValue({ EntityTag(whole: $0.span) != nil }) { return true }
            case "last-modified": if date(field) != nil { return true }
            default: continue
            }
        }
        return false
    }

    private static func date(_ field: HTTPField) -> Int64? {
        field.withUnsafeBytesOfValue { HTTPDate.seconds($0.span) }
    }

    /// Compared weakly: upstream has compared its own tag with the one it was asked about, and may write it as weak.
    private static func sameTag(_ left: HTTPField, _ right: HTTPField) -> Bool {
        if left.value == right.value { return true }
        return left.withUnsafeBytesOfValue { left in
            right.withUnsafeBytesOfValue { right in
                guard let leftTag = EntityTag(whole: left.span), let rightTag = EntityTag(whole: right.span) else {
                    return false
                }
                return leftTag.hasSameOpaque(left.span, as: rightTag, in: right.span)
            }
        }
    }

    /// Whether an If-None-Match line is `*` or names the tag.
    private static func lists(_ field: HTTPField, _ etag: String) -> Bool {
        var etag = etag
        return etag.withUTF8 { own in
            field.withUnsafeBytesOfValue { lists($0.span, own.span) }
        }
    }

    private static func lists(_ bytes: Span<UInt8>, _ own: Span<UInt8>) -> Bool {
        let range = bytes.trimmed(0..<bytes.count)
        if bytes.spells("*", in: range) { return true }
        guard let ownTag = EntityTag(whole: own) else { return false }
        var index = range.lowerBound
        while index < range.upperBound {
            if let tag = EntityTag(bytes, at: &index, end: range.upperBound) {
                if tag.hasSameOpaque(bytes, as: ownTag, in: own) { return true }
            }
            // To the next comma. Behind a tag that is at once.
            while index < range.upperBound, bytes[index] != FieldSyntax.comma { index += 1 }
            while index < range.upperBound, bytes[index] == FieldSyntax.comma || ASCII.isBlank(bytes[index]) {
                index += 1
            }
        }
        return false
    }
}

extension HTTPFields {
    /// The first field of this canonical name.
    func first(named name: String) -> HTTPField? { first { $0.name.canonicalName == name } }
}
