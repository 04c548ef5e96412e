// The file of a signing key: made once, never over anything, open to its owner alone.

import Glibc

/// Where a log's signing key is kept.
public struct SigningKeyFile: Sendable {
    /// As it was given.
    public let path: String

    /// The file at `path`.
    public init(path: String) { self.path = path }

    /// Why no key could be made there.
    public struct Refusal: Error, Sendable, Equatable, CustomStringConvertible {
        /// A sentence.
        public let description: String
    }

    /// Writes a new key, durably and 0600.
    ///
    /// - Parameter name: the log's, as `AuditReader.name` has it.
    public func make(for name: String) throws(Refusal) -> NoteVerifierKey {
        let key = NoteSigningKey(newFor: name)
        let files = PosixFileSystem()
        do throws(FileFailure) {
            let file = try files.open(path, .create)
            defer { files.close(file) }
            do throws(FileFailure) {
                try key.withText { text in
                    Result { () throws(FileFailure) in try files.writeAll(file, Array(text.utf8)) }
                }.get()
                try files.sync(file)
                try files.syncFolder(LogFolder(path: path).parent)
            } catch {
                // Half a key is none, and would be in the way of the next.
                try? files.remove(path)
                throw error
            }
            return key.verifier
        } catch {
            guard error.code == EEXIST || error.code == ELOOP else { throw Refusal(description: error.description) }
            throw Refusal(description: "\(path) exists already and stays as it is\(whose)")
        }
    }

    /// The verifier key of what is there already, to be said behind that.
    private var whose: String {
        guard let text = try? AtomicFile(path: path, fileSystem: PosixFileSystem()).read(),
            let key = try? NoteSigningKey(parsing: text)
        else { return "" }
        return "; its verifier key is \(key.verifier)"
    }
}
