// Copies of the audit log by UDP, one datagram for each record.

import Glibc
import Ground
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct AuditSinkDatagramTests {
    @Test("UDP: a datagram for each record, without snapshots")
    func datagrams() async throws {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(socket) }
        let port = Self.bindUDP(socket)
        try await withRig { options in
            options.file = sink("udp", "udp://127.0.0.1:\(port)")
            options.flags = ["audit.snapshot=true"]
        } _: { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            #expect(try await rig.deleteReport(report, id: "c-1").status == 202)
            let lines = try AuditLogFile.lines(rig.auditFolder)
            #expect(lines.contains { $0.snapshot != nil })
            let received = try await Self.receive(socket, lines.count)
            let expected = lines.map { line in
                line.snapshot.map { line.text.replacing(",\"snapshot\":\($0)", with: "") } ?? line.text
            }
            #expect(received.map(SinkServer.body) == expected)
        }
    }

    @Test("UDP: a delete with a reason too long for a datagram is there all the same, cut, and says so")
    func longDatagram() async throws {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(socket) }
        let port = Self.bindUDP(socket)
        try await withRig { options in
            options.file = sink("udp", "udp://127.0.0.1:\(port)")
        } _: { rig async throws in
            // Each of them is one escape of six bytes in the record.
            let reason = String(repeating: "\u{85}", count: 13_000)
            _ = try await rig.deleteRun("none", id: "long-1", [("X-Audit-Reason", reason)])
            let lines = try AuditLogFile.lines(rig.auditFolder)
            #expect(lines.contains { $0.text.utf8.count > 65_507 })
            let received = try await Self.receive(socket, lines.count)
            let bodies = received.map(SinkServer.body)
            #expect(bodies.count == lines.count)
            #expect(bodies.filter { $0.contains("long-1") && $0.contains("\"cut\":[\"reason\"]") }.count == 2)
        }
    }

    /// Binds a socket to a free port of loopback.
    private static func bindUDP(_ socket: Int32) -> UInt16 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && getsockname(socket, $0, &length) == 0
            }
        } ? UInt16(bigEndian: address.sin_port) : 0
    }

    /// So many datagrams, or those that have come when none comes for 20 s.
    private static func receive(_ socket: Int32, _ count: Int) async throws -> [String] {
        try await onThread {
            var (texts, buffer) = ([String](), [UInt8](repeating: 0, count: 65_536))
            var limit = timeval(tv_sec: 20, tv_usec: 0)
            setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            while texts.count < count, case let bytes = recv(socket, &buffer, buffer.count, 0), bytes > 0 {
                texts.append(String(decoding: buffer[..<bytes], as: UTF8.self))
            }
            return texts
        }
    }
}
