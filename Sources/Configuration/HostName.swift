// Hosts as addresses and URLs name them.

import Ground

extension HostName {
    /// The host of a URL or address: a v6 address in brackets (returned without them), a v4 address, or a name.
    static func parse(_ text: Substring) throws(ValueProblem) -> String {
        if text.hasPrefix("["), text.hasSuffix("]") {
            let inner = String(text.dropFirst().dropLast())
            guard addressBytes(inner)?.count == 16 else {
                throw ValueProblem("has no IPv6 address in its brackets")
            }
            return inner.lowercased()
        }
        if text.contains(":") { throw ValueProblem("has an IPv6 address without [brackets]") }
        let name = String(text).lowercased()
        let isName = name.utf8.allSatisfy { byte in
            (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) || [0x2d, 0x2e, 0x5f].contains(byte)
        }
        guard isName, !name.isEmpty, name.utf8.count <= 253, !name.hasPrefix("."), !name.contains("..") else {
            throw ValueProblem("has no valid host name")
        }
        // What ends in a number is an address (WHATWG URL, "ends in a number"), never a name.
        if let last = name.split(separator: ".").last, last.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            addressBytes(name)?.count != 4
        {
            throw ValueProblem("has no valid IPv4 address")
        }
        return name
    }

    /// Whether a socket bound to one and a socket bound to the other would be in each other's way on one port.
    static func collide(_ left: String, _ right: String) -> Bool {
        if left == right { return true }
        let pair: Set = [left, right]
        if !pair.isDisjoint(with: ["0.0.0.0", "::"]) { return true }
        return pair.contains("localhost") && !pair.isDisjoint(with: ["127.0.0.1", "::1"])
    }

    /// A port or count written with digits only (`Int` would also take a sign).
    static func number(_ text: Substring) -> Int? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
    }
}
