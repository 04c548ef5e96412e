// The folder before anything is read from it: it exists, it is open to nobody else, and this process alone writes.

import Glibc

/// The right to write in a folder, for as long as the file is open.
struct FolderLock: Sendable, Equatable {
    var file: FileHandle
    var identity: FileIdentity
}

struct FolderGuard {
    let folder: LogFolder
    let fileSystem: any FileSystem

    private static let openToOthers: UInt32 = 0o077

    /// Makes the folder if it is missing and takes away what rights others have; returns what was repaired.
    func prepare() throws(AuditOpenFailure) -> [String] {
        let status = try AuditOpenFailure.wrapping { () throws(FileFailure) in
            if try fileSystem.status(folder.path) == nil, try fileSystem.createFolder(folder.path) {
                try fileSystem.syncFolder(folder.parent)
            }
            return try fileSystem.status(folder.path)
        }
        guard let status, status.isFolder else {
            throw .unsafeFolder(folder: folder.path, why: "is not a folder")
        }
        guard status.mode & Self.openToOthers != 0 else { return [] }
        do throws(FileFailure) {
            try fileSystem.setMode(folder.path, 0o700)
        } catch {
            throw .unsafeFolder(
                folder: folder.path,
                why: "is open to others (mode \(octal(status.mode))) and stays so: \(error); as its owner "
                    + "`chmod 700` it, and let the user of this process (uid \(geteuid())) own it"
            )
        }
        return ["the folder was open to others (mode \(octal(status.mode))); it is 0700 now"]
    }

    /// Does the same for the log's files; they are the owner's alone (0600) when this process makes them.
    func protect(_ files: [LogFileName]) throws(AuditOpenFailure) -> [String] {
        try AuditOpenFailure.wrapping { () throws(FileFailure) in
            var notes: [String] = []
            for name in files {
                let path = folder.path(of: name.text)
                guard let status = try fileSystem.status(path), status.mode & Self.openToOthers != 0 else {
                    continue
                }
                try fileSystem.setMode(path, 0o600)
                notes.append("\(name.text) was open to others (mode \(octal(status.mode))); it is 0600 now")
            }
            return notes
        }
    }

    /// Becomes the folder's one writer.
    func lock() throws(AuditOpenFailure) -> FolderLock {
        do throws(FileFailure) {
            return try takeLock()
        } catch {
            guard error.code == EWOULDBLOCK else { throw .refused(error) }
            throw .locked(folder: folder.path, owner: owner)
        }
    }

    /// The same for a writer that has to say why it cannot go on.
    func takeLock() throws(FileFailure) -> FolderLock {
        let file = try fileSystem.lock(folder.lockPath)
        do throws(FileFailure) {
            let identity = try fileSystem.status(file).identity
            // Only a help for the one who reads the message; the lock itself is the kernel's.
            try? fileSystem.truncate(file, to: 0)
            try? fileSystem.writeAll(file, Array("pid \(getpid())\n".utf8))
            return FolderLock(file: file, identity: identity)
        } catch {
            fileSystem.close(file)
            throw error
        }
    }

    private var owner: String {
        guard let file = try? fileSystem.open(folder.lockPath, .read) else { return "unknown" }
        defer { fileSystem.close(file) }
        let bytes = (try? fileSystem.bytes(of: file, at: 0, count: 32)) ?? []
        let text = String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self)
        return text.isEmpty ? "unknown" : text
    }

    private func octal(_ mode: UInt32) -> String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
    }
}

extension AuditOpenFailure {
    /// The file system's word, and what the one who starts the process can do about it.
    static func refused(_ failure: FileFailure) -> AuditOpenFailure {
        let remedy =
            switch failure.code {
            case EACCES, EPERM: "; \(mayNot(failure)), or name another in audit.path"
            case EROFS: "; name a folder that can be written, such as one on a volume, in audit.path"
            case ENOENT, ENOTDIR: "; make the folder that it is to stand in, or name another in audit.path"
            default: ""
            }
        return .file(failure.description + remedy)
    }

    private static func mayNot(_ failure: FileFailure) -> String {
        guard let folder = failure.missedFolder else {
            return "the folder and what is in it must belong to the user of this process: "
                + "`chown -R \(geteuid()) \(failure.logFolder.absolute)`"
        }
        let wanted = LogFolder(path: failure.path).absolute
        return "this user (uid \(geteuid())) may not write in \(folder.absolute): "
            + "have root run `install -d -m 0700 -o \(geteuid()) \(wanted)`"
    }

    static func wrapping<T>(_ body: () throws(FileFailure) -> T) throws(AuditOpenFailure) -> T {
        do throws(FileFailure) {
            return try body()
        } catch {
            throw .refused(error)
        }
    }
}
