// A certificate for `demo --tls`, made on the spot and gone with the demo.

import ArgumentParser
import Crypto
import FoundationEssentials
import Glibc
import Ground
import SwiftASN1
import X509

/// A self-signed certificate for this machine's loopback names, with its key, in a folder of its own.
struct DemoCertificate {
    private let folder: PrivateFolder
    /// PEM; what tools have to trust.
    var path: String { folder.path + "/certificate.pem" }
    private var keyPath: String { folder.path + "/key.pem" }
    /// What the proxy's configuration needs.
    var settings: [String] { ["listen.tls_certificate=\(path)", "listen.tls_key=\(keyPath)"] }

    private static let hour: TimeInterval = 3_600

    init() throws {
        folder = try TemporaryFolder.make()
        do {
            let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
            try Self.write(try Self.certificate(key).serializeAsPEM().pemString, path)
            try Self.write(try key.serializeAsPEM().pemString, keyPath)
        } catch {
            folder.remove()
            complain("no certificate can be made: \(error)")
            throw ExitCode.failure
        }
    }

    func remove() { folder.remove() }

    /// It ends in a month: nearer ends are told as warnings.
    private static func certificate(_ key: Certificate.PrivateKey) throws -> Certificate {
        let name = try DistinguishedName { CommonName("clash-proxy demo") }
        return try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
            notValidBefore: Date.now - hour, notValidAfter: Date.now + 30 * 24 * hour, issuer: name, subject: name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                KeyUsage(digitalSignature: true, keyCertSign: true)
                try ExtendedKeyUsage([.serverAuth])
                SubjectAlternativeNames([
                    .dnsName("localhost"), .ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1])),
                    .ipAddress(ASN1OctetString(contentBytes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])),
                ])
            },
            issuerPrivateKey: key)
    }

    private struct Unwritten: Error {}

    /// For this user's eyes only.
    private static func write(_ text: String, _ path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Unwritten() }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else { throw Unwritten() }
    }
}
