// Certificates that change while the proxy runs.

import Glibc
import TestCertificates
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)), .enabled(if: Shell.has("openssl"), "openssl (apt) shows certificates here"))
struct TLSReloadTests {
    /// The serial number of the certificate that new connections see.
    private func serial(_ rig: Rig) async throws -> String {
        try await Shell.run(
            "openssl s_client -connect 127.0.0.1:\(rig.port) </dev/null 2>/dev/null | openssl x509 -noout -serial")
    }

    /// The serial number of one in a file.
    private func serial(_ path: String) async throws -> String {
        try await Shell.run("openssl x509 -noout -serial -in \(path)")
    }

    /// Less than the minute that is promised.
    private func aWhile(_ rig: Rig) { rig.clock.advance(by: .seconds(50)) }

    /// Lets as much time pass as it takes until the log says so: a look that was under way saw what was there before.
    private func said(_ rig: Rig, _ parts: String...) async throws {
        try await eventually("the log says \(parts)", seen: { " in \(rig.applicationLog.text)" }) {
            aWhile(rig)
            return rig.applicationLog.lines.contains { line in parts.allSatisfy { line.contains($0) } }
        }
    }

    @Test("changed files are taken by themselves within a minute; connections that are open go on")
    func fileSwap() async throws {
        try await withTLS { rig, files in
            let before = try await serial(rig)
            #expect(try await serial(files.certificate) == before)
            try files.write(files.server(), "server")
            aWhile(rig)
            _ = try await rig.applicationLog.line(with: "TLS certificate taken")
            let after = try await serial(rig)
            #expect(after != before)
            #expect(try await serial(files.certificate) == after)
        }
    }

    @Test("symbolic links that are swapped, as Kubernetes does it, are taken")
    func symlinkSwap() async throws {
        try await withTLS { options, files in
            let root = files.path("secret")
            #expect(mkdir(root, 0o700) == 0 && mkdir("\(root)/..1", 0o700) == 0 && mkdir("\(root)/..2", 0o700) == 0)
            for folder in ["..1", "..2"] { try files.write(files.server(), "secret/\(folder)/tls") }
            #expect(symlink("..1", "\(root)/..data") == 0)
            for name in ["tls.pem", "tls.key"] { #expect(symlink("..data/\(name)", "\(root)/\(name)") == 0) }
            options.flags += ["listen.tls_certificate=\(root)/tls.pem", "listen.tls_key=\(root)/tls.key"]
        } _: { rig, files in
            let root = files.path("secret")
            #expect(try await serial(rig) == serial("\(root)/..1/tls.pem"))
            #expect(symlink("..2", "\(root)/..new") == 0 && rename("\(root)/..new", "\(root)/..data") == 0)
            aWhile(rig)
            _ = try await rig.applicationLog.line(with: "TLS certificate taken")
            #expect(try await serial(rig) == serial("\(root)/..2/tls.pem"))
        }
    }

    @Test("a pair of which one file is still old keeps the old one, says so once, and is tried again")
    func mismatch() async throws {
        try await withTLS { rig, files in
            let before = try await serial(rig)
            let next = try files.server()
            try TestCertificate.write(next.pem, to: files.certificate)
            try await said(rig, "TLS files cannot be used", "listen.tls_key")
            #expect(try await serial(rig) == before)
            aWhile(rig)
            // Moved into its place: a look at half a key would be told, too.
            try TestCertificate.write(next.keyPEM, to: files.path("next.key"))
            #expect(rename(files.path("next.key"), files.key) == 0)
            try await said(rig, "TLS certificate taken")
            #expect(try await serial(rig) != before)
            #expect(rig.applicationLog.lines.count { $0.contains("TLS files cannot be used") } == 1)
        }
    }

    @Test("an expired certificate, and one that is missing, are not taken either")
    func expired() async throws {
        try await withTLS { rig, files in
            let before = try await serial(rig)
            try files.write(files.server(days: (-3, -1)), "server")
            try await said(rig, "TLS files cannot be used", "expired since")
            #expect(unlink(files.certificate) == 0)
            try await said(rig, "TLS files cannot be used", "No such file")
            #expect(try await serial(rig) == before)
        }
    }

    @Test("the end of a certificate is told as it comes near, and when it is there")
    func expiry() async throws {
        try await withTLS { rig, _ in
            rig.clock.advance(by: .seconds(17 * 86_400))
            _ = try await rig.applicationLog.line(with: "warning", "TLS certificate ends")
            rig.clock.advance(by: .seconds(14 * 86_400))
            _ = try await rig.applicationLog.line(with: "error", "TLS certificate has expired")
        }
    }
}
