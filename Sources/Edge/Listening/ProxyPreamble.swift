// The PROXY protocol, versions 1 and 2: what a proxy in front says of a connection before anything else on it
// (haproxy, doc/proxy-protocol.txt). Pure: bytes in, what they say out.

import Ground

/// The preamble of a connection.
enum ProxyPreamble {
    enum Step: Equatable {
        /// Its end has not come yet.
        case more
        /// It takes so many bytes. `source`: whom it names; nil for nobody (LOCAL, UNKNOWN, UNSPEC, unix sockets).
        case complete(length: Int, source: IPAddress?)
        /// It is none, or not to be understood, however it goes on.
        case broken(Problem)
    }

    /// What is wrong with it, for people.
    enum Problem: String {
        case missing = "there is no PROXY preamble"
        case malformed = "the PROXY preamble is malformed"
        case tooLong = "the PROXY preamble is too long"
    }

    /// A line of version 1 is never longer, its end included.
    static let maxLineBytes = 107
    /// Of a preamble of version 2, with all that it says besides the addresses.
    static let maxBytes = 4_096

    private static let lineStart = Array("PROXY ".utf8)
    private static let signature: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]

    /// Reads the preamble at the beginning of `bytes`: all that has come on a connection so far.
    static func read(_ bytes: some RandomAccessCollection<UInt8>) -> Step {
        let bytes = Array(bytes.prefix(maxBytes))
        guard let first = bytes.first else { return .more }
        let mark = first == lineStart[0] ? lineStart : signature
        guard mark.starts(with: bytes.prefix(mark.count)) else { return .broken(.missing) }
        guard bytes.count > mark.count else { return .more }
        return first == lineStart[0] ? line(bytes) : block(bytes)
    }

    /// Whether `bytes`, the first on a connection, begin a preamble; nil while that is open.
    static func isBegun(by bytes: some RandomAccessCollection<UInt8>) -> Bool? {
        guard let first = bytes.first else { return nil }
        let mark = first == lineStart[0] ? lineStart : signature
        guard mark.starts(with: bytes.prefix(mark.count)) else { return false }
        return bytes.count >= mark.count ? true : nil
    }

    // MARK: Version 1

    /// `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443` and CR LF.
    private static func line(_ bytes: [UInt8]) -> Step {
        guard let end = bytes.prefix(maxLineBytes).firstIndex(of: 0x0A) else {
            return bytes.count >= maxLineBytes ? .broken(.tooLong) : .more
        }
        guard bytes[end - 1] == 0x0D else { return .broken(.malformed) }
        let words = bytes[lineStart.count..<(end - 1)].split(separator: 0x20, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        switch words[0] {
        // What stands behind it is not to be looked at.
        case "UNKNOWN": return .complete(length: end + 1, source: nil)
        case "TCP4", "TCP6":
            let size = words[0] == "TCP4" ? 4 : 16
            guard words.count == 5, let source = address(words[1], size), address(words[2], size) != nil,
                isPort(words[3]), isPort(words[4])
            else { return .broken(.malformed) }
            return .complete(length: end + 1, source: source)
        default: return .broken(.malformed)
        }
    }

    private static func address(_ text: String, _ size: Int) -> IPAddress? {
        guard let bytes = HostName.addressBytes(text), bytes.count == size else { return nil }
        return IPAddress(bytes: bytes)
    }

    /// 0 to 65535, without zeros before it.
    private static func isPort(_ text: String) -> Bool {
        guard (1...5).contains(text.utf8.count), text.utf8.allSatisfy(ASCII.isDigit), let port = Int(text) else {
            return false
        }
        return port <= 65_535 && (text.utf8.count == 1 || text.utf8.first != UInt8(ascii: "0"))
    }

    // MARK: Version 2

    private static let headBytes = 16

    /// The signature, version and command, family and transport, the length of the rest; the addresses; and what is
    /// skipped.
    private static func block(_ bytes: [UInt8]) -> Step {
        let command = bytes[12]
        guard command == 0x20 || command == 0x21 else { return .broken(.malformed) }
        guard bytes.count >= headBytes else { return .more }
        let isLocal = command == 0x20
        let addressBytes = isLocal ? 0 : Self.addressBytes(of: bytes[13])
        let length = headBytes + Int(bytes[14]) << 8 + Int(bytes[15])
        guard let addressBytes, length >= headBytes + addressBytes else { return .broken(.malformed) }
        guard length <= maxBytes else { return .broken(.tooLong) }
        guard bytes.count >= length else { return .more }
        // Half of the addresses, less the two ports.
        let size = addressBytes == 12 ? 4 : addressBytes == 36 ? 16 : 0
        return .complete(length: length, source: IPAddress(bytes: bytes[headBytes..<(headBytes + size)]))
    }

    /// How many bytes the addresses of a family take: over TCP, unix sockets, or unspecified. Nil for any other, which a
    /// connection is not.
    private static func addressBytes(of family: UInt8) -> Int? {
        switch family {
        case 0x00: 0
        case 0x11: 12
        case 0x21: 36
        case 0x31: 216
        default: nil
        }
    }
}
