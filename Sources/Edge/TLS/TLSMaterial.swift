// A certificate chain with its key, judged and made ready for handshakes.
//
// Not NIOCertificateReloading: it judges neither dates nor the order of a chain, has no part in the authority of clients,
// reads its own clock, and parses the chain anew in every handshake. A whole context is one pointer to swap.

import Ground
import NIOCore
import NIOSSL
import SwiftASN1
import X509

/// What handshakes need. Immutable, usable from every thread.
struct TLSMaterial: Sendable {
    /// For connections of tools: asks for certificates where there is an authority for them.
    let tools: NIOSSLContext
    /// For connections of operators, who have a key: never asks for one.
    let operators: NIOSSLContext
    /// Who signs the certificates of tools; nil: they are not asked for any.
    let authority: ClientAuthority?
    /// The certificate of the chain that ends first: its number from 1, and the second (of 1970) it ends with.
    let firstToEnd: (number: Int, end: Int64)

    /// Ciphers of TLS 1.2: forward secrecy and authenticated encryption, nothing else. Those of 1.3 are all sound.
    private static let ciphers = [
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    ].joined(separator: ":")

    /// Judges what was read. `now`: seconds of 1970.
    init(_ bytes: TLSFileBytes, now: Int64) throws(TLSFileError) {
        let chain = try Self.certificates(bytes.certificate, .certificate)
        let key = try Self.key(bytes.key)
        try Self.judge(try Self.parsed(chain, .certificate), key: key.parsed)
        firstToEnd = try Self.judgeDates(chain, now: now)
        let authorities = try bytes.clientCA.map { bytes throws(TLSFileError) in
            try Self.certificates(bytes, .clientCA)
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key.ready))
        configuration.minimumTLSVersion = .tlsv12
        configuration.cipherSuites = Self.ciphers
        configuration.applicationProtocols = ConnectionPipeline.protocols
        // What we end is ended: whoever has to read an answer first is waited for by the connection.
        configuration.shutdownTimeout = .zero
        operators = try Self.context(configuration, .certificate)
        authority = authorities.map { authorities in
            ClientAuthority(authorities.compactMap { try? Certificate(derEncoded: $0.toDERBytes()) })
        }
        if let authorities {
            configuration.certificateVerification = .noHostnameVerification
            configuration.trustRoots = .certificates(authorities)
            configuration.sendCANameList = true
            tools = try Self.context(configuration, .clientCA)
        } else {
            tools = operators
        }
    }

    private static func context(
        _ configuration: TLSConfiguration, _ file: TLSFiles.Kind
    ) throws(TLSFileError) -> NIOSSLContext {
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw TLSFileError(.unusable, file, "cannot be used for TLS: \(error)")
        }
    }

    // MARK: Reading

    private static func certificates(
        _ bytes: [UInt8], _ file: TLSFiles.Kind
    ) throws(TLSFileError) -> [NIOSSLCertificate] {
        guard let certificates = try? NIOSSLCertificate.fromPEMBytes(bytes), !certificates.isEmpty else {
            throw TLSFileError(.unusable, file, "holds no PEM certificate, or one that is damaged")
        }
        return certificates
    }

    private static func parsed(
        _ chain: [NIOSSLCertificate], _ file: TLSFiles.Kind
    ) throws(TLSFileError) -> [Certificate] {
        do {
            return try chain.map { try Certificate(derEncoded: $0.toDERBytes()) }
        } catch {
            throw TLSFileError(.unusable, file, "holds a certificate that breaks RFC 5280: \(error)")
        }
    }

    private static func key(
        _ bytes: [UInt8]
    ) throws(TLSFileError) -> (ready: NIOSSLPrivateKey, parsed: Certificate.PrivateKey) {
        let text = String(decoding: bytes, as: UTF8.self)
        guard !text.contains("ENCRYPTED") else {
            throw TLSFileError(.unusable, .key, "is encrypted, and nobody is there to ask for its password")
        }
        guard let document = try? PEMDocument.parseMultiple(pemString: text).first(where: { $0.isKey }),
            let parsed = try? Certificate.PrivateKey(pemDocument: document),
            let ready = try? NIOSSLPrivateKey(bytes: Array(document.pemString.utf8), format: .pem)
        else { throw TLSFileError(.unusable, .key, "holds no PEM key (RSA, EC or Ed25519)") }
        return (ready, parsed)
    }

    // MARK: Judging

    /// The first certificate is the key's, and each is signed by the next.
    private static func judge(_ chain: [Certificate], key: Certificate.PrivateKey) throws(TLSFileError) {
        guard let place = chain.firstIndex(where: { $0.publicKey == key.publicKey }) else {
            throw TLSFileError(.mismatch, .key, "is not the key of the certificate \(chain[0].subject)")
        }
        guard place == 0 else {
            throw TLSFileError(
                .wrongOrder, .certificate,
                "is in the wrong order: the certificate of the key is number \(place + 1) and must be the first")
        }
        for (offset, certificate) in chain.enumerated().dropLast() where certificate.issuer != chain[offset + 1].subject
        {
            throw TLSFileError(
                .wrongOrder, .certificate,
                "is in the wrong order: number \(offset + 1) is signed by \(certificate.issuer), "
                    + "and number \(offset + 2) is \(chain[offset + 1].subject)")
        }
    }

    private static func judgeDates(
        _ chain: [NIOSSLCertificate], now: Int64
    ) throws(TLSFileError) -> (number: Int, end: Int64) {
        var first = (number: 1, end: Int64.max)
        for (offset, certificate) in chain.enumerated() {
            let (start, end) = (Int64(certificate.notValidBefore), Int64(certificate.notValidAfter))
            let which = chain.count == 1 ? "is" : "number \(offset + 1) of the chain is"
            if end < now {
                throw TLSFileError(
                    .expired, .certificate, "\(which) expired since \(RFC3339.text(end)) (now \(RFC3339.text(now)))")
            }
            if start > now {
                throw TLSFileError(
                    .notYetValid, .certificate,
                    "\(which) not valid before \(RFC3339.text(start)) (now \(RFC3339.text(now)))")
            }
            if end < first.end { first = (offset + 1, end) }
        }
        return first
    }
}

extension PEMDocument {
    fileprivate var isKey: Bool { discriminator.hasSuffix("PRIVATE KEY") }
}
