// Host and port out of `Host` and absolute-form targets, and what counts as this machine.

import Ground

/// A host with an optional port, as in the `Host` header (RFC 9110, 7.2).
package struct Authority: Equatable, Sendable {
    /// Lower-cased, without the brackets of an IPv6 address.
    package let host: String
    /// 0 to 65535; nil where none stands there.
    package let port: Int?

    /// Nil when the text is not `host`, `host:port`, `[v6]` or `[v6]:port` of plain characters. The check is strict
    /// because the text ends up inside links that tools follow.
    package init?(_ text: some StringProtocol) {
        var rest = Substring(text)
        if rest.utf8.first == UInt8(ascii: "[") {
            guard let end = rest.firstIndex(of: "]") else { return nil }
            let inside = rest[rest.index(after: rest.startIndex)..<end]
            let isAddress = !inside.isEmpty && inside.utf8.allSatisfy { $0.isHexDigit || $0 == 0x3A || $0 == 0x2E }
            guard isAddress, inside.contains(":") else { return nil }
            host = inside.lowercased()
            rest = rest[rest.index(after: end)...]
        } else {
            let name = Substring(rest.utf8.prefix { $0 != UInt8(ascii: ":") })
            guard !name.isEmpty, name.utf8.allSatisfy({ $0.isHostNameByte }) else { return nil }
            host = name.lowercased()
            rest = rest[name.endIndex...]
        }
        if rest.isEmpty {
            port = nil
        } else {
            let digits = Substring(rest.utf8.dropFirst())
            guard rest.utf8.first == UInt8(ascii: ":"), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                return nil
            }
            if digits.isEmpty {
                port = nil
            } else {
                guard let number = Int(digits), (0...65_535).contains(number) else { return nil }
                port = number
            }
        }
    }

    /// `localhost`, names below it, and loopback addresses: names that DNS cannot rebind.
    package var isLoopback: Bool { HostName.isLoopback(host) || host.hasSuffix(".localhost") }
}

extension UInt8 {
    fileprivate var isHexDigit: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x46, 0x61...0x66: true
        default: false
        }
    }

    fileprivate var isHostNameByte: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
    }
}
