// Hosts as addresses and URLs name them, and what counts as loopback. Loopback decides whether callers
// may be anonymous and whether plain http is accepted, so only unmistakable spellings qualify.

import Glibc

/// Rules for hosts.
package enum HostName {
    /// Whether `host` (v6 without brackets) can only mean this machine: `localhost`, 127.0.0.0/8, ::1, and their v4-mapped
    /// forms. Everybody who asks this asks here.
    package static func isLoopback(_ host: String) -> Bool {
        if host.lowercased() == "localhost" { return true }
        if let bytes = addressBytes(host, family: AF_INET, count: 4) { return bytes[0] == 127 }
        guard let bytes = addressBytes(host, family: AF_INET6, count: 16) else { return false }
        let mapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
        return mapped ? bytes[12] == 127 : bytes[..<15].allSatisfy { $0 == 0 } && bytes[15] == 1
    }

    /// The host of a URL or address: a v6 address in brackets (returned without them), a v4 address, or a name.
    static func parse(_ text: Substring) throws(ValueProblem) -> String {
        if text.hasPrefix("["), text.hasSuffix("]") {
            let inner = String(text.dropFirst().dropLast())
            guard addressBytes(inner, family: AF_INET6, count: 16) != nil else {
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
            addressBytes(name, family: AF_INET, count: 4) == nil
        {
            throw ValueProblem("has no valid IPv4 address")
        }
        return name
    }

    /// The 4 or 16 bytes of a numeric address without brackets; nil for anything else.
    package static func addressBytes(_ text: String) -> [UInt8]? {
        addressBytes(text, family: AF_INET, count: 4) ?? addressBytes(text, family: AF_INET6, count: 16)
    }

    /// The usual text of 4 or 16 bytes.
    package static func text(of bytes: [UInt8]) -> String {
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &buffer, socklen_t(buffer.count))
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func addressBytes(_ text: String, family: Int32, count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        return inet_pton(family, text, &bytes) == 1 ? bytes : nil
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
