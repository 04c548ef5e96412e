// A record that has to fit somewhere: without its snapshot, and where it is too long all the same with long values cut, which
// it says itself. Never left out: who made a record long could keep it from a reader.

import Ground

extension FollowedRecord {
    /// What is always whole.
    private static let whole: Set = ["seq", "time", "event", "intent", "prev", "hash"]
    /// What a value may have, in bytes; the first that makes the record fit.
    private static let rooms = [16_384, 8_192, 4_096, 1_024, 256, 64]

    /// Its line in at most `limit` bytes: without its snapshot, and where that does not do with `"cut":[…]` before `prev`, the
    /// names of the members that are not whole. Its hash is that of the whole record.
    ///
    /// - Parameter limit: some kilobytes at least.
    package func shortened(to limit: Int) -> [UInt8] {
        let line = withoutSnapshot
        if line.count <= limit { return line }
        var shortest = line
        for room in Self.rooms {
            shortest = Self.cut(line, room)
            if shortest.count <= limit { break }
        }
        return shortest
    }

    private static func cut(_ line: [UInt8], _ room: Int) -> [UInt8] {
        guard var members = JSONMembers(line.span) else { return line }
        var (out, names) = ([UInt8(ascii: "{")], [String]())
        while let member = members.next(in: line.span) {
            let name = line.span.text(member.key)
            if name == "prev", !names.isEmpty {
                out.append(#""cut":["#)
                out += names.map { "\"\($0)\"" }.joined(separator: ",").utf8
                out.append("],")
            }
            let value = line[member.value]
            out += line[(member.key.lowerBound - 1)..<member.value.lowerBound]
            if value.count > room, !whole.contains(name) {
                names.append(name)
                out += ShortJSON.cut(value, room)
            } else {
                out += value
            }
            out.append(0x2C)
        }
        out[out.count - 1] = UInt8(ascii: "}")
        return out
    }
}

/// The beginning of a JSON value as a value of its own, of bytes that our encoder has made.
enum ShortJSON {
    /// At most `room` bytes, 4 at least: of a text its beginning, of an array or object the members that fit, `null` of what else
    /// is too long.
    static func cut(_ value: ArraySlice<UInt8>, _ room: Int) -> [UInt8] {
        if value.count <= room { return Array(value) }
        switch value.first {
        case 0x22: return text(value, room)
        case 0x5B: return container(value, room, close: 0x5D)
        case 0x7B: return container(value, room, close: 0x7D)
        default: return Array("null".utf8)
        }
    }

    /// Whole characters and escapes only.
    private static func text(_ value: ArraySlice<UInt8>, _ room: Int) -> [UInt8] {
        let limit = value.startIndex + room - 1
        var (index, end) = (value.startIndex + 1, value.startIndex + 1)
        while index < value.endIndex - 1 {
            let byte = value[index]
            let length: Int
            switch byte {
            case 0x5C: length = index + 1 < value.endIndex && value[index + 1] == UInt8(ascii: "u") ? 6 : 2
            case 0xF0...: length = 4
            case 0xE0...: length = 3
            case 0xC0...: length = 2
            default: length = 1
            }
            guard index + length <= limit else { break }
            index += length
            // A pair of escapes is one character.
            if !isHighSurrogate(value, endingAt: index) { end = index }
        }
        return Array(value[..<end]) + [0x22]
    }

    /// Whether `\uD800` to `\uDBFF` stands right before `index`.
    private static func isHighSurrogate(_ value: ArraySlice<UInt8>, endingAt index: Int) -> Bool {
        guard index - 6 > value.startIndex, value[index - 6] == 0x5C, value[index - 5] == UInt8(ascii: "u"),
            value[index - 4] | 0x20 == UInt8(ascii: "d")
        else { return false }
        return [UInt8(ascii: "8"), UInt8(ascii: "9"), UInt8(ascii: "a"), UInt8(ascii: "b")].contains(
            value[index - 3] | 0x20)
    }

    /// The parts between commas at the outermost level, as long as they fit; of an object each value has a quarter of the room.
    private static func container(_ value: ArraySlice<UInt8>, _ room: Int, close: UInt8) -> [UInt8] {
        let (bytes, isObject) = (Array(value), close == 0x7D)
        var out = [bytes[0]]
        var index = 1
        while index < bytes.count - 1 {
            var part: [UInt8] = out.count == 1 ? [] : [0x2C]
            if isObject {
                guard let end = JSONSkip.string(bytes.span, at: index) else { break }
                part += bytes[index...end]
                index = end + 1
            }
            guard let end = JSONSkip.value(bytes.span, at: index) else { break }
            part += isObject ? cut(bytes[index..<end], max(8, room / 4)) : Array(bytes[index..<end])
            guard out.count + part.count < room else { break }
            out += part
            index = end + 1
        }
        return out + [close]
    }
}
