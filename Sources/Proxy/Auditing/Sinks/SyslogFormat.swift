// Records as syslog messages (RFC 5424): the message is the record's line, byte for byte.

import Audit
import Ground

/// Makes messages. Immutable.
struct SyslogFormat: Sendable {
    /// Facility 13, "log audit", at severity 5, "notice".
    private static let priority = 13 * 8 + 5
    /// What the payload of a datagram can hold (RFC 5426 section 3.2, over IPv4).
    static let maxDatagram = 65_507

    private let host: String
    private let process: Int32

    /// - Parameters:
    ///   - host: this machine's name; what a header cannot have becomes `-`.
    ///   - process: the process id.
    init(host: String, process: Int32) {
        let safe = host.unicodeScalars.prefix(255).map { (0x21...0x7E).contains($0.value) ? Character($0) : "-" }
        self.host = safe.isEmpty ? "-" : String(safe)
        self.process = process
    }

    /// A message behind its length (RFC 6587 section 3.4.1), for streams.
    func appendFrame(_ record: FollowedRecord, to out: inout [UInt8]) {
        let header = header(record)
        out.append(decimal: UInt64(header.utf8.count + record.line.count))
        out.append(0x20)
        out += header.utf8
        out += record.line
    }

    /// A message for a datagram of its own, without snapshot, and cut where it is too long all the same.
    func datagram(_ record: FollowedRecord) -> [UInt8] {
        let header = Array(header(record).utf8)
        return header + record.shortened(to: Self.maxDatagram - header.count)
    }

    private func header(_ record: FollowedRecord) -> String {
        "<\(Self.priority)>1 \(record.time) \(host) clash-proxy \(process) \(record.event) - "
    }
}
