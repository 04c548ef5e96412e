// After a failure: finds the last acknowledged record on disk again and removes what was written behind it and never
// acknowledged. If that record is gone, a new file is begun that is chained to it all the same: the loss stays visible.

import Glibc

extension ChainWriter {
    /// Makes the log writable again, with a file open; returns what was found, for the record that will prove it.
    mutating func repair() throws(AuditUnavailable) -> [String] {
        if let open = current {
            fileSystem.close(open.file)
            current = nil
        }
        do throws(FileFailure) {
            try regainLock()
            var notes: [String] = []
            let next = LogFileName(first: head.seq + 1)
            if let place, try holdsHead(place, &notes) {
                try cutBehind(place, &notes)
                if place.file != next { try clear(next, &notes) }
                try open(place)
            } else {
                place = nil
                try clear(next, &notes)
            }
            return notes
        } catch {
            switch error.code {
            case EWOULDBLOCK:
                throw AuditUnavailable(.locked, "another process has taken the audit log in \(folder.path)")
            case ENOENT, ENOTDIR:
                throw AuditUnavailable(.removed, "the audit folder is gone (\(error))")
            default:
                throw AuditUnavailable(error)
            }
        }
    }

    /// The lock belongs to a file; if the folder was moved away or emptied, the name has no lock any more.
    private mutating func regainLock() throws(FileFailure) {
        if try fileSystem.status(folder.lockPath)?.identity == lock.identity { return }
        let taken = try FolderGuard(folder: folder, fileSystem: fileSystem).takeLock()
        fileSystem.close(lock.file)
        lock = taken
    }

    /// Whether the file still has the last acknowledged record at its place.
    private func holdsHead(_ place: ChainPlace, _ notes: inout [String]) throws(FileFailure) -> Bool {
        let path = folder.path(of: place.file.text)
        guard let status = try fileSystem.status(path) else {
            if place.size > 0 {
                notes.append("\(lost(place)) were in \(place.file.text), which was removed while in use")
            }
            return false
        }
        if place.size == 0 { return true }
        let ending = Array((head.hash + "\"}\n").utf8)
        let file = try fileSystem.open(path, .read)
        defer { fileSystem.close(file) }
        if status.size >= place.size,
            try fileSystem.bytes(of: file, at: place.size - Int64(ending.count), count: ending.count) == ending
        {
            return true
        }
        notes.append("\(lost(place)) were in \(place.file.text), which was replaced or cut while in use")
        return false
    }

    private func lost(_ place: ChainPlace) -> String { "records \(place.file.first) to \(head.seq)" }

    private func cutBehind(_ place: ChainPlace, _ notes: inout [String]) throws(FileFailure) {
        let path = folder.path(of: place.file.text)
        guard let size = try fileSystem.status(path)?.size, size > place.size else { return }
        if try cutFailedAttempt(path, from: place.size, to: size) { return }
        let torn = try SetAside(folder: folder, fileSystem: fileSystem).tail(of: place.file, from: place.size)
        notes.append("\(size - place.size) bytes of somebody else in \(place.file.text) are in \(torn)")
    }

    /// Takes away what a failed write of our own left; false when the bytes are not ours.
    private func cutFailedAttempt(_ path: String, from start: Int64, to size: Int64) throws(FileFailure) -> Bool {
        let file = try fileSystem.open(path, .append)
        defer { fileSystem.close(file) }
        guard try isFailedAttempt(file, from: start, to: size) else { return false }
        try fileSystem.truncate(file, to: start)
        try fileSystem.sync(file)
        return true
    }

    /// Frees a file's name for the next file.
    private func clear(_ name: LogFileName, _ notes: inout [String]) throws(FileFailure) {
        let path = folder.path(of: name.text)
        guard let size = try fileSystem.status(path)?.size else { return }
        let file = try fileSystem.open(path, .read)
        let isOurs = Result { () throws(FileFailure) in try isFailedAttempt(file, from: 0, to: size) }
        fileSystem.close(file)
        if try isOurs.get() {
            try fileSystem.remove(path)
            try fileSystem.syncFolder(folder.path)
        } else {
            let torn = try SetAside(folder: folder, fileSystem: fileSystem).whole(name)
            notes.append("\(name.text), which somebody else made, is now \(torn)")
        }
    }

    /// Whether what stands there is what the failed batch had written so far.
    private func isFailedAttempt(_ file: FileHandle, from start: Int64, to end: Int64) throws(FileFailure) -> Bool {
        let count = Int(end - start)
        guard count <= attempt.count else { return false }
        return try fileSystem.bytes(of: file, at: start, count: count).elementsEqual(attempt.prefix(count))
    }
}
