// `Prefer: wait=N` is an instruction to this proxy, and so is `dry-run` on a delete; every other preference is upstream's
// (RFC 7240).

import Ground
import HTTPTypes

enum Prefer {
    /// The shortest `wait` of whole seconds, or nil. Any other `wait` says nothing.
    static func wait(in fields: HTTPFields) -> Duration? {
        guard fields.contains(.prefer) else { return nil }
        var shortest: Int?
        for field in fields where field.name == .prefer {
            field.withUnsafeBytesOfValue { bytes in
                guard let elements = elements(bytes) else { return }
                for element in elements where isWait(bytes[element]) {
                    guard let seconds = seconds(bytes[element]) else { continue }
                    shortest = min(shortest ?? seconds, seconds)
                }
            }
        }
        return shortest.map { .seconds($0) }
    }

    /// Whether a delete is only asked about: `dry-run`, which has no value, in a list that can be read.
    static func asksDryRun(_ fields: HTTPFields) -> Bool {
        guard fields.contains(.prefer) else { return false }
        return fields[fields: .prefer].contains { field in
            field.withUnsafeBytesOfValue { bytes in
                (elements(bytes) ?? fragments(bytes)).contains { isNamed("dry-run", bytes[$0]) }
            }
        }
    }

    /// Takes every `wait` out, whatever it says, and leaves the other preferences as they were.
    static func removeWait(from fields: inout HTTPFields) { remove("wait", from: &fields) }

    /// The same for `dry-run`.
    static func removeDryRun(from fields: inout HTTPFields) { remove("dry-run", from: &fields) }

    private static func remove(_ name: String, from fields: inout HTTPFields) {
        guard fields.contains(.prefer) else { return }
        var kept = HTTPFields()
        kept.reserveCapacity(fields.count)
        for field in fields {
            if field.name == .prefer {
                if let rest = without(name, field) { kept.append(rest) }
            } else {
                kept.append(field)
            }
        }
        fields = kept
    }

    /// Nil when nothing is left of it.
    private static func without(_ name: String, _ field: HTTPField) -> HTTPField? {
        field.withUnsafeBytesOfValue { bytes in
            let all = elements(bytes) ?? fragments(bytes)
            let others = all.filter { !isNamed(name, bytes[$0]) }
            if others.count == all.count { return field }
            if others.isEmpty { return nil }
            let value = others.map { Array(bytes[$0].trimmedBlanks) }.joined(separator: ", ".utf8)
            return HTTPField(name: field.name, value: Array(value))
        }
    }

    private typealias Bytes = Slice<UnsafeBufferPointer<UInt8>>

    /// Where the elements of the list are that are not empty; commas in quoted strings part nothing. Nil when a quote is
    /// where none may be, or is not closed: others may find the end of such a string elsewhere.
    private static func elements(_ bytes: UnsafeBufferPointer<UInt8>) -> [Range<Int>]? {
        var elements: [Range<Int>] = []
        var (start, index, isQuoted) = (0, 0, false)
        /// The byte before, blanks aside.
        var last = UInt8(ascii: ",")
        func end(at index: Int) {
            if !bytes[start..<index].trimmedBlanks.isEmpty { elements.append(start..<index) }
        }
        while index < bytes.count {
            let byte = bytes[index]
            switch byte {
            case UInt8(ascii: "\""):
                guard isQuoted || last == UInt8(ascii: "=") else { return nil }
                isQuoted.toggle()
            case UInt8(ascii: "\\") where isQuoted: index += 1
            case _ where isQuoted, 0x20, 0x09: break
            case UInt8(ascii: ","):
                end(at: index)
                start = index + 1
            case UInt8(ascii: ";"): break
            default: if last == UInt8(ascii: "\"") { return nil }
            }
            if byte != 0x20, byte != 0x09 { last = byte }
            index += 1
        }
        guard !isQuoted else { return nil }
        end(at: bytes.count)
        return elements
    }

    /// What lies between the commas of a list that cannot be read: no `wait` is passed on in it, wherever others see one.
    private static func fragments(_ bytes: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
        var fragments: [Range<Int>] = []
        var start = 0
        for end in bytes.indices.filter({ bytes[$0] == UInt8(ascii: ",") }) + [bytes.count] {
            if !bytes[start..<end].trimmedBlanks.isEmpty { fragments.append(start..<end) }
            start = end + 1
        }
        return fragments
    }

    private static func isWait(_ element: Bytes) -> Bool { isNamed("wait", element) }

    /// A preference of that name, with or without a value and parameters. In lower case.
    private static func isNamed(_ name: String, _ element: Bytes) -> Bool {
        element.prefix { $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: ";") }.trimmedBlanks
            .elementsEqual(name.utf8) { ($0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0) == $1 }
    }

    /// The value of a `wait` that is a whole number, plain or quoted; at most a day.
    private static func seconds(_ element: Bytes) -> Int? {
        let name = element.prefix { $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: ";") }
        guard name.endIndex < element.endIndex, element[name.endIndex] == UInt8(ascii: "=") else { return nil }
        var value = element[(name.endIndex + 1)...].prefix { $0 != UInt8(ascii: ";") }.trimmedBlanks
        if value.count >= 2, value.first == UInt8(ascii: "\""), value.last == UInt8(ascii: "\"") {
            value = value.dropFirst().dropLast()
        }
        guard !value.isEmpty, value.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return value.reduce(0) { min($0 * 10 + Int($1 - 0x30), 86_400) }
    }
}
