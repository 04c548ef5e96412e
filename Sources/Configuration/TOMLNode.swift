// The one file that knows the TOML library: text in, a plain tree out. Also writes TOML literals.
// The library holds strings as C strings, so a NUL would silently cut a value short: refused here.

import Audit
import TOMLKit

/// A value of a TOML document.
enum TOMLNode: Sendable, Equatable {
    case string(String)
    case integer(Int)
    case float(Double)
    case boolean(Bool)
    case date(String)
    case array([TOMLNode])
    case table([String: TOMLNode])

    /// For messages: "a string".
    var kind: String {
        switch self {
        case .string: "a string"
        case .integer: "an integer"
        case .float: "a number with a fraction"
        case .boolean: "a boolean"
        case .date: "a date or time"
        case .array: "an array"
        case .table: "a table"
        }
    }
}

/// A document that is not TOML, and where.
struct TOMLSyntaxError: Error {
    var line: Int
    var message: String
}

extension TOMLNode {
    /// Reads a document.
    static func parse(_ text: String) throws(TOMLSyntaxError) -> [String: TOMLNode] {
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
        where line.utf8.contains(0) || line.contains("\\u0000") || line.contains("\\U00000000") {
            throw TOMLSyntaxError(line: index + 1, message: "a NUL character, which no value can hold")
        }
        do {
            return contents(of: try TOMLTable(string: text))
        } catch let error as TOMLParseError {
            throw TOMLSyntaxError(line: error.source.begin.line, message: message(error.description))
        } catch {
            throw TOMLSyntaxError(line: 1, message: "\(error)")
        }
    }

    /// Reads one value such as `["a", "b"]`; nil if it is not TOML.
    static func parseValue(_ text: String) -> TOMLNode? {
        // A line break would let the text smuggle in further keys.
        guard !text.contains(where: \.isNewline) else { return nil }
        return (try? parse("value = \(text)"))?["value"]
    }

    /// The library's words, without its preamble and without the numbers it quotes: a number may be a secret.
    private static func message(_ text: String) -> String {
        if text.contains("could not determine value type") { return "a value of no known type (texts need quotes)" }
        if text.contains("not representable") || text.contains("could not be interpreted") {
            return "a number that is too large or no number"
        }
        let preamble = "Error while parsing "
        return text.hasPrefix(preamble) ? String(text.dropFirst(preamble.count)) : text
    }

    private static func contents(of table: TOMLTable) -> [String: TOMLNode] {
        var contents: [String: TOMLNode] = [:]
        for (key, value) in table { contents[key] = TOMLNode(value) }
        return contents
    }

    private init(_ value: any TOMLValueConvertible) {
        switch value.type {
        case .string: self = .string(value.string ?? "")
        case .int: self = .integer(value.int ?? 0)
        case .double: self = .float(value.double ?? 0)
        case .bool: self = .boolean(value.bool ?? false)
        case .array: self = .array((value.array.map(Array.init) ?? []).map(TOMLNode.init))
        case .table: self = .table(value.table.map(Self.contents) ?? [:])
        case .date, .time, .dateTime: self = .date(value.tomlValue.debugDescription)
        }
    }
}

extension TOMLNode {
    /// The value as TOML on one line.
    var literal: String {
        switch self {
        case .string(let text): Self.quoted(text)
        case .integer(let number): String(number)
        case .float(let number): String(number)
        case .boolean(let flag): String(flag)
        case .date(let text): text
        case .array(let elements): "[" + elements.map(\.literal).joined(separator: ", ") + "]"
        case .table(let members):
            "{ "
                + members.sorted { $0.key < $1.key }.map { "\(Self.quoted($0.key)) = \($0.value.literal)" }
                .joined(separator: ", ") + " }"
        }
    }

    /// `text` as a basic string (TOML 1.0, "String").
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case _ where !PrintableText.isPlain(scalar):
                let hex = String(scalar.value, radix: 16)
                let (mark, width) = hex.count > 4 ? ("\\U", 8) : ("\\u", 4)
                quoted += mark + String(repeating: "0", count: width - hex.count) + hex
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
