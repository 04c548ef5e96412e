// Addresses and networks: who is in, who is not, whatever way they are written.

import Ground
import Testing

@Suite struct NetworkTests {
    private static func range(_ text: String) throws -> NetworkRange {
        let parts = text.split(separator: "/")
        let bytes = try #require(HostName.addressBytes(String(parts[0])))
        return NetworkRange(bytes: bytes, prefixLength: parts.count > 1 ? Int(parts[1]) ?? 0 : bytes.count * 8)
    }

    @Test(
        "an address is in a network when it begins with the network's bits",
        arguments: [
            ("10.0.0.0/8", "10.255.255.255", true), ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "9.255.255.255", false), ("192.0.2.128/25", "192.0.2.127", false),
            ("192.0.2.128/25", "192.0.2.128", true), ("192.0.2.4/30", "192.0.2.7", true),
            ("192.0.2.4/30", "192.0.2.8", false), ("192.0.2.7", "192.0.2.7", true), ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "203.0.113.1", true), ("0.0.0.0/0", "2001:db8::1", false), ("::/0", "2001:db8::1", true),
            ("::/0", "203.0.113.1", false), ("fd00::/8", "fdff::1", true), ("fd00::/8", "fe00::1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true), ("2001:db8::/33", "2001:db8:8000::1", false),
            ("::1", "::1", true), ("::1", "127.0.0.1", false), ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true), ("::ffff:10.0.0.0/104", "::ffff:11.1.2.3", false),
            ("::ffff:192.0.2.7", "192.0.2.7", true), ("::ffff:0:0/96", "8.8.8.8", true), ("::/95", "8.8.8.8", false),
        ])
    func contains(network: String, address: String, isIn: Bool) throws {
        let address = try #require(IPAddress(address))
        #expect(try Self.range(network).contains(address) == isIn)
    }

    @Test("an address has one text, and what is none is refused")
    func addresses() {
        #expect(IPAddress("::ffff:192.0.2.7")?.description == "192.0.2.7")
        #expect(IPAddress("2001:DB8:0:0::1")?.description == "2001:db8::1")
        #expect(IPAddress("::ffff:192.0.2.7") == IPAddress("192.0.2.7"))
        for text in [
            "", "unix", "localhost", "[::1]", "192.0.2.7:80", "192.0.2", "192.0.2.07.1", "fe80::1%eth0", "1", " ::1",
        ] {
            #expect(IPAddress(text) == nil, "\(text)")
        }
        for count in [0, 3, 5, 15, 17] { #expect(IPAddress(bytes: [UInt8](repeating: 1, count: count)) == nil) }
    }
}
