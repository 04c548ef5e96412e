// Reads single values out of a target's query.

import Ground

enum QueryScan {
    /// The decoded, non-empty values of a key, whose letters match in either case.
    static func values(of key: String, in target: Span<UInt8>) -> [String] {
        var values: [String] = []
        let wanted = key.utf8.map(ASCII.folded)
        forEachPair(target) { name, value in
            let decoded = decode(target, name).map(ASCII.folded)
            guard decoded == wanted, !value.isEmpty else { return }
            values.append(String(decoding: decode(target, value), as: UTF8.self))
        }
        return values
    }

    /// As often a server may decode a query before it parts it, or decode it again.
    private static let mostReadings = 4

    /// Calls `body` with the decoded names and values of all pairs that a server may see which takes `;` for a separator too, or
    /// decodes more than once, or before it parts the query. The plain reading's are among them where no `;` is.
    static func forEachPossiblePair(
        _ target: Span<UInt8>, _ body: (_ name: [UInt8], _ value: [UInt8]) -> Void
    ) {
        guard let start = queryStart(target) else { return }
        let end = fragmentStart(target, from: start)
        var query: [UInt8] = []
        for index in start..<end { query.append(target[index]) }
        for _ in 0..<mostReadings {
            for piece in query.split(whereSeparator: { $0 == ASCII.ampersand || $0 == ASCII.semicolon }) {
                let name = piece.prefix { $0 != ASCII.equals }
                body(decode(Array(name)), decode(Array(piece[name.endIndex...].dropFirst())))
            }
            let next = decode(query)
            if next == query { return }
            query = next
        }
    }

    /// Part of a query as text.
    static func decoded(_ target: Span<UInt8>, _ range: Range<Int>) -> String {
        String(decoding: decode(target, range), as: UTF8.self)
    }

    private static func decode(_ bytes: [UInt8]) -> [UInt8] { decode(bytes.span, 0..<bytes.count) }

    /// Calls `body` with the ranges of each pair's name and value; the value is empty where there is none.
    static func forEachPair(_ target: Span<UInt8>, _ body: (_ name: Range<Int>, _ value: Range<Int>) -> Void) {
        guard var start = queryStart(target) else { return }
        let end = fragmentStart(target, from: start)
        while start < end {
            var equals = -1
            var index = start
            while index < end, target[index] != ASCII.ampersand {
                if equals < 0, target[index] == ASCII.equals { equals = index }
                index += 1
            }
            if index > start {
                let nameEnd = equals < 0 ? index : equals
                body(start..<nameEnd, min(nameEnd + 1, index)..<index)
            }
            start = index + 1
        }
    }

    /// Where the query begins, behind its `?`.
    static func queryStart(_ target: Span<UInt8>) -> Int? {
        for index in 0..<target.count where target[index] == ASCII.question {
            return index + 1
        }
        return nil
    }

    static func fragmentStart(_ target: Span<UInt8>, from start: Int) -> Int {
        var index = start
        while index < target.count, target[index] != ASCII.hash { index += 1 }
        return index
    }

    private static func decode(_ target: Span<UInt8>, _ range: Range<Int>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        var index = range.lowerBound
        while index < range.upperBound {
            if let byte = PercentEscape.byte(target, at: index, end: range.upperBound) {
                bytes.append(byte)
                index += 3
            } else {
                bytes.append(target[index] == ASCII.plus ? ASCII.space : target[index])
                index += 1
            }
        }
        return bytes
    }
}
