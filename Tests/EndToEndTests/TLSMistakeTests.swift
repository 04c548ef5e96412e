// Certificates that cannot be used: `check` and the start say which, and exit with 78.

import TestCertificates
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)), .enabled(if: Program.isBuilt)) struct TLSMistakeTests {
    /// What `check` and `serve` say; both with the same exit code.
    private func told(_ files: TLSFolder, _ more: String = "") async throws -> String {
        let settings = files.flags.map { "--set \($0)" }.joined(separator: " ")
        var all = ""
        for command in ["check", "serve"] {
            let text = try await Shell.run(
                "cd \(files.folder.path) && env -i \(Program.path) \(command) --set token.client_id=a --set token.client_secret=b "
                    + "--set listen.address=127.0.0.1:0 --set admin.address= \(settings) \(more) 2>&1 >/dev/null; echo exit=$?"
            )
            #expect(text.contains("exit=78"), "\(command): \(text)")
            all += text
        }
        return all
    }

    @Test("a key of another certificate")
    func mismatch() async throws {
        let files = try TLSFolder()
        defer { files.remove() }
        try TestCertificate.write(try files.server().keyPEM, to: files.key)
        #expect(
            try await told(files).contains(
                "listen.tls_key: \"\(files.key)\" is not the key of the certificate CN=proxy"))
    }

    @Test("expired, and not yet valid, with dates")
    func dates() async throws {
        let files = try TLSFolder()
        defer { files.remove() }
        try files.write(files.server(days: (-30, -2)), "server")
        let expired = try await told(files)
        #expect(expired.contains("listen.tls_certificate: \"\(files.certificate)\" is expired since 20"), "\(expired)")
        try files.write(files.server(days: (2, 30)), "server")
        let early = try await told(files)
        #expect(early.contains("is not valid before 20") && early.contains("(now 20"), "\(early)")
    }

    @Test("a chain in the wrong order, and one with a gap")
    func order() async throws {
        let files = try TLSFolder()
        defer { files.remove() }
        let middle = try TestCertificate("middle", issuer: files.authority, isAuthority: true)
        let leaf = try TestCertificate("leaf", issuer: middle, names: ["DNS:localhost"])
        try TestCertificate.write(leaf.keyPEM, to: files.key)
        try TestCertificate.write(middle.pem + leaf.pem, to: files.certificate)
        #expect(try await told(files).contains("the certificate of the key is number 2 and must be the first"))
        try TestCertificate.write(leaf.pem + files.authority.pem, to: files.certificate)
        #expect(try await told(files).contains("number 1 is signed by CN=middle, and number 2 is CN=authority"))
        let expired = try TestCertificate("middle", issuer: files.authority, days: (-3, -1), isAuthority: true)
        let below = try TestCertificate("leaf", issuer: expired)
        try files.write(below, "server")
        try TestCertificate.write(below.pem + expired.pem, to: files.certificate)
        #expect(try await told(files).contains("number 2 of the chain is expired since"))
    }

    @Test("no certificate, no key, an encrypted key, an authority that is none")
    func contents() async throws {
        let files = try TLSFolder()
        defer { files.remove() }
        try TestCertificate.write("x", to: files.path("empty"))
        #expect(
            try await told(files, "--set listen.client_ca=\(files.path("empty"))").contains("listen.client_ca: "))
        #expect(try await told(files, "--set listen.tls_key=\(files.path("empty"))").contains("holds no PEM key"))
        #expect(try await told(files, "--set listen.tls_key=\(files.path("none"))").contains("listen.tls_key: "))
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIHs\n-----END ENCRYPTED PRIVATE KEY-----\n"
        try TestCertificate.write(encrypted, to: files.key)
        #expect(try await told(files).contains("is encrypted"))
    }
}
