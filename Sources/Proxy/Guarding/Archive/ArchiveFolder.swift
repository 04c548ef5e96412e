// The folder of archived objects: `<yyyy>/<sha256>.json.gz`, the hash being that of the plain bytes, so that equal bytes of a
// year are one file. What is being written stands beside the years as `<number>.part` and is no part of the archive.
// Folders and files are opened below each other's descriptors, and no link is followed. The calls block.

import Crypto
import CurlTransport
import Glibc
import Ground

/// What cannot be done to the archive. The text names the file and the error.
package struct ArchiveTrouble: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String
    /// Nothing is wrong with the disk, the folder or the file: they are only not there.
    var isMissing = false

    /// - Parameter code: an errno.
    init(_ operation: String, _ path: String, code: CInt) {
        // Safe on any thread since glibc 2.32.
        description = "cannot \(operation) \(path): \(String(cString: strerror(code)))"
        isMissing = code == ENOENT
    }

    /// Anything else; one sentence.
    package init(_ description: String) { self.description = description }
}

/// An open file or folder, closed when nobody has it any more.
final class ArchiveDescriptor: Sendable {
    let number: CInt

    init(_ number: CInt) { self.number = number }

    deinit { close(number) }
}

/// A folder of archived objects. Its calls block; usable from every thread.
package struct ArchiveFolder: Sendable {
    /// Where it is.
    package let path: String
    /// Writes to a descriptor as `write(2)` does; tests fill the disk with it.
    var write: @Sendable (CInt, UnsafeRawBufferPointer) -> Int = { Glibc.write($0, $1.baseAddress, $1.count) }

    static let partSuffix = ".part"
    static let fileSuffix = ".json.gz"

    /// Nothing is looked at or made yet.
    package init(path: String) { self.path = path }

    // MARK: Writing

    /// Makes the folder where it is missing.
    func make() throws(ArchiveTrouble) { _ = try open(makes: true) }

    /// A new file for what is to be kept; what it is called, its bytes say. Makes the folder where it is missing (0700; its parent must
    /// exist).
    ///
    /// - Parameter number: no other has it.
    func begin(number: String) throws(ArchiveTrouble) -> ArchiveFile {
        let folder = try open(makes: true)
        let name = number + Self.partSuffix
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let descriptor = retrying { openat(folder.number, name, flags, 0o600) }
        guard descriptor >= 0 else { throw ArchiveTrouble("make", "\(path)/\(name)", code: errno) }
        // So that another process on the same folder does not take it for one that was left behind.
        _ = flock(descriptor, LOCK_EX | LOCK_NB)
        return ArchiveFile(self, folder, part: name, ArchiveDescriptor(descriptor))
    }

    /// Gives what was written its name, and has all of it durable: file, year, and their folder.
    func keep(_ file: ArchiveFile, as target: String) throws(ArchiveTrouble) {
        guard retrying({ fsync(file.descriptor.number) }) == 0 else {
            throw ArchiveTrouble("sync", "\(path)/\(file.part)", code: errno)
        }
        let parts = target.split(separator: "/").map(String.init)
        let year = try open(year: parts[0], in: file.folder, makes: true)
        // Over one of the same bytes: it is as good, and may be what a disk has spoilt.
        guard renameat(file.folder.number, file.part, year.number, parts[1]) == 0 else {
            throw ArchiveTrouble("rename", "\(path)/\(file.part)", code: errno)
        }
        guard retrying({ fsync(year.number) }) == 0 else {
            throw ArchiveTrouble("sync", "\(path)/\(parts[0])", code: errno)
        }
    }

    /// Removes what a process that was killed has left unfinished. Returns how many files that were.
    package func removeLeftovers() throws(ArchiveTrouble) -> Int {
        let folder: ArchiveDescriptor
        do throws(ArchiveTrouble) {
            folder = try open(makes: false)
        } catch {
            if error.isMissing { return 0 }
            throw error
        }
        var count = 0
        for name in PrivateFolder.names(in: path) where name.hasSuffix(Self.partSuffix) {
            let descriptor = retrying { openat(folder.number, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) }
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            // Somebody else is at it.
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { continue }
            if unlinkat(folder.number, name, 0) == 0 { count += 1 }
        }
        return count
    }

    // MARK: Reading

    /// All files of the archive, by their paths within it, with the time in seconds since 1970 of their last change.
    package func files() throws(ArchiveTrouble) -> [(path: String, changed: Int64)] {
        let folder: ArchiveDescriptor
        do throws(ArchiveTrouble) {
            folder = try open(makes: false)
        } catch {
            if error.isMissing { return [] }
            throw error
        }
        var found: [(path: String, changed: Int64)] = []
        for year in PrivateFolder.names(in: path) where Self.isYear(year) {
            guard let descriptor = try? open(year: year, in: folder, makes: false) else { continue }
            for name in PrivateFolder.names(in: "\(path)/\(year)") where name.hasSuffix(Self.fileSuffix) {
                guard let changed = FileAge.changed(name, below: descriptor.number) else { continue }
                found.append(("\(year)/\(name)", changed))
            }
        }
        return found
    }

    /// Takes a file away; one that is not there is no error.
    func remove(_ file: String) throws(ArchiveTrouble) {
        let parts = file.split(separator: "/").map(String.init)
        guard parts.count == 2, Self.isYear(parts[0]) else { return }
        let year: ArchiveDescriptor
        do throws(ArchiveTrouble) {
            year = try open(year: parts[0], in: try open(makes: false), makes: false)
        } catch {
            if error.isMissing { return }
            throw error
        }
        guard unlinkat(year.number, parts[1], 0) == 0 || errno == ENOENT else {
            throw ArchiveTrouble("remove", "\(path)/\(file)", code: errno)
        }
        _ = fsync(year.number)
    }

    /// Reads a file in constant memory and hands on its plain bytes, a slice at a time; their hash and count at the end.
    ///
    /// - Parameter take: false: no more is wanted.
    @discardableResult
    package func read(
        _ file: String, _ take: ([UInt8]) -> Bool = { _ in true }
    ) throws(ArchiveTrouble) -> (sha256: String, bytes: Int) {
        let parts = file.split(separator: "/").map(String.init)
        guard parts.count == 2, Self.isYear(parts[0]) else {
            throw ArchiveTrouble("\(file) is no name of a file in an archive")
        }
        let year = try open(year: parts[0], in: try open(makes: false), makes: false)
        let number = retrying { openat(year.number, parts[1], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) }
        guard number >= 0 else { throw ArchiveTrouble("open", "\(path)/\(file)", code: errno) }
        let descriptor = ArchiveDescriptor(number)
        var (hash, bytes, chunk) = (SHA256(), 0, [UInt8](repeating: 0, count: 64 << 10))
        let inflater = Inflater(.gzip)
        while true {
            let count = retrying { Glibc.read(descriptor.number, &chunk, chunk.count) }
            guard count >= 0 else { throw ArchiveTrouble("read", "\(path)/\(file)", code: errno) }
            if count == 0 { break }
            inflater.give(Array(chunk[..<count]))
            decoding: while true {
                switch inflater.step() {
                case .starved: break decoding
                case .broken: throw ArchiveTrouble("\(path)/\(file) is damaged: it is not gzip to its end")
                case .bytes(let plain):
                    hash.update(data: plain)
                    bytes += plain.count
                    if !plain.isEmpty, !take(plain) { return ("", bytes) }
                }
            }
        }
        guard inflater.isAtEnd, bytes > 0 else {
            throw ArchiveTrouble("\(path)/\(file) is damaged: its end is missing")
        }
        return (Hex.text(Array(hash.finalize())), bytes)
    }

    // MARK: Inside

    static func isYear(_ name: String) -> Bool { name.utf8.count == 4 && name.utf8.allSatisfy { $0 &- 0x30 < 10 } }

    /// The last part may be no link; what leads to it is the operator's.
    private func open(makes: Bool) throws(ArchiveTrouble) -> ArchiveDescriptor {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        var descriptor = retrying { Glibc.open(path, flags) }
        if descriptor < 0, errno == ENOENT, makes {
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw ArchiveTrouble("make the folder", path, code: errno)
            }
            descriptor = retrying { Glibc.open(path, flags) }
        }
        guard descriptor >= 0 else { throw ArchiveTrouble("open the folder", path, code: errno) }
        return ArchiveDescriptor(descriptor)
    }

    private func open(
        year: String, in folder: ArchiveDescriptor, makes: Bool
    ) throws(ArchiveTrouble) -> ArchiveDescriptor {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        var descriptor = retrying { openat(folder.number, year, flags) }
        if descriptor < 0, errno == ENOENT, makes {
            guard mkdirat(folder.number, year, 0o700) == 0 || errno == EEXIST else {
                throw ArchiveTrouble("make the folder", "\(path)/\(year)", code: errno)
            }
            guard retrying({ fsync(folder.number) }) == 0 else { throw ArchiveTrouble("sync", path, code: errno) }
            descriptor = retrying { openat(folder.number, year, flags) }
        }
        guard descriptor >= 0 else { throw ArchiveTrouble("open the folder", "\(path)/\(year)", code: errno) }
        return ArchiveDescriptor(descriptor)
    }

    func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
        while true {
            let result = call()
            if result >= 0 || errno != EINTR { return result }
        }
    }
}
