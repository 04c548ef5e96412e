// Text for terminals. Names, reasons and ids come from tools: none of them may move the cursor, change the title of a
// window or turn the reading direction of what stands beside it.

/// Makes text fit to be printed.
public enum PrintableText {
    /// With U+FFFD in the place of each scalar that a terminal would obey or reorder, line ends included.
    public static func plain(_ text: String) -> String {
        mapped(text) { _, out in out.append("\u{FFFD}") }
    }

    /// With such scalars as `\\u001B`: nothing of them is lost.
    public static func escaped(_ text: String) -> String {
        mapped(text) { scalar, out in escape(scalar, &out) }
    }

    /// Several lines: their ends stay, and between them such scalars stand as `\\u001B`.
    public static func lines(_ text: String) -> String {
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F || $0 == 0x0A }) { return text }
        var out = String.UnicodeScalarView()
        let scalars = Array(text.unicodeScalars)
        for (index, scalar) in scalars.enumerated() {
            let isReturn = scalar == "\r" && index + 1 < scalars.count && scalars[index + 1] == "\n"
            if scalar == "\n" || isReturn || isPlain(scalar) { out.append(scalar) } else { escape(scalar, &out) }
        }
        return String(out)
    }

    /// A JSON text on one line, which means the same afterwards: such scalars stand inside its strings only.
    public static func json(_ text: String) -> String { escaped(text) }

    private static func mapped(
        _ text: String, _ replace: (Unicode.Scalar, inout String.UnicodeScalarView) -> Void
    ) -> String {
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return text }
        var out = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if isPlain(scalar) { out.append(scalar) } else { replace(scalar, &out) }
        }
        return String(out)
    }

    /// Whether a terminal shows the scalar as it is: it neither obeys it nor turns what stands beside it.
    public static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        // Format characters are those for the reading direction, among others.
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: false
        default: true
        }
    }

    /// RFC 8259 section 7: beyond the first plane as two.
    private static func escape(_ scalar: Unicode.Scalar, _ out: inout String.UnicodeScalarView) {
        for unit in String(scalar).utf16 {
            let hex = String(unit, radix: 16, uppercase: true)
            out.append(contentsOf: ("\\u" + String(repeating: "0", count: 4 - hex.count) + hex).unicodeScalars)
        }
    }
}
