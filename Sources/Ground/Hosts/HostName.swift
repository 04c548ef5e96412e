// What counts as loopback. It decides whether callers may be anonymous and whether plain http is accepted, so only
// unmistakable spellings qualify.

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
}
