// One object on its way into the archive: hashed as it is, coded, written. In the order of its bytes, by one thread.

import Audit
import Crypto
import CurlTransport
import Glibc
import Ground

/// A file that has no name yet. Used by one thread at a time.
final class ArchiveFile {
    let folder: ArchiveDescriptor
    let part: String
    let descriptor: ArchiveDescriptor
    private let archive: ArchiveFolder
    private let deflater = Deflater()
    private var hash = SHA256()
    private var bytes = 0
    private var isKept = false

    init(_ archive: ArchiveFolder, _ folder: ArchiveDescriptor, part: String, _ descriptor: ArchiveDescriptor) {
        (self.archive, self.folder, self.part, self.descriptor) = (archive, folder, part, descriptor)
    }

    /// What is not kept leaves nothing behind.
    deinit { if !isKept { unlinkat(folder.number, part, 0) } }

    /// The next plain bytes.
    func add(_ plain: [UInt8]) throws(ArchiveTrouble) {
        hash.update(data: plain)
        bytes += plain.count
        var trouble: ArchiveTrouble?
        let isWritten = deflater.code(plain) { put($0, &trouble) }
        guard isWritten else { throw trouble ?? ArchiveTrouble("there is no memory to compress with") }
    }

    /// All of it is here: it gets its name in the folder of this year, and is durable when this returns.
    func keep(year: String) throws(ArchiveTrouble) -> ArchivedFile {
        var trouble: ArchiveTrouble?
        guard deflater.finish({ put($0, &trouble) }) else {
            throw trouble ?? ArchiveTrouble("there is no memory to compress with")
        }
        let sha256 = Hex.text(Array(hash.finalize()))
        let target = "\(year)/\(sha256)\(ArchiveFolder.fileSuffix)"
        try archive.keep(self, as: target)
        isKept = true
        return ArchivedFile(path: target, sha256: sha256, bytes: bytes)
    }

    private func put(_ coded: UnsafeRawBufferPointer, _ trouble: inout ArchiveTrouble?) -> Bool {
        var rest = coded
        while !rest.isEmpty {
            let count = archive.retrying { archive.write(descriptor.number, rest) }
            guard count > 0 else {
                trouble = ArchiveTrouble("write", "\(archive.path)/\(part)", code: count < 0 ? errno : EIO)
                return false
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        return true
    }
}
