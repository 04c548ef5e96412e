// What TLS listeners present and ask for, swapped as a whole while they run.

import Ground
import NIOSSL
import Synchronization

/// The TLS of all listeners of a process. Usable from every thread.
package final class ServerTLS: Sendable {
    /// Which connections.
    package enum Audience: Sendable {
        /// Tools: they present a certificate where there is an authority for them.
        case tools
        /// Operators: they have a key.
        case operators
    }

    private let material: Mutex<TLSMaterial>
    private let wallTime: @Sendable () -> WallTime

    /// Reads the files; blocks for as long as the disk takes. Throws why they cannot be used.
    package init(_ files: TLSFiles, wallTime: @escaping @Sendable () -> WallTime) throws(TLSFileError) {
        self.wallTime = wallTime
        material = Mutex(try TLSMaterial(files.read(), now: wallTime().seconds))
    }

    /// For the next connection.
    func context(for audience: Audience) -> NIOSSLContext {
        material.withLock { audience == .tools ? $0.tools : $0.operators }
    }

    /// What a verified certificate proves. Throws when its time is over: a session that is resumed was verified earlier.
    func identity(of certificate: NIOSSLCertificate) throws -> PeerIdentity {
        guard Int64(certificate.notValidAfter) >= wallTime().seconds else {
            throw TLSFileError(.expired, .clientCA, "is of a client whose certificate has expired meanwhile")
        }
        return PeerIdentity(certificateNames: CertificateNames.of(try certificate.toDERBytes()))
    }
}
