// Finds the line of every table and key of a TOML document that already parsed: the TOML library tells
// lines only for syntax errors. It walks the text once and knows just enough of the grammar (strings,
// comments, nested arrays, inline tables, dotted and quoted keys) not to be fooled by a value.

/// The way to a table, key or array element: names, and `[n]` counted from 1 for elements.
typealias TOMLPath = [String]

struct TOMLLocator {
    private let bytes: [UInt8]
    private var at = 0
    private var line = 1
    private var lines: [TOMLPath: Int] = [:]
    /// How often `[[path]]` was seen.
    private var elements: [TOMLPath: Int] = [:]
    private var section: TOMLPath = []

    private init(_ text: String) {
        bytes = Array(text.utf8)
    }

    /// The line (from 1) of everything in `text`, a valid document.
    static func lines(of text: String) -> [TOMLPath: Int] {
        var locator = TOMLLocator(text)
        if locator.bytes.starts(with: [0xef, 0xbb, 0xbf]) { locator.at = 3 }
        locator.document()
        return locator.lines
    }

    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func document() {
        while true {
            skipBlank()
            guard let byte = next else { return }
            let before = at
            if byte == UInt8(ascii: "[") { header() } else { pair(in: section) }
            if at == before { at += 1 }
        }
    }

    /// `[a.b]` or `[[a.b]]`.
    private mutating func header() {
        let start = line
        at += 1
        let isElement = next == UInt8(ascii: "[")
        if isElement { at += 1 }
        let names = keys()
        var path: TOMLPath = []
        for (index, name) in names.enumerated() {
            path.append(name)
            let isLast = index == names.count - 1
            if isElement, isLast {
                note(path, start)
                elements[path, default: 0] += 1
            }
            if let count = elements[path] { path.append("[\(count)]") }
            note(path, start)
        }
        section = path
        while next == UInt8(ascii: "]") { at += 1 }
    }

    /// `a.b = value`.
    private mutating func pair(in base: TOMLPath) {
        var path = base
        for name in keys() {
            path.append(name)
            note(path, line)
        }
        skipSpaces()
        guard next == UInt8(ascii: "=") else { return }
        at += 1
        skipSpaces()
        value(path)
    }

    private mutating func value(_ path: TOMLPath) {
        switch next {
        case UInt8(ascii: "\""), UInt8(ascii: "'"): _ = string()
        case UInt8(ascii: "["):
            var count = 0
            container(until: UInt8(ascii: "]")) { locator in
                count += 1
                locator.note(path + ["[\(count)]"], locator.line)
                locator.value(path + ["[\(count)]"])
            }
        case UInt8(ascii: "{"): container(until: UInt8(ascii: "}")) { $0.pair(in: path) }
        default:
            while let byte = next, !",]}#\n".utf8.contains(byte) { at += 1 }
        }
    }

    private mutating func container(until end: UInt8, _ element: (inout TOMLLocator) -> Void) {
        at += 1
        while true {
            skipBlank()
            guard let byte = next else { return }
            let before = at
            if byte == end || byte == UInt8(ascii: ",") { at += 1 } else { element(&self) }
            if byte == end { return }
            if at == before { at += 1 }
        }
    }

    private mutating func keys() -> [String] {
        var names: [String] = []
        repeat {
            if !names.isEmpty { at += 1 }
            skipSpaces()
            if next == UInt8(ascii: "\"") || next == UInt8(ascii: "'") {
                names.append(string())
            } else {
                let start = at
                while let byte = next, !" \t.=]\n".utf8.contains(byte) { at += 1 }
                names.append(String(decoding: bytes[start..<at], as: UTF8.self))
            }
            skipSpaces()
        } while next == UInt8(ascii: ".")
        return names
    }

    /// Passes a string of any of the four kinds; returns its text as a key would mean it.
    private mutating func string() -> String {
        let quote = bytes[at]
        let isTriple = bytes[at...].starts(with: [quote, quote, quote])
        let fence = isTriple ? [quote, quote, quote] : [quote]
        at += fence.count
        let start = at
        while let byte = next, !bytes[at...].starts(with: fence) {
            if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") { at += 1 }
            if next == UInt8(ascii: "\n") { line += 1 }
            at += 1
        }
        let end = min(at, bytes.count)
        at = min(at + fence.count, bytes.count)
        // Up to two more quotes may belong to the end of a triple-quoted string.
        if isTriple { while next == quote { at += 1 } }
        let text = String(decoding: bytes[start..<end], as: UTF8.self)
        guard quote == UInt8(ascii: "\""), text.contains("\\") else { return text }
        guard case .string(let meant)? = TOMLNode.parseValue("\"\(text)\"") else { return text }
        return meant
    }

    private mutating func note(_ path: TOMLPath, _ line: Int) {
        if lines[path] == nil { lines[path] = line }
    }

    private mutating func skipSpaces() {
        while let byte = next, byte == 0x20 || byte == 0x09 { at += 1 }
    }

    /// Spaces, line breaks and comments.
    private mutating func skipBlank() {
        while let byte = next {
            switch byte {
            case 0x20, 0x09, 0x0d: at += 1
            case 0x0a:
                at += 1
                line += 1
            case UInt8(ascii: "#"):
                while let byte = next, byte != 0x0a { at += 1 }
            default: return
            }
        }
    }
}
