// What a file that the configuration names must hold. What libcurl would refuse at the first call, or the token endpoint
// with no more than "invalid_client", is told at start.

import Audit
import Ground

/// What a key wants of its file.
package enum FileContent: Sendable {
    /// It can be read.
    case any
    /// PEM certificates (RFC 7468), at least one.
    case certificates
    /// A client secret.
    case credential
    /// A user name, a colon and a password.
    case userAndPassword
    /// A key that signs checkpoints.
    case signingKey
    /// This user can run it.
    case program

    /// Whether it is a secret of this proxy's.
    var isCredential: Bool {
        switch self {
        case .credential, .userAndPassword, .signingKey: true
        case .any, .certificates, .program: false
        }
    }

    /// What is wrong with these bytes; nil when nothing is.
    func problem(_ bytes: [UInt8]) -> String? {
        switch self {
        case .any, .program: nil
        case .certificates: Self.holdsCertificate(bytes) ? nil : "holds no PEM certificate"
        case .credential: CredentialText.problem(file: bytes)
        case .userAndPassword:
            CredentialText.problem(file: bytes)
                ?? (UserAndPassword(file: bytes) == nil ? "holds no user:password" : nil)
        case .signingKey: Self.signingKeyProblem(bytes)
        }
    }

    private static func signingKeyProblem(_ bytes: [UInt8]) -> String? {
        do throws(NoteProblem) {
            _ = try NoteSigningKey(parsing: String(decoding: bytes, as: UTF8.self))
            return nil
        } catch {
            return error.description
        }
    }

    /// Whether a certificate stands between its two marks: base64 of a DER SEQUENCE.
    private static func holdsCertificate(_ bytes: [UInt8]) -> Bool {
        var body: [UInt8]?
        for line in bytes.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
            let text = String(decoding: line.trimmedBlanks, as: UTF8.self)
            if text.hasPrefix("-----BEGIN "), text.hasSuffix("CERTIFICATE-----") {
                body = []
            } else if text.hasPrefix("-----END ") {
                if let body, isCertificate(body) { return true }
                body = nil
            } else {
                body?.append(contentsOf: text.utf8)
            }
        }
        return false
    }

    /// A SEQUENCE (0x30) begins with `M` in base64; a certificate is never shorter than a hundred bytes.
    private static func isCertificate(_ body: [UInt8]) -> Bool {
        let digits = body.prefix { $0 != UInt8(ascii: "=") }
        let isBase64 = digits.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
                || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "/")
        }
        let padding = body.count - digits.count
        return isBase64 && padding <= 2 && body.count % 4 == 0 && body.count > 100 && body.first == UInt8(ascii: "M")
    }
}
