// rediss://: the certificate is always checked.

import Ground
import TestCertificates
import TestSupport
import Testing

@testable import Fleet

@Suite(.enabled(if: RedisProcess.isInstalled, "redis-server is not installed"), .timeLimit(.minutes(2)))
struct RedisTLSTests {
    private struct Rig {
        let folder: TemporaryFolder
        let server: RedisProcess

        init(names: [String], days: (Double, Double) = (-1, 30)) async throws {
            folder = try TemporaryFolder()
            let authority = try TestCertificate("an authority", isAuthority: true)
            let leaf = try TestCertificate("a server", issuer: authority, names: names, days: days)
            try TestCertificate.write(authority.pem, to: folder.path + "/ca.pem")
            try TestCertificate.write(leaf.pem, to: folder.path + "/cert.pem")
            try TestCertificate.write(leaf.keyPEM, to: folder.path + "/key.pem")
            let path = folder.path
            server = try await RedisProcess(
                [
                    "--tls-cert-file", path + "/cert.pem", "--tls-key-file", path + "/key.pem", "--tls-ca-cert-file",
                    path + "/ca.pem", "--tls-auth-clients", "no",
                ], isTLS: true)
        }

        func end() {
            server.end()
            folder.remove()
        }

        func join(host: String, authorities: String?) async throws -> Result<FleetJoined, FleetError> {
            let tls = try RedisTLS(authorities: authorities)
            let ledger = RedisLedger(RedisServers(port: server.port, tls: tls, host: host))
            return await result { () throws(FleetError) in try await ledger.join(FleetHello(1, .sample())) }
        }
    }

    @Test("a certificate of the authority in ca_file, for the name or address in the URL, is accepted")
    func right() async throws {
        let rig = try await Rig(names: ["DNS:localhost", "IP:127.0.0.1"])
        defer { rig.end() }
        for host in ["localhost", "127.0.0.1"] {
            let joined = try await rig.join(host: host, authorities: rig.folder.path + "/ca.pem")
            #expect(try joined.get().view.members == [FleetMemberID(1)])
        }
    }

    @Test("another authority, another name and a certificate that is over are a cut in words")
    func wrong() async throws {
        let rig = try await Rig(names: ["DNS:elsewhere.example"])
        defer { rig.end() }
        let old = try await Rig(names: ["DNS:localhost"], days: (-9, -1))
        defer { old.end() }
        for joined in [
            try await rig.join(host: "localhost", authorities: nil),
            try await rig.join(host: "localhost", authorities: rig.folder.path + "/ca.pem"),
            try await old.join(host: "localhost", authorities: old.folder.path + "/ca.pem"),
        ] {
            guard case .failure(.cut(let why)) = joined else { throw NeverHappened(what: "a cut: \(joined)") }
            #expect(why.hasPrefix("rediss://localhost:") && why.contains("TLS failed"), "\(why)")
        }
    }

    @Test("a plain server, or a ca_file without a certificate, is named")
    func unusable() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try TestCertificate.write("nothing", to: folder.path + "/ca.pem")
        for path in ["/ca.pem", "/none.pem"] {
            #expect(throws: RedisTrouble.self) { try RedisTLS(authorities: folder.path + path) }
        }
        let plain = try await RedisProcess()
        defer { plain.end() }
        let ledger = RedisLedger(
            RedisServers(port: plain.port, tls: try RedisTLS(authorities: nil)), fleet: "0", maxLag: .seconds(1),
            group: testLoops, time: .system, times: RedisLedger.Times(link: .seconds(10), looks: .patient),
            clock: .server)
        let joined = await result { () throws(FleetError) in try await ledger.join(FleetHello(1, .sample())) }
        guard case .failure(.cut(let why)) = joined else { throw NeverHappened(what: "a cut: \(joined)") }
        // It waits for the rest of what it takes for a command.
        #expect(why.contains("TLS failed") || why.contains("does not answer in time"), "\(why)")
    }
}
