// The end of the chain on disk: appends batches, rotates, and notices when the file is no longer the one that has the
// log's name. Used by one thread. After any failure nothing is written before `repair` has found the chain's end again.

import Glibc

struct ChainWriter {
    struct Current {
        var file: FileHandle
        var name: LogFileName
        var identity: FileIdentity
        var size: Int64
        /// Up to where blocks are set aside; `max` where the file system has no such thing.
        var reserved: Int64
    }

    /// Space kept ahead of the file's end, so that the outcomes of calls that were sent still fit when the disk is full.
    static let reserveBytes: Int64 = 256 << 10

    let folder: LogFolder
    let fileSystem: any FileSystem
    let rotateBytes: Int64
    let now: @Sendable () -> AuditTime

    /// Of the last acknowledged record.
    var head: AuditHead
    /// Where it ends; nil while the log has no file.
    var place: ChainPlace?
    var current: Current?
    var lock: FolderLock
    /// Over all records up to `head`; nil where no checkpoints are signed.
    var tree: MerkleTree?
    /// The batch that failed last: what of it reached the disk was acknowledged to nobody.
    var attempt: [UInt8] = []
    private var buffer: [UInt8] = []

    init(
        _ chain: RecoveredChain, lock: FolderLock, folder: LogFolder, fileSystem: any FileSystem, rotateBytes: Int64,
        now: @escaping @Sendable () -> AuditTime
    ) {
        (head, place) = (chain.head, chain.place)
        (self.lock, self.folder, self.fileSystem) = (lock, folder, fileSystem)
        (self.rotateBytes, self.now) = (rotateBytes, now)
    }

    /// Makes sure that a file is open that takes `bytes` more.
    mutating func prepare(bytes: Int) throws(FileFailure) {
        if current == nil, let place { try open(place) }
        if let open = current {
            guard open.size > 0, open.size + Int64(bytes) > rotateBytes else { return }
            abandon()
        }
        try createFile()
    }

    /// Whether `bytes` more, and a reserve behind them, have space; throws if the disk has none.
    mutating func reserve(bytes: Int) throws(FileFailure) {
        guard var open = current, open.reserved < open.size + Int64(bytes) + Self.reserveBytes / 2 else { return }
        let length = Int64(bytes) + Self.reserveBytes
        do throws(FileFailure) {
            try fileSystem.reserve(open.file, from: open.size, length: length)
            open.reserved = open.size + length
        } catch {
            if error.isOutOfSpace { throw error }
            open.reserved = .max
        }
        current = open
    }

    /// Writes the records and returns when they are durable, in the file that has the log's name.
    mutating func append(_ drafts: [RecordDraft]) throws(AuditUnavailable) {
        guard var open = current else { throw AuditUnavailable(.io, "no file of the audit log is open") }
        buffer.removeAll(keepingCapacity: true)
        var next = head
        var ends: [Int] = []
        for draft in drafts {
            next = RecordEncoder.append(draft, after: next, time: now(), to: &buffer)
            ends.append(buffer.count)
        }
        do throws(FileFailure) {
            try fileSystem.writeAll(open.file, buffer)
            try fileSystem.sync(open.file)
        } catch {
            attempt = buffer
            throw AuditUnavailable(error)
        }
        open.size += Int64(buffer.count)
        if let trouble = trouble(with: open) {
            attempt = buffer
            throw trouble
        }
        current = open
        head = next
        place = ChainPlace(file: open.name, size: open.size)
        grow(ends)
    }

    /// Takes the records of the buffer, which are durable now, into the tree.
    private mutating func grow(_ ends: [Int]) {
        guard var grown = tree else { return }
        var start = 0
        for end in ends {
            grown.append(buffer.span.extracting(start..<end - 1))
            start = end
        }
        tree = grown
    }

    /// Lets go of the file; the next `prepare` opens it, or another one.
    mutating func abandon() {
        guard let open = current else { return }
        // Gives reserved blocks back. A file that is not as we left it is none of ours to cut.
        if open.reserved != .max, (try? fileSystem.status(open.file))?.size == open.size {
            try? fileSystem.truncate(open.file, to: open.size)
        }
        fileSystem.close(open.file)
        current = nil
    }

    mutating func open(_ place: ChainPlace) throws(FileFailure) {
        let file = try fileSystem.open(folder.path(of: place.file.text), .append)
        do throws(FileFailure) {
            let status = try fileSystem.status(file)
            current = Current(
                file: file, name: place.file, identity: status.identity, size: place.size, reserved: place.size)
        } catch {
            fileSystem.close(file)
            throw error
        }
    }

    private mutating func createFile() throws(FileFailure) {
        let name = LogFileName(first: head.seq + 1)
        let file = try fileSystem.open(folder.path(of: name.text), .create)
        do throws(FileFailure) {
            try fileSystem.syncFolder(folder.path)
            let status = try fileSystem.status(file)
            current = Current(file: file, name: name, identity: status.identity, size: 0, reserved: 0)
        } catch {
            fileSystem.close(file)
            throw error
        }
    }

    /// Asked after each sync: only then is it sure that what was written can be found under the log's name.
    private func trouble(with open: Current) -> AuditUnavailable? {
        let path = folder.path(of: open.name.text)
        do throws(FileFailure) {
            guard let status = try fileSystem.status(path) else {
                return AuditUnavailable(.removed, "\(path) was removed while in use")
            }
            if status.identity != open.identity {
                return AuditUnavailable(.replaced, "\(path) was replaced by another file while in use")
            }
            if status.size != open.size {
                return AuditUnavailable(.changed, "\(path) was changed by somebody else while in use")
            }
            return nil
        } catch {
            return AuditUnavailable(error)
        }
    }
}
