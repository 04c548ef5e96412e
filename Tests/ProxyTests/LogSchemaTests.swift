// docs/log.schema.json says what lines of both logs hold as JSON; the lines hold that and nothing else.

import FoundationEssentials
import Glibc
import Logging
import Testing

@testable import Configuration
@testable import Proxy

/// A JSON value.
private enum JSONValue: Decodable, Equatable {
    case null, bool(Bool), number(Double), text(String), list([JSONValue]), object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let bool = try? value.decode(Bool.self) {
            self = .bool(bool)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else if let text = try? value.decode(String.self) {
            self = .text(text)
        } else if let list = try? value.decode([JSONValue].self) {
            self = .list(list)
        } else {
            self = .object(try value.decode([String: JSONValue].self))
        }
    }

    subscript(_ name: String) -> JSONValue? { if case .object(let members) = self { members[name] } else { nil } }
    var members: [String: JSONValue] { if case .object(let members) = self { members } else { [:] } }
    var texts: [String] {
        guard case .list(let list) = self else { return [] }
        return list.compactMap { if case .text(let text) = $0 { text } else { nil } }
    }
}

/// As much of JSON Schema as the document uses.
private struct Schema {
    let root: JSONValue

    init() throws {
        let file = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/docs/log.schema.json"
        root = try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: URL(filePath: file)))
    }

    func definition(_ name: String) -> JSONValue { root["$defs"]?[name] ?? .null }

    /// What is wrong with a value; nil when nothing is.
    func fault(_ value: JSONValue, _ schema: JSONValue, at place: String = "line") -> String? {
        if case .text(let reference)? = schema["$ref"] {
            let name = String(reference.split(separator: "/").last ?? "")
            if let fault = fault(value, definition(name), at: place) { return fault }
        }
        if case .list(let choices)? = schema["oneOf"] {
            let faults = choices.map { fault(value, $0, at: place) }
            return faults.count { $0 == nil } == 1 ? nil : "\(place): \(faults)"
        }
        if case .list(let choices)? = schema["enum"], !choices.contains(value) {
            return "\(place) is none of \(choices)"
        }
        switch (schema["type"], value) {
        case (nil, _), (.text("string"), .text), (.text("number"), .number), (.text("object"), .object): break
        case (.text("integer"), .number(let number)) where number.rounded() == number: break
        default: return "\(place) is of another type"
        }
        if case .number(let least)? = schema["minimum"], case .number(let number) = value, number < least {
            return "\(place) is below \(least)"
        }
        if case .text(let pattern)? = schema["pattern"], case .text(let text) = value,
            (try? Regex(pattern).wholeMatch(in: text)) == nil
        {
            return "\(place) does not match \(pattern)"
        }
        return faultOfMembers(value, schema, at: place)
    }

    private func faultOfMembers(_ value: JSONValue, _ schema: JSONValue, at place: String) -> String? {
        for name in schema["required"]?.texts ?? [] where value[name] == nil { return "\(place) lacks \(name)" }
        for (name, member) in value.members {
            if let known = schema["properties"]?[name] {
                if let fault = fault(member, known, at: "\(place).\(name)") { return fault }
            } else if schema["additionalProperties"] == .bool(false) {
                return "\(place) has \(name)"
            } else if let rest = schema["additionalProperties"], let fault = fault(member, rest, at: "\(place).\(name)")
            {
                return fault
            }
        }
        return nil
    }
}

@Suite struct LogSchemaTests {
    private func line(_ record: ExchangeRecord, _ outcome: Outcome) throws -> JSONValue {
        var builder = LineBuilder()
        builder.text("{\"time\":\"2026-01-05T10:00:00.123Z")
        AccessLog.json(record, outcome, total: .milliseconds(3), to: &builder)
        return try JSONDecoder().decode(JSONValue.self, from: Data(builder.bytes))
    }

    @Test("a line of the access log holds what the schema names: the least it can, and all of it")
    func accessLog() throws {
        let schema = try Schema()
        let access = schema.definition("access")
        var record = ExchangeRecord(correlationID: "i", peer: "127.0.0.1", started: .now)
        let least = try line(record, .refused(.invalidRequest))
        #expect(schema.fault(least, schema.root) == nil)
        #expect(Set(least.members.keys) == Set(access["required"]?.texts ?? []))
        record.via = "jwt"
        record.person = ("https://issuer", "s")
        record.trace = TraceID(high: 1, low: 2)
        record.cache = .hit(ttl: 1)
        record.upstreamID = "u"
        record.detail = "d"
        for source in [AnswerSource.cache, .upstream, .proxy] {
            record.source = source
            let all = try line(record, .answered)
            #expect(schema.fault(all, schema.root) == nil)
            #expect(Set(all.members.keys) == Set(access["properties"]?.members.keys ?? [:].keys))
            #expect(all["trace_id"] == .text("00000000000000010000000000000002"))
        }
        let words = ["key", "jwt", "certificate", "unix", "anonymous", "token"].map { word in
            schema.fault(.text(word), access["properties"]?["via"] ?? .null)
        }
        #expect(
            words.map { $0 == nil } == [false, true, true, true, false, true],
            "who has a key, or nothing, is not said so")
    }

    @Test("a line of the application log holds what the schema names, and facts that are strings")
    func applicationLog() throws {
        var ends: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutablePointer(to: &ends) {
            $0.withMemoryRebound(to: Int32.self, capacity: 2) { pipe($0) }
        }
        #expect(made == 0)
        let writer = LineWriter(descriptor: ends.1)
        var config = Config.Log()
        (config.format, config.level) = (.json, .trace)
        let settings = LogSettings(config)
        let logger = Logger(label: "test") { _ in
            LineLogHandler(settings: settings, writer: writer, environment: .test())
        }
        let tag = RequestTag(id: "i", caller: "c", trace: TraceID(high: 1, low: 2))
        for level in Logger.Level.allCases { logger.log(level: level, "x \"y\"", metadata: tag.facts) }
        logger.notice("plain", metadata: ["seconds": "\(3)"])
        settings.change(to: Config.Log())
        logger.debug("not said at this level")
        writer.close()
        close(ends.1)
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        bytes.removeLast(bytes.count - max(0, read(ends.0, &bytes, bytes.count)))
        close(ends.0)
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        #expect(lines.count == Logger.Level.allCases.count + 1)
        let schema = try Schema()
        for line in lines {
            let value = try JSONDecoder().decode(JSONValue.self, from: Data(line.utf8))
            #expect(schema.fault(value, schema.root) == nil, "\(line)")
        }
        let first = try JSONDecoder().decode(JSONValue.self, from: Data(try #require(lines.first).utf8))
        #expect(first["trace_id"] == .text("00000000000000010000000000000002") && first["caller"] == .text("c"))
    }

    @Test("the schema refuses what is no line of ours")
    func refuses() throws {
        let schema = try Schema()
        for text in [
            #"{"time":"x","level":"info","message":"m"}"#, #"{"level":"info","message":"m"}"#,
            #"{"time":"2026-01-05T10:00:00.123Z","level":"loud","message":"m"}"#,
            #"{"time":"2026-01-05T10:00:00.123Z","level":"info","message":"m","n":1}"#, "[]",
        ] {
            let value = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
            #expect(schema.fault(value, schema.root) != nil, "\(text)")
        }
    }
}
