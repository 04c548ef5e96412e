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
