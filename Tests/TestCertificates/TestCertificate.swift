// Certificates for tests: any names, any dates, any authority. Made with swift-certificates, checked by whoever is tested.

import Crypto
import FoundationEssentials
import SwiftASN1
import X509

/// A certificate with its key.
public struct TestCertificate: Sendable {
    private let certificate: Certificate
    private let key: Certificate.PrivateKey

    /// PEM of the certificate alone.
    public let pem: String
    /// PEM of its key.
    public let keyPEM: String
    /// DER of the certificate.
    public let der: [UInt8]

    /// - Parameters:
    ///   - name: its common name.
    ///   - issuer: who signs it; nil: itself.
    ///   - names: alternative names as openssl writes them: `DNS:a`, `URI:spiffe://a/b`, `email:a@b`, `IP:127.0.0.1`.
    ///   - days: from when to when it is valid, in days from now.
    ///   - isAuthority: whether it may sign others.
    public init(
        _ name: String, issuer: TestCertificate? = nil, names: [String] = [], days: (Double, Double) = (-1, 30),
        isAuthority: Bool = false
    ) throws {
        key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let subject = try DistinguishedName { CommonName(name) }
        let alternative = names.map(Self.generalName)
        certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
            notValidBefore: Date.now + days.0 * 86_400, notValidAfter: Date.now + days.1 * 86_400,
            issuer: issuer?.certificate.subject ?? subject, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                if isAuthority {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                    KeyUsage(digitalSignature: true, keyCertSign: true)
                } else {
                    Critical(BasicConstraints.notCertificateAuthority)
                }
                if !alternative.isEmpty { SubjectAlternativeNames(alternative) }
            },
            issuerPrivateKey: issuer?.key ?? key)
        let document = try certificate.serializeAsPEM()
        (pem, der) = (document.pemString + "\n", document.derBytes)
        keyPEM = try key.serializeAsPEM().pemString + "\n"
    }

    /// Writes a text to a file for this user.
    public static func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path))
    }

    private static func generalName(_ text: String) -> GeneralName {
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        switch parts[0] {
        case "URI": return .uniformResourceIdentifier(parts[1])
        case "email": return .rfc822Name(parts[1])
        case "IP":
            return .ipAddress(
                ASN1OctetString(contentBytes: parts[1].split(separator: ".").compactMap { UInt8($0) }[...]))
        default: return .dnsName(parts[1])
        }
    }
}
