// Addresses as numbers, and networks of them: who may say where a request comes from is decided by these, so an IPv4
// address is the same whether it comes as itself or mapped into IPv6.

/// An IPv4 or IPv6 address. One that is mapped into IPv6 (RFC 4291 section 2.5.5.2) is the IPv4 address.
package struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    /// 4 or 16.
    package let bytes: [UInt8]

    /// Nil unless there are 4 or 16 bytes.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = bytes.count == 16 && bytes.starts(with: Self.mappedPrefix) ? Array(bytes.suffix(4)) : Array(bytes)
    }

    /// Nil for what is no numeric address: names, brackets, ports, zones.
    package init?(_ text: String) {
        guard let bytes = HostName.addressBytes(text) else { return nil }
        self.init(bytes: bytes)
    }

    /// The usual text.
    package var description: String { HostName.text(of: bytes) }

    fileprivate static let mappedPrefix: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
}

/// An address, or all addresses that begin with the same bits (CIDR, RFC 4632).
package struct NetworkRange: Sendable, Hashable {
    /// 4 or 16 bytes, those beyond the prefix zero.
    package let bytes: [UInt8]
    /// Of so many bits.
    package let prefixLength: Int

    /// - Parameters:
    ///   - bytes: 4 or 16, those beyond the prefix zero. Of IPv4 addresses mapped into IPv6 it is the IPv4 network.
    ///   - prefixLength: at most the number of their bits.
    package init(bytes: [UInt8], prefixLength: Int) {
        if bytes.count == 16, prefixLength >= 96, bytes.starts(with: IPAddress.mappedPrefix) {
            (self.bytes, self.prefixLength) = (Array(bytes.suffix(4)), prefixLength - 96)
        } else {
            (self.bytes, self.prefixLength) = (bytes, prefixLength)
        }
    }

    /// Whether `address` is one of them. An IPv4 address is in IPv4 networks only.
    package func contains(_ address: IPAddress) -> Bool {
        guard address.bytes.count == bytes.count else { return false }
        let whole = prefixLength / 8
        guard address.bytes[..<whole].elementsEqual(bytes[..<whole]) else { return false }
        let rest = UInt8(prefixLength % 8)
        return rest == 0 || (address.bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0
    }
}
