// The random JSON that the fuzz tests feed on.

import TestSupport

extension SeededGenerator {
    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

    mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &self)]
    }

    /// Cuts bytes into chunks of random length, empty ones included.
    mutating func chunks(of bytes: [UInt8], upTo longest: Int = 12) -> [[UInt8]] {
        var chunks: [[UInt8]] = []
        var start = 0
        while start < bytes.count {
            let length = min(Int.random(in: 0...longest, using: &self), bytes.count - start)
            chunks.append(Array(bytes[start..<start + length]))
            start += length
        }
        return chunks
    }

    /// The text of a random JSON document; names within an object do not repeat.
    mutating func document() -> String { blank() + value(depth: 0) + blank() }

    private mutating func value(depth: Int) -> String {
        switch Int.random(in: depth > 6 ? 2..<6 : 0..<6, using: &self) {
        case 0: return object(depth: depth)
        case 1: return array(depth: depth)
        case 2: return number()
        case 3: return pick(["true", "false", "null"])
        default: return string()
        }
    }

    private mutating func object(depth: Int) -> String {
        var names: Set<String> = []
        var members: [String] = []
        for index in 0..<Int.random(in: 0...5, using: &self) {
            let name = chance(30) ? pick(["\"_links\"", "\"href\"", "\"id\"", "\"operation\"", "\"jobs\""]) : string()
            let unique = names.insert(name).inserted ? name : "\"unique\(index)\""
            members.append(blank() + unique + blank() + ":" + blank() + value(depth: depth + 1) + blank())
        }
        return "{" + (members.isEmpty ? blank() : members.joined(separator: ",")) + "}"
    }

    private mutating func array(depth: Int) -> String {
        var elements: [String] = []
        for _ in 0..<Int.random(in: 0...5, using: &self) {
            elements.append(blank() + value(depth: depth + 1) + blank())
        }
        return "[" + (elements.isEmpty ? blank() : elements.joined(separator: ",")) + "]"
    }

    private mutating func number() -> String {
        var text = chance(30) ? "-" : ""
        text += chance(20) ? "0" : String(Int.random(in: 1...1_000_000, using: &self))
        if chance(30) { text += "." + String(Int.random(in: 0...9999, using: &self)) }
        if chance(20) {
            text += pick(["e", "E"]) + pick(["", "+", "-"]) + String(Int.random(in: 0...20, using: &self))
        }
        return text
    }

    private mutating func string() -> String {
        let parts = [
            "a", "Z", "7", " ", "/", "_links", "href", "é", "漢", "😀", "\u{7F}", "https://api.bentley.com/",
            "long plain text ",
            #"\""#, #"\\"#, #"\/"#, #"\b"#, #"\f"#, #"\n"#, #"\r"#, #"\t"#, #"\u0041"#, #"\u00e9"#, #"\uD83D\uDE00"#,
            #"\u0000"#, "{", "}", "[", "]", ":", ",",
        ]
        var text = ""
        for _ in 0..<Int.random(in: 0...8, using: &self) { text += pick(parts) }
        return "\"" + text + "\""
    }

    private mutating func blank() -> String {
        chance(70) ? "" : pick([" ", "\n", "\t", "\r\n", "   "])
    }
}
