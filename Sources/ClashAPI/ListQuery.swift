// What the query of a paged list asks for: rows of a page, where it begins, and which list it is at all.

import Ground

/// The query of one page of a list, where everything that it says is understood.
package struct ListQuery: Sendable, Equatable {
    /// `$top`, 1 to the largest; nil: not said.
    package private(set) var top: Int?
    /// The token as it is spelled in the target; nil: none.
    package private(set) var token: [UInt8]?
    /// `$skip`; nil: not said.
    package private(set) var skip: Int?
    /// All other pairs as they are spelled in the target, joined by `&`.
    package private(set) var filters: [UInt8] = []

    private static let longestToken = 4096

    /// Nil where the operation is not paged, or where the query says something that is not known, says it twice, or says it
    /// oddly: such a call is upstream's to understand.
    package init?(_ route: RouteMatch) {
        guard let paging = route.operation.paging else { return nil }
        let utf8 = route.target.utf8
        let bytes = utf8.span
        guard let start = QueryScan.queryStart(bytes) else { return }
        // Some servers part pairs there, and a fragment is never sent.
        for index in start..<bytes.count where bytes[index] == ASCII.semicolon || bytes[index] == ASCII.hash {
            return nil
        }
        var isUnderstood = true
        var seen: Set<String> = []
        QueryScan.forEachPair(bytes) { name, value in
            guard isUnderstood else { return }
            let known = QueryScan.decoded(bytes, name)
            isUnderstood = seen.insert(known).inserted && read(known, bytes, name, value, paging)
        }
        guard isUnderstood else { return nil }
    }

    private mutating func read(
        _ known: String, _ bytes: Span<UInt8>, _ name: Range<Int>, _ value: Range<Int>, _ paging: ListPaging
    ) -> Bool {
        switch known {
        case "$top":
            top = Self.number(bytes, value)
            return top.map { (1...paging.most).contains($0) } ?? false
        case "$skip" where paging.style == .skip:
            skip = Self.number(bytes, value)
            return skip != nil && token == nil
        case paging.tokenName:
            var spelled: [UInt8] = []
            spelled.append(bytes, value)
            token = spelled
            return !spelled.isEmpty && spelled.count <= Self.longestToken && skip == nil
        case _ where paging.filters.contains(known):
            if !filters.isEmpty { filters.append(ASCII.ampersand) }
            filters.append(bytes, name.lowerBound..<max(name.upperBound, value.upperBound))
            return true
        default: return false
        }
    }

    /// Plain digits, at most nine.
    private static func number(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int? {
        guard (1...9).contains(range.count) else { return nil }
        var number = 0
        for index in range {
            guard 0x30...0x39 ~= bytes[index] else { return nil }
            number = number * 10 + Int(bytes[index] - 0x30)
        }
        return number
    }
}

extension RouteMatch {
    /// The path as it was sent, without the query.
    package var pathAsSent: [UInt8] { Array(target.utf8.prefix { !PathScan.endsPath($0) }) }

    /// The target of one fetch of this list, with the same filters.
    ///
    /// - Parameters:
    ///   - top: rows wanted.
    ///   - token: upstream's, as it is spelled in upstream's links; nil: none.
    ///   - skip: rows before it, where lists are paged so.
    package func listTarget(_ query: ListQuery, top: Int, token: [UInt8]?, skip: Int) -> String {
        guard let paging = operation.paging else { return target }
        var pairs: [[UInt8]] = [Array("$top=\(top)".utf8)]
        if let token { pairs.append(Array("\(paging.tokenName)=".utf8) + token) }
        if paging.style == .skip, skip > 0 { pairs.append(Array("$skip=\(skip)".utf8)) }
        if !query.filters.isEmpty { pairs.append(query.filters) }
        let all = pathAsSent + [ASCII.question] + Array(pairs.joined(separator: [ASCII.ampersand]))
        return String(decoding: all, as: UTF8.self)
    }

    /// The target of a page as links of this proxy name it.
    ///
    /// - Parameters:
    ///   - top: rows of the page; nil: not said.
    ///   - token: of this proxy; nil: the first page.
    package func pageTarget(_ query: ListQuery, top: Int?, token: String?) -> [UInt8] {
        guard let paging = operation.paging else { return Array(target.utf8) }
        var pairs: [[UInt8]] = []
        if let top { pairs.append(Array("$top=\(top)".utf8)) }
        if let token { pairs.append(Array("\(paging.tokenName)=\(token)".utf8)) }
        if !query.filters.isEmpty { pairs.append(query.filters) }
        guard !pairs.isEmpty else { return pathAsSent }
        return pathAsSent + [ASCII.question] + Array(pairs.joined(separator: [ASCII.ampersand]))
    }
}
