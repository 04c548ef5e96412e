// What the certificate of a client calls its holder.

import Ground
import SwiftASN1
import X509

enum CertificateNames {
    /// The common names of the subject, then the alternative names that are DNS names, URIs (such as SPIFFE ids), e-mail
    /// addresses and IP addresses. Empty for a certificate that cannot be read.
    static func of(_ der: [UInt8]) -> [String] {
        guard let certificate = try? Certificate(derEncoded: der) else { return [] }
        let common = certificate.subject.lazy.flatMap { $0 }
            .filter { $0.type == .RDNAttributeType.commonName }
            .compactMap { String($0.value) }
        let alternative = (try? certificate.extensions.subjectAlternativeNames) ?? SubjectAlternativeNames()
        return Array(common) + alternative.compactMap(text)
    }

    private static func text(_ name: GeneralName) -> String? {
        switch name {
        case .dnsName(let text), .uniformResourceIdentifier(let text), .rfc822Name(let text): text
        case .ipAddress(let octets) where [4, 16].contains(octets.bytes.count): HostName.text(of: Array(octets.bytes))
        default: nil
        }
    }
}
