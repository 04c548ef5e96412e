// A small text file read whole: the client secret, which is read anew each time it is needed so that it can be rotated in
// place, or what the kernel says about this process.

import Glibc

package enum TextFile {
    /// Also of what is no regular file: a pipe would be waited for without end.
    package struct Unreadable: Error {}

    private static let maxBytes = 64 << 10

    /// The file's text without trailing line ends. Throws when it cannot be read, is empty or far too large.
    package static func read(_ path: String) throws -> String {
        var bytes = try Self.bytes(path)
        while let last = bytes.last, last == 0x0A || last == 0x0D { bytes.removeLast() }
        return try text(bytes)
    }

    /// The file's text, every byte of it. Throws as `read` does.
    package static func readWhole(_ path: String) throws -> String { try text(bytes(path)) }

    private static func text(_ bytes: [UInt8]) throws -> String {
        guard !bytes.isEmpty, let text = String(validating: bytes, as: UTF8.self) else { throw Unreadable() }
        return text
    }

    private static func bytes(_ path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw Unreadable() }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw Unreadable() }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0, bytes.count <= maxBytes else { throw Unreadable() }
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        return bytes
    }
}
