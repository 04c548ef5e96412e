// Where the parts of a list page stand: its rows, its links, its count. Rows are cut out of it byte for byte.

import Ground

/// The parts of one whole page of a paged list, as ranges of its bytes.
package struct ListPageParts: Sendable, Equatable {
    /// A link of the page's `_links`.
    package enum Link: Sendable, Equatable {
        /// There is no such member.
        case missing
        /// It is null, or an object without a link.
        case none
        /// It leads there, by a token that is spelled so; an empty one: by none.
        case token([UInt8])
    }

    /// What is between the brackets of the array of rows.
    package private(set) var rowsArea = 0..<0
    /// Each row.
    package private(set) var rows: [Range<Int>] = []
    /// The value of `_links`; empty: there is none.
    package private(set) var links = 0..<0
    /// Other members of `_links` than `self`, `next` and `prev`: name and value with their quotes.
    package private(set) var otherLinks: [Range<Int>] = []
    /// Where the list goes on.
    package private(set) var next = Link.missing
    /// What is before.
    package private(set) var prev = Link.missing
    /// The digits of `count`; empty: there is none.
    package private(set) var count = 0..<0

    /// Whether rows follow that are not on this page.
    package var goesOn: Bool { if case .token = next { true } else { false } }

    /// Bytes it holds.
    package var byteCount: Int { (rows.count + otherLinks.count) * MemoryLayout<Range<Int>>.stride + 256 }

    /// Nil where the bytes are no page of that list with links, or an odd one: with two arrays of rows, or with rows that are
    /// no objects.
    package init?(_ page: Span<UInt8>, of operation: Operation) {
        guard case .array(let key) = operation.rows, let paging = operation.paging else { return nil }
        var reader = Reader(rowsKey: Array(key.utf8), tokenName: paging.tokenName)
        guard reader.read(page) else { return nil }
        self = reader.parts
    }

    private init() {}

    private struct Reader {
        var parts = ListPageParts()
        let rowsKey: [UInt8]
        let tokenName: String
        private var scanner = JSONScanner(maxDepth: JSONScanner.depthLimit)
        private var member = Member.other
        private var link = Member.other
        private var hasRows = false
        private var hasLinks = false
        private var start = 0
        private var keyStart = 0

        private enum Member { case rows, links, count, next, prev, own, other, href }

        init(rowsKey: [UInt8], tokenName: String) {
            self.rowsKey = rowsKey
            self.tokenName = tokenName
        }

        mutating func read(_ page: Span<UInt8>) -> Bool {
            var offset = 0
            while true {
                let before = scanner.depth
                let event = scanner.next(in: page, at: &offset)
                switch event {
                case .invalid: return false
                case .needsInput: return scanner.finish() && hasRows && hasLinks
                default: break
                }
                guard take(event, page, from: before, at: offset) else { return false }
            }
        }

        private mutating func take(
            _ event: JSONScanner.Event, _ page: Span<UInt8>, from before: Int, at offset: Int
        ) -> Bool {
            switch (before, event) {
            case (0, .objectStart), (1, .objectEnd): return true
            case (0, _): return false
            case (1, .key(let text)): member = topMember(page, text.range)
            case (1, .arrayStart) where member == .rows:
                guard !hasRows else { return false }
                hasRows = true
                start = offset
            case (2, .arrayEnd) where member == .rows: parts.rowsArea = start..<offset - 1
            case (2, .objectStart) where member == .rows: keyStart = offset - 1
            case (3, .objectEnd) where member == .rows: parts.rows.append(keyStart..<offset)
            case (2, _) where member == .rows: return false
            case (1, .number(let text)) where member == .count: parts.count = text.range
            case (1, .objectStart) where member == .links:
                guard !hasLinks else { return false }
                hasLinks = true
                start = offset - 1
            case (2, .objectEnd) where member == .links: parts.links = start..<offset
            case (1, _) where member == .rows || member == .links: return false
            case (2...3, _) where member == .links: return takeLink(event, page, from: before, at: offset)
            default: break
            }
            return true
        }

        private mutating func takeLink(
            _ event: JSONScanner.Event, _ page: Span<UInt8>, from before: Int, at offset: Int
        ) -> Bool {
            switch (before, event) {
            case (2, .key(let text)):
                link = linkMember(page, text.range)
                keyStart = text.range.lowerBound - 1
            case (2, .objectStart): set(.none)
            case (3, .key(let text)):
                if link == .next || link == .prev, page.equals("href", in: text.range) { hrefFollows = true }
                return true
            case (3, .string(let text)) where hrefFollows: set(.token(token(page, text)))
            case (3, .objectEnd): if link == .other { parts.otherLinks.append(keyStart..<offset) }
            case (2, .literal), (2, .string), (2, .number):
                set(.none)
                if link == .other { parts.otherLinks.append(keyStart..<offset) }
            case (2, .arrayStart): return false
            default: break
            }
            hrefFollows = false
            return true
        }
        private var hrefFollows = false

        private mutating func set(_ value: Link) {
            switch link {
            case .next: parts.next = value
            case .prev: parts.prev = value
            default: break
            }
        }

        private func topMember(_ page: Span<UInt8>, _ name: Range<Int>) -> Member {
            if page.equals(rowsKey, in: name) { return .rows }
            if page.equals("_links", in: name) { return .links }
            return page.equals("count", in: name) ? .count : .other
        }

        private func linkMember(_ page: Span<UInt8>, _ name: Range<Int>) -> Member {
            if page.equals("next", in: name) { return .next }
            if page.equals("prev", in: name) { return .prev }
            return page.equals("self", in: name) ? .own : .other
        }

        /// The token in a link, as it is spelled there.
        private func token(_ page: Span<UInt8>, _ text: JSONScanner.Text) -> [UInt8] {
            var spelled: [UInt8] = []
            spelled.append(page, text.range)
            let href = text.hasEscapes ? JSONEscapes.decode(spelled) ?? [] : spelled
            var token: [UInt8] = []
            let bytes = href.span
            QueryScan.forEachPair(bytes) { name, value in
                if QueryScan.decoded(bytes, name) == tokenName { token = Array(href[value]) }
            }
            return token
        }
    }
}
