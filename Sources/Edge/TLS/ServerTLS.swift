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

    /// What a look at the files has brought.
    package enum News: Sendable, Equatable {
        /// They hold what is in force, or what was refused before.
        case nothing
        /// New connections get what they hold; these have changed.
        case taken([TLSFiles.Kind])
        /// What was in force stays so.
        case refused(TLSFileError)
    }

    /// Files that were judged and can be put in force.
    package struct Prepared: Sendable {
        fileprivate let files: TLSFiles
        fileprivate let bytes: TLSFileBytes
        fileprivate let material: TLSMaterial
    }

    private struct State {
        var files: TLSFiles
        var bytes: TLSFileBytes
        var material: TLSMaterial
        /// Why the files were refused when they were looked at last.
        var refusal: TLSFileError?
    }

    private let state: Mutex<State>
    private let wallTime: @Sendable () -> WallTime

    /// Reads the files; blocks for as long as the disk takes. Throws why they cannot be used.
    package init(_ files: TLSFiles, wallTime: @escaping @Sendable () -> WallTime) throws(TLSFileError) {
        self.wallTime = wallTime
        let prepared = try Self.prepare(files, now: wallTime())
        state = Mutex(State(files: files, bytes: prepared.bytes, material: prepared.material))
    }

    /// Reads and judges files; blocks for as long as the disk takes. Throws why they cannot be used.
    package static func prepare(_ files: TLSFiles, now: WallTime) throws(TLSFileError) -> Prepared {
        let bytes = try files.read()
        return Prepared(files: files, bytes: bytes, material: try TLSMaterial(bytes, now: now.seconds))
    }

    /// Puts files in force that were judged before, for connections that come from now on. Returns which of them hold something
    /// new; where none does, sessions can be resumed as before.
    package func take(_ prepared: Prepared) -> [TLSFiles.Kind] {
        state.withLock { state in
            let changed = prepared.bytes.differences(from: state.bytes)
            let material = changed.isEmpty ? state.material : prepared.material
            state = State(files: prepared.files, bytes: prepared.bytes, material: material)
            return changed
        }
    }

    /// From now on these files are looked at, whatever is in force.
    package func watch(_ files: TLSFiles) {
        state.withLock { ($0.files, $0.refusal) = (files, nil) }
    }

    /// Looks whether the files hold something new, and takes it if it is good; blocks for as long as the disk takes. By what
    /// they hold, not by their dates: symbolic links that are swapped, as Kubernetes does it, change no date.
    package func look() -> News {
        let (files, bytes, refusal) = state.withLock { ($0.files, $0.bytes, $0.refusal) }
        do throws(TLSFileError) {
            let found = try files.read()
            if found == bytes {
                state.withLock { $0.refusal = nil }
                return .nothing
            }
            let material = try TLSMaterial(found, now: wallTime().seconds)
            return .taken(take(Prepared(files: files, bytes: found, material: material)))
        } catch {
            guard error.isOther(than: refusal) else { return .nothing }
            state.withLock { $0.refusal = error }
            return .refused(error)
        }
    }

    /// The certificate of the chain in force that ends first: its number from 1, and the second of 1970 it ends with.
    package var firstToEnd: (number: Int, end: Int64) { state.withLock { $0.material.firstToEnd } }

    /// For the next connection.
    func context(for audience: Audience) -> NIOSSLContext {
        state.withLock { audience == .tools ? $0.material.tools : $0.material.operators }
    }

    /// Who signs the certificates of tools; nil: they are not asked for any.
    var authority: ClientAuthority? { state.withLock { $0.material.authority } }

    /// What a certificate proves that was verified in `context`. Throws when its time is over, for a session that is resumed was
    /// verified earlier, and when another authority has come in force since.
    func identity(of certificate: NIOSSLCertificate, in context: NIOSSLContext) throws -> PeerIdentity {
        guard Int64(certificate.notValidAfter) >= wallTime().seconds else { throw PeerIdentity.Refused.expired }
        if context !== self.context(for: .tools), let authority, !authority.vouches(for: certificate) {
            throw PeerIdentity.Refused.unknownAuthority
        }
        return PeerIdentity(certificateNames: CertificateNames.of(try certificate.toDERBytes()), certificate)
    }
}

extension TLSFileError {
    /// The time that a message tells is nothing new.
    fileprivate func isOther(than former: TLSFileError?) -> Bool {
        reason != former?.reason || file != former?.file
    }
}
