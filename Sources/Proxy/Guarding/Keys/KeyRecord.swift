// A record of the keys' file as a line: 16 hex digits of the SHA-256 of what follows, a space, one JSON object.

import ClashAPI
import Crypto
import Ground
import HTTPTypes

extension KeyBook.Record {
    /// The line, with its end.
    var line: [UInt8] {
        let text = Array(object.text.utf8)
        return Self.sum(text[...]) + [0x20] + text + [0x0A]
    }

    /// Nil for what is no such line, without its end.
    init?(line: ArraySlice<UInt8>) {
        guard line.count > 17, line[line.startIndex + 16] == 0x20 else { return nil }
        let text = line.dropFirst(17)
        guard line.prefix(16).elementsEqual(Self.sum(text)), let json = JSON(Array(text)) else { return nil }
        self.init(json)
    }

    private static func sum(_ text: ArraySlice<UInt8>) -> [UInt8] {
        Array(Hex.text(Array(SHA256.hash(data: text).prefix(8))).utf8)
    }

    private var object: JSONObject {
        var object = JSONObject()
        switch self {
        case .claimed(let claim):
            object.add("event", "claimed")
            object.add("key", claim.key.id)
            object.add("owner", claim.key.owner)
            object.add("request", claim.key.request)
            object.add("time", Int(claim.time))
            object.add("id", claim.id)
            object.add("start", claim.start?.json)
            object.add("known", claim.known?.json)
            object.add("crowded", claim.isCrowded)
        case .crowded(let id):
            object.add("event", "crowded")
            object.add("key", id)
        case .answered(let id, let answer):
            object.add("event", "answered")
            object.add("key", id)
            object.add("status", answer.status)
            // Values may hold any byte.
            object.add("names", answer.fields.map(\.name.rawName))
            object.add("values", answer.fields.map { Base64.encodeURL($0.withUnsafeBytesOfValue { Array($0) }) })
            object.add("body", answer.body.map { Base64.encodeURL($0) })
        case .released(let id):
            object.add("event", "released")
            object.add("key", id)
        }
        return object
    }

    private init?(_ json: JSON) {
        guard let id = json["key"]?.string else { return nil }
        switch json["event"]?.string {
        case "claimed":
            guard let owner = json["owner"]?.string, let request = json["request"]?.string,
                let time = json["time"]?.number.flatMap({ Int64(exactly: $0) }), let first = json["id"]?.string
            else { return nil }
            self = .claimed(
                KeyBook.Claim(
                    key: CallKey(id: id, owner: owner, request: request), time: time, id: first,
                    start: json["start"].flatMap { RunStart(json: $0) },
                    known: json["known"].flatMap { KnownRuns(json: $0) }, isCrowded: json["crowded"] != .bool(false)))
        case "crowded": self = .crowded(id)
        case "answered":
            guard let status = json["status"]?.number.flatMap({ Int(exactly: $0) }), (200..<600).contains(status),
                let fields = Self.fields(json)
            else { return nil }
            let body = json["body"]?.string
            let bytes = body.flatMap { Base64.decodeURL($0.utf8) }
            guard body == nil || bytes != nil else { return nil }
            self = .answered(id, KeptAnswer(status: status, fields: fields, body: bytes))
        case "released": self = .released(id)
        default: return nil
        }
    }

    private static func fields(_ json: JSON) -> HTTPFields? {
        guard let names = json["names"]?.array, let values = json["values"]?.array, names.count == values.count else {
            return nil
        }
        var fields = HTTPFields()
        for (name, value) in zip(names, values) {
            guard let name = name.string.flatMap({ HTTPField.Name($0) }),
                let value = value.string.flatMap({ Base64.decodeURL($0.utf8) })
            else { return nil }
            fields.append(HTTPField(name: name, value: value))
        }
        return fields
    }
}
