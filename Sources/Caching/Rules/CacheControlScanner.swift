// Reads Cache-Control values (RFC 9111, 5.2) directive by directive. Nothing in a value can hide a directive from it:
// where the grammar is broken it goes on after the break and says so, so that the caller can be careful.

import Ground
import HTTPTypes

/// The directives that mean something here, of requests and responses.
enum CacheDirective: String, CaseIterable {
    case noStore = "no-store"
    case noCache = "no-cache"
    case isPrivate = "private"
    case isPublic = "public"
    case maxAge = "max-age"
    case sharedMaxAge = "s-maxage"
    case mustRevalidate = "must-revalidate"
    case proxyRevalidate = "proxy-revalidate"
    case mustUnderstand = "must-understand"
    case staleWhileRevalidate = "stale-while-revalidate"
    case staleIfError = "stale-if-error"
    case minFresh = "min-fresh"
    case onlyIfCached = "only-if-cached"

    private static let all = allCases

    /// The directive of this name, in any case, or nil for the many that change nothing here.
    init?(_ bytes: Span<UInt8>, in range: Range<Int>) {
        for directive in Self.all where bytes.spells(directive.rawValue, in: range) {
            self = directive
            return
        }
        return nil
    }
}

struct CacheControlScanner {
    /// One list element: where its name and its argument stand, the quotes of the argument left out.
    struct Element {
        let name: Range<Int>
        let argument: Range<Int>?
    }

    /// Whether the value broke the grammar somewhere.
    private(set) var isMalformed = false
    private var index = 0

    /// The next element of `bytes`, which must be the same value at every call; nil at its end.
    mutating func next(in bytes: Span<UInt8>) -> Element? {
        while index < bytes.count {
            let byte = bytes[index]
            if byte == FieldSyntax.comma || ASCII.isBlank(byte) {
                index += 1
            } else if FieldSyntax.isTokenByte(byte) {
                let element = Element(name: token(bytes), argument: argument(bytes))
                finishElement(bytes)
                return element
            } else {
                isMalformed = true
                index += 1
            }
        }
        return nil
    }

    private mutating func token(_ bytes: Span<UInt8>) -> Range<Int> {
        let start = index
        while index < bytes.count, FieldSyntax.isTokenByte(bytes[index]) { index += 1 }
        return start..<index
    }

    /// What follows `=`, or nil. Spaces around the sign are against the grammar and passed over.
    private mutating func argument(_ bytes: Span<UInt8>) -> Range<Int>? {
        let afterName = index
        skipSpaces(bytes)
        guard index < bytes.count, bytes[index] == FieldSyntax.equals else { return nil }
        let afterSign = index + 1
        if index > afterName { isMalformed = true }
        index = afterSign
        skipSpaces(bytes)
        if index > afterSign { isMalformed = true }
        if index < bytes.count, bytes[index] == FieldSyntax.quote { return quotedString(bytes) }
        let argument = token(bytes)
        if argument.isEmpty { isMalformed = true }
        return argument
    }

    /// The inside of a quoted string. One that does not end is passed over as if its quote were not there, lest it
    /// swallow the directives behind it.
    private mutating func quotedString(_ bytes: Span<UInt8>) -> Range<Int>? {
        let start = index + 1
        var end = start
        while end < bytes.count {
            if bytes[end] == FieldSyntax.quote {
                index = end + 1
                return start..<end
            }
            end += bytes[end] == FieldSyntax.backslash ? 2 : 1
        }
        isMalformed = true
        index = start
        return nil
    }

    /// Only a comma or the end may follow; whatever else stands there is read as an element of its own.
    private mutating func finishElement(_ bytes: Span<UInt8>) {
        skipSpaces(bytes)
        if index < bytes.count, bytes[index] != FieldSyntax.comma { isMalformed = true }
    }

    private mutating func skipSpaces(_ bytes: Span<UInt8>) {
        while index < bytes.count, ASCII.isBlank(bytes[index]) { index += 1 }
    }
}

extension CacheControlScanner {
    /// Calls `body` with each directive of all Cache-Control lines that means something here and with its argument as
    /// seconds, nil if it has none that is a number. Returns false if a line broke the grammar.
    static func scan(_ fields: HTTPFields, _ body: (CacheDirective, _ seconds: Int64?) -> Void) -> Bool {
        var isWellFormed = true
        for field in fields where field.name.canonicalName == "cache-control" {
            field.withUnsafeBytesOfValue { value in
                let bytes = value.span
                var scanner = CacheControlScanner()
                while let element = scanner.next(in: bytes) {
                    guard let directive = CacheDirective(bytes, in: element.name) else { continue }
                    body(directive, element.argument.flatMap { DeltaSeconds.parse(bytes, in: $0) })
                }
                if scanner.isMalformed { isWellFormed = false }
            }
        }
        return isWellFormed
    }
}
