// What a JSON document says, in a form in which two parsers' readings can be compared.

import Foundation

@testable import ClashAPI

indirect enum JSONTree: Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSONTree])
    case object([String: JSONTree])

    /// The reading of Foundation's parser; nil if it refuses the document.
    init?(reference bytes: [UInt8]) {
        let options: JSONSerialization.ReadingOptions = [.fragmentsAllowed]
        guard let value = try? JSONSerialization.jsonObject(with: Data(bytes), options: options) else { return nil }
        self.init(value)
    }

    private init(_ value: Any) {
        switch value {
        case let value as [String: Any]: self = .object(value.mapValues { JSONTree($0) })
        case let value as [Any]: self = .array(value.map { JSONTree($0) })
        case let value as String: self = .string(value)
        case let value as NSNumber:
            let isBool = String(cString: value.objCType) == "c"
            self = isBool ? .bool(value.boolValue) : .number(value.doubleValue)
        default: self = .null
        }
    }

    /// The reading of `JSONScanner`, fed with these chunks; nil if it refuses the document, or if the document has
    /// what the scanner leaves unchecked on purpose: escaped surrogates without partner, numbers beyond a Double.
    init?(scanning chunks: [[UInt8]]) {
        var builder = TreeBuilder()
        for chunk in chunks {
            guard builder.consume(chunk) else { return nil }
        }
        guard let tree = builder.finish() else { return nil }
        self = tree
    }
}

/// Builds a tree out of a scanner's events.
private struct TreeBuilder {
    private enum Open {
        case array([JSONTree])
        case object([String: JSONTree], name: String)
    }

    private var scanner = JSONScanner(maxDepth: JSONScanner.depthLimit)
    private var open: [Open] = []
    private var root: JSONTree?
    private var key = JSONTextReader(limit: 1 << 20)
    private var value = JSONTextReader(limit: 1 << 20)
    /// A number at top level is over only when the input is.
    private var lastNumber = ""

    mutating func consume(_ chunk: [UInt8]) -> Bool {
        let span = chunk.span
        var offset = 0
        while true {
            switch scanner.next(in: span, at: &offset) {
            case .objectStart: open.append(.object([:], name: ""))
            case .arrayStart: open.append(.array([]))
            case .objectEnd, .arrayEnd: close()
            case .key(let text):
                if key.add(text, in: span) {
                    guard let name = key.decodedString() else { return false }
                    setName(name)
                }
            case .string(let text):
                if value.add(text, in: span) {
                    guard let string = value.decodedString() else { return false }
                    add(.string(string))
                }
            case .number(let text):
                let isComplete = value.add(text, in: span)
                lastNumber = String(decoding: value.bytes, as: UTF8.self)
                if isComplete {
                    guard let number = Double(lastNumber), number.isFinite else { return false }
                    add(.number(number))
                }
            case .literal(.null): add(.null)
            case .literal(.true): add(.bool(true))
            case .literal(.false): add(.bool(false))
            case .needsInput: return true
            case .invalid: return false
            }
        }
    }

    mutating func finish() -> JSONTree? {
        guard scanner.finish() else { return nil }
        if let root { return root }
        guard let number = Double(lastNumber), number.isFinite else { return nil }
        return .number(number)
    }

    private mutating func setName(_ name: String) {
        if case .object(let members, _)? = open.last { open[open.count - 1] = .object(members, name: name) }
    }

    private mutating func close() {
        switch open.popLast() {
        case .array(let elements): add(.array(elements))
        case .object(let members, _): add(.object(members))
        case nil: break
        }
    }

    private mutating func add(_ tree: JSONTree) {
        switch open.last {
        case .array(let elements): open[open.count - 1] = .array(elements + [tree])
        case .object(var members, let name):
            members[name] = tree
            open[open.count - 1] = .object(members, name: name)
        case nil: root = tree
        }
    }
}
