// The files of a TLS listener and of its clients, in a folder of a test's own.

import TestCertificates
import TestSupport

/// Certificates of an authority and of whoever a test needs. Removed with `remove`.
struct TLSFolder: Sendable {
    let folder: TemporaryFolder
    let authority: TestCertificate

    var certificate: String { path("server.pem") }
    var key: String { path("server.key") }
    /// What tools have to trust, and what the proxy trusts of them.
    var ca: String { path("ca.pem") }
    /// What the proxy is started with.
    var flags: [String] { ["listen.tls_certificate=\(certificate)", "listen.tls_key=\(key)"] }

    private static let names = ["DNS:localhost", "IP:127.0.0.1"]

    init() throws {
        folder = try TemporaryFolder()
        authority = try TestCertificate("authority", isAuthority: true)
        try TestCertificate.write(authority.pem, to: path("ca.pem"))
        try write(server(), "server")
    }

    func path(_ name: String) -> String { "\(folder.path)/\(name)" }

    /// A certificate for the proxy.
    func server(days: (Double, Double) = (-1, 30)) throws -> TestCertificate {
        try TestCertificate("proxy", issuer: authority, names: Self.names, days: days)
    }

    /// Puts certificate and key in `NAME.pem` and `NAME.key`.
    func write(_ made: TestCertificate, _ name: String) throws {
        try TestCertificate.write(made.pem, to: path("\(name).pem"))
        try TestCertificate.write(made.keyPEM, to: path("\(name).key"))
    }

    /// What curl needs to know of the proxy, and to show as a client where `client` is one of `write`.
    func curl(_ client: String? = nil) -> String {
        "curl -sS -m 20 --cacert \(ca)"
            + (client.map { " --cert \(path("\($0).pem")) --key \(path("\($0).key"))" } ?? "")
    }

    func remove() { folder.remove() }
}

/// A rig that speaks TLS.
func withTLS(
    _ change: (inout RigOptions, TLSFolder) throws -> Void = { _, _ in },
    _ body: (Rig, TLSFolder) async throws -> Void
) async throws {
    let files = try TLSFolder()
    defer { files.remove() }
    try await withRig { options in
        options.flags = files.flags
        try change(&options, files)
    } _: { rig in
        try await body(rig, files)
    }
}
