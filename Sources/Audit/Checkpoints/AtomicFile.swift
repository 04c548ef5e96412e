// A small file that is replaced as a whole: whoever reads it finds the former content or the new one, whatever crashes.

import Glibc

struct AtomicFile {
    let path: String
    let fileSystem: any FileSystem

    /// More than any of these files has.
    private static let maxBytes = 64 << 10

    /// Nil if there is none.
    func read() throws(FileFailure) -> String? {
        guard try fileSystem.status(path) != nil else { return nil }
        let file = try fileSystem.open(path, .read)
        defer { fileSystem.close(file) }
        return String(decoding: try fileSystem.bytes(of: file, at: 0, count: Self.maxBytes), as: UTF8.self)
    }

    /// Returns when it is durable. 0600, and no link at its place is followed.
    func replace(with text: String) throws(FileFailure) {
        let new = path + ".new"
        if try fileSystem.status(new) != nil { try fileSystem.remove(new) }
        let file = try fileSystem.open(new, .create)
        do throws(FileFailure) {
            defer { fileSystem.close(file) }
            try fileSystem.writeAll(file, Array(text.utf8))
            try fileSystem.sync(file)
        } catch {
            try? fileSystem.remove(new)
            throw error
        }
        try fileSystem.rename(new, to: path)
        try fileSystem.syncFolder(LogFolder(path: path).parent)
    }
}
