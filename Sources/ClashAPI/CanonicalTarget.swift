// One spelling for targets that mean the same to upstream: what a cache may take for the same resource.
// Differences whose meaning is not certain (`//`, `;x`, a trailing slash, `+`) are kept.

import Ground

extension RouteMatch {
    /// Appends the target in canonical spelling.
    ///
    /// Literals of known operations in lower case, escaped unreserved characters decoded, other escapes in upper case;
    /// the query re-escaped in one way (`%24top` is `$top`) and its pairs ordered by name, repeated names in the order
    /// they came. Ids and values keep their case.
    package func appendCanonicalTarget(to out: inout [UInt8]) {
        let utf8 = target.utf8
        let bytes = utf8.span
        appendPath(bytes, to: &out)
        appendQuery(bytes, to: &out)
    }

    private func appendPath(_ bytes: Span<UInt8>, to out: inout [UInt8]) {
        var index = 0
        var inParameters = false
        while index < bytes.count, !PathScan.endsPath(bytes[index]) {
            if bytes[index] == ASCII.semicolon { inParameters = true }
            if bytes[index] == ASCII.slash { inParameters = false }
            let isVerbatim = !operation.isKnown || inParameters || isID(at: index)
            if bytes[index] == ASCII.percent, let byte = PercentEscape.byte(bytes, at: index, end: bytes.count) {
                if ASCII.isUnreserved(byte) {
                    out.append(isVerbatim ? byte : ASCII.folded(byte))
                } else {
                    CanonicalEscape.append(byte, to: &out)
                }
                index += 3
            } else {
                out.append(isVerbatim ? bytes[index] : ASCII.folded(bytes[index]))
                index += 1
            }
        }
    }

    private func isID(at index: Int) -> Bool {
        itwinRange?.contains(index) == true || idRange?.contains(index) == true
    }

    private func appendQuery(_ bytes: Span<UInt8>, to out: inout [UInt8]) {
        guard QueryScan.queryStart(bytes) != nil else { return }
        var pairs: [(name: [UInt8], value: [UInt8])] = []
        QueryScan.forEachPair(bytes) { name, value in
            let hasEquals = value.lowerBound > name.upperBound
            pairs.append((CanonicalEscape.of(bytes, name), hasEquals ? [ASCII.equals] : []))
            pairs[pairs.count - 1].value += CanonicalEscape.of(bytes, value)
        }
        // Swift's sort is stable.
        pairs.sort { $0.name.lexicographicallyPrecedes($1.name) }
        var separator = ASCII.question
        for pair in pairs {
            out.append(separator)
            out += pair.name
            out += pair.value
            separator = ASCII.ampersand
        }
    }
}

private enum CanonicalEscape {
    static func append(_ byte: UInt8, to out: inout [UInt8]) {
        out.append(ASCII.percent)
        out.append(Hex.upperDigit(byte >> 4))
        out.append(Hex.upperDigit(byte & 15))
    }

    /// Part of a query with everything escaped that is neither unreserved, nor `+`, nor a stray `%`.
    static func of(_ bytes: Span<UInt8>, _ range: Range<Int>) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(range.count + 8)
        var index = range.lowerBound
        while index < range.upperBound {
            var byte = bytes[index]
            if let decoded = PercentEscape.byte(bytes, at: index, end: range.upperBound) {
                byte = decoded
                index += 3
            } else {
                index += 1
                if byte == ASCII.plus || byte == ASCII.percent {
                    out.append(byte)
                    continue
                }
            }
            if ASCII.isUnreserved(byte) { out.append(byte) } else { append(byte, to: &out) }
        }
        return out
    }
}
