// The files that TLS lives on, read as a whole.

import Glibc
import Ground

/// Where certificate chain, key and the authority of clients are found.
package struct TLSFiles: Equatable, Sendable {
    /// PEM: the certificate, then those that lead from it to an authority.
    package let certificate: String
    /// PEM; the key of the certificate.
    package let key: String
    /// PEM; who signs the certificates of clients. Nil: none is asked for.
    package let clientCA: String?

    /// See the properties.
    package init(certificate: String, key: String, clientCA: String?) {
        (self.certificate, self.key, self.clientCA) = (certificate, key, clientCA)
    }

    /// Which of them.
    package enum Kind: Sendable { case certificate, key, clientCA }

    /// Where that one is.
    package func path(of kind: Kind) -> String {
        switch kind {
        case .certificate: certificate
        case .key: key
        case .clientCA: clientCA ?? ""
        }
    }

    /// What they hold. Blocks for as long as the disk takes.
    func read() throws(TLSFileError) -> TLSFileBytes {
        TLSFileBytes(
            certificate: try read(.certificate), key: try read(.key),
            clientCA: clientCA == nil ? nil : try read(.clientCA))
    }

    /// Far above any chain.
    private static let maxBytes = 1 << 20

    private func read(_ kind: Kind) throws(TLSFileError) -> [UInt8] {
        // A pipe without a writer must not hold anybody up.
        let descriptor = open(path(of: kind), O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(kind, errno) }
        defer { close(descriptor) }
        guard FileStatus(descriptor: descriptor)?.kind == .regular else {
            throw TLSFileError(.unreadable, kind, "is no regular file")
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw unreadable(kind, errno) }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= Self.maxBytes else { throw TLSFileError(.unreadable, kind, "is larger than 1 MiB") }
        }
    }

    private func unreadable(_ kind: Kind, _ code: CInt) -> TLSFileError {
        TLSFileError(.unreadable, kind, "cannot be read: \(String(cString: strerror(code)))")
    }
}

/// What was in the files at one time.
struct TLSFileBytes: Equatable, Sendable {
    var certificate: [UInt8]
    var key: [UInt8]
    var clientCA: [UInt8]?

    /// The files that hold something else than in `other`.
    func differences(from other: TLSFileBytes) -> [TLSFiles.Kind] {
        var kinds: [TLSFiles.Kind] = []
        if certificate != other.certificate { kinds.append(.certificate) }
        if key != other.key { kinds.append(.key) }
        if clientCA != other.clientCA { kinds.append(.clientCA) }
        return kinds
    }
}

/// Why the files cannot be used. Holds nothing of a key.
package struct TLSFileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A bounded set.
    package enum Reason: Sendable {
        case unreadable
        /// It holds something else, or nothing.
        case unusable
        /// The key is not that of the certificate: perhaps one of the files is still the old one.
        case mismatch
        /// The chain does not lead from one certificate to the next.
        case wrongOrder
        case expired
        case notYetValid
    }

    /// Why.
    package let reason: Reason
    /// Which file.
    package let file: TLSFiles.Kind
    /// Reads after the file's name: "is larger than 1 MiB".
    package let description: String

    init(_ reason: Reason, _ file: TLSFiles.Kind, _ description: String) {
        (self.reason, self.file, self.description) = (reason, file, description)
    }

    /// What would be right.
    package var remedy: String {
        switch reason {
        case .unreadable: "name a file that this user can read"
        case .unusable: file == .key ? "name the PEM key of the certificate" : "name a file with PEM certificates"
        case .mismatch: "name the key that belongs to listen.tls_certificate"
        case .wrongOrder: "put the certificate of the key first, and behind each certificate the one that signed it"
        case .expired: "renew it"
        case .notYetValid: "wait for it to become valid, or look at this machine's clock"
        }
    }
}
