// A disk in memory that fails, tears and forgets. What was not synced is lost at a crash in whatever way a real disk may
// lose it: cut anywhere, single sectors missing (zeros), names missing that were not synced with their folder.

import Glibc
import Synchronization

@testable import Audit

final class MemoryFileSystem: FileSystem {
    /// What the next matching call does instead of its work.
    struct Fault: Sendable {
        var operation: String
        var code: Int32
        /// Of a write: how many bytes are written all the same.
        var partial = 0
        /// How many calls fail; after that the fault is gone.
        var count = Int.max
    }

    final class Node: Sendable {
        struct Content: Sendable {
            var data: [UInt8] = []
            var durable: [UInt8] = []
            var mode: UInt32 = 0o600
            var lockedBy: Int32?
        }

        let inode: UInt64
        let content: Mutex<Content>

        init(inode: UInt64, data: [UInt8] = []) {
            self.inode = inode
            self.content = Mutex(Content(data: data, durable: data))
        }
    }

    struct State: Sendable {
        var folders: [String: UInt32] = ["": 0o700]
        var names: [String: Node] = [:]
        var durableNames: [String: Node] = [:]
        var open: [Int32: Node] = [:]
        var lastDescriptor: Int32 = 10
        var lastInode: UInt64 = 100
        var steps = 0
        var crashAt = Int.max
        var faults: [Fault] = []
        var capacity = Int.max
        var writes = 0
        var syncs = 0
    }

    private let state = Mutex(State())
    private let sector = 64

    // MARK: For tests

    /// How many calls were made.
    var steps: Int { state.withLock { $0.steps } }
    var writes: Int { state.withLock { $0.writes } }
    var syncs: Int { state.withLock { $0.syncs } }
    var hasCrashed: Bool { state.withLock { $0.steps >= $0.crashAt } }
    var names: [String] { state.withLock { $0.names.keys.sorted() } }

    /// From this many further calls on, nothing works any more.
    func crash(after calls: Int) {
        state.withLock { $0.crashAt = $0.steps + calls }
    }

    func set(_ faults: [Fault]) {
        state.withLock { $0.faults = faults }
    }

    /// How many bytes all files together may have.
    func setCapacity(_ bytes: Int) {
        state.withLock { $0.capacity = bytes }
    }

    func content(_ path: String) -> [UInt8]? {
        state.withLock { $0.names[path] }?.content.withLock { $0.data }
    }

    func put(_ path: String, _ data: [UInt8]) {
        state.withLock { state in
            state.lastInode += 1
            let node = Node(inode: state.lastInode, data: data)
            state.names[path] = node
            state.durableNames[path] = node
        }
    }

    func delete(_ path: String) {
        state.withLock { state in
            state.names[path] = nil
            state.durableNames[path] = nil
        }
    }

    func modify(_ path: String, _ change: (inout [UInt8]) -> Void) {
        state.withLock { $0.names[path] }?.content.withLock { content in
            change(&content.data)
            content.durable = content.data
        }
    }

    /// The disk as it is after power came back.
    func rebooted(_ random: inout some RandomNumberGenerator) -> MemoryFileSystem {
        let next = MemoryFileSystem()
        let (old, sector) = (state.withLock { $0 }, sector)
        let keepsNames = Bool.random(using: &random)
        let all = Set(old.names.keys).union(old.durableNames.keys)
        for path in all.sorted() {
            guard let node = keepsNames ? old.names[path] : old.durableNames[path] else { continue }
            next.put(path, node.content.withLock { Self.survivors($0, sector: sector, &random) })
        }
        next.state.withLock { $0.folders = old.folders }
        return next
    }

    private static func survivors(
        _ content: Node.Content, sector: Int, _ random: inout some RandomNumberGenerator
    ) -> [UInt8] {
        let (data, durable) = (content.data, content.durable)
        guard data != durable else { return data }
        // A cut that was not synced may or may not have happened.
        guard data.starts(with: durable) else { return Bool.random(using: &random) ? data : durable }
        var end = Int.random(in: durable.count...data.count, using: &random)
        if Bool.random(using: &random) { end = data.count }
        var left = Array(data[..<end])
        if Bool.random(using: &random) {
            var start = durable.count
            while start < end {
                let next = min((start / sector + 1) * sector, end)
                if Int.random(in: 0..<4, using: &random) == 0 { for index in start..<next { left[index] = 0 } }
                start = next
            }
        }
        return left
    }

    // MARK: Calls

    private func step(_ operation: String, _ path: String) throws(FileFailure) {
        let code = state.withLock { state -> Int32? in
            state.steps += 1
            if state.steps >= state.crashAt { return EIO }
            guard let index = state.faults.firstIndex(where: { $0.operation == operation && $0.partial == 0 }) else {
                return nil
            }
            return Self.use(&state, index)
        }
        if let code { throw FileFailure(operation: operation, path: path, code: code) }
    }

    private static func use(_ state: inout State, _ index: Int) -> Int32 {
        let code = state.faults[index].code
        state.faults[index].count -= 1
        if state.faults[index].count <= 0 { state.faults.remove(at: index) }
        return code
    }

    private func node(_ file: FileHandle) throws(FileFailure) -> Node {
        guard let node = state.withLock({ $0.open[file.descriptor] }) else {
            throw FileFailure(operation: "use", path: file.path, code: EBADF)
        }
        return node
    }

    private func opened(_ node: Node, _ path: String) -> FileHandle {
        state.withLock { state in
            state.lastDescriptor += 1
            state.open[state.lastDescriptor] = node
            return FileHandle(descriptor: state.lastDescriptor, path: path)
        }
    }

    private func status(of node: Node) -> FileStatus {
        node.content.withLock {
            FileStatus(
                identity: FileIdentity(device: 1, inode: node.inode), size: Int64($0.data.count), mode: $0.mode,
                isFolder: false)
        }
    }

    func createFolder(_ path: String) throws(FileFailure) -> Bool {
        try step("createFolder", path)
        return state.withLock { $0.folders.updateValue(0o700, forKey: path) == nil }
    }

    func status(_ path: String) throws(FileFailure) -> FileStatus? {
        try step("stat", path)
        let (node, mode) = state.withLock { ($0.names[path], $0.folders[path]) }
        if let mode {
            return FileStatus(identity: FileIdentity(device: 1, inode: 1), size: 0, mode: mode, isFolder: true)
        }
        return node.map { status(of: $0) }
    }

    func setMode(_ path: String, _ mode: UInt32) throws(FileFailure) {
        try step("chmod", path)
        state.withLock { state in
            if state.folders[path] != nil { state.folders[path] = mode }
            state.names[path]?.content.withLock { $0.mode = mode }
        }
    }

    func list(_ folder: String) throws(FileFailure) -> [String] {
        try step("list", folder)
        return state.withLock { state in
            state.names.keys.filter { $0.hasPrefix(folder + "/") }.map { String($0.dropFirst(folder.count + 1)) }
        }
    }

    func syncFolder(_ path: String) throws(FileFailure) {
        try step("syncFolder", path)
        state.withLock { $0.durableNames = $0.names }
    }

    func rename(_ path: String, to target: String) throws(FileFailure) {
        try step("rename", path)
        state.withLock { $0.names[target] = $0.names.removeValue(forKey: path) }
    }

    func remove(_ path: String) throws(FileFailure) {
        try step("remove", path)
        state.withLock { $0.names[path] = nil }
    }

    func open(_ path: String, _ access: FileAccess) throws(FileFailure) -> FileHandle {
        try step("open", path)
        let node = state.withLock { state -> Node? in
            if access != .create { return state.names[path] }
            guard state.names[path] == nil else { return nil }
            state.lastInode += 1
            let node = Node(inode: state.lastInode)
            state.names[path] = node
            return node
        }
        guard let node else {
            throw FileFailure(operation: "open", path: path, code: access == .create ? EEXIST : ENOENT)
        }
        return opened(node, path)
    }

    func status(_ file: FileHandle) throws(FileFailure) -> FileStatus {
        try step("fstat", file.path)
        return status(of: try node(file))
    }

    func read(_ file: FileHandle, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws(FileFailure)
        -> Int
    {
        try step("read", file.path)
        return try node(file).content.withLock { content in
            let start = min(Int(offset), content.data.count)
            let rest = content.data[start...].prefix(buffer.count)
            buffer.copyBytes(from: rest)
            return rest.count
        }
    }

    func write(_ file: FileHandle, _ bytes: UnsafeRawBufferPointer) throws(FileFailure) -> Int {
        let torn = state.withLock { state -> (Int, Int32)? in
            // The crash itself may happen in the middle of a write.
            if state.steps + 1 == state.crashAt { return (bytes.count / 2, EIO) }
            let index = state.faults.firstIndex { $0.operation == "write" && $0.partial > 0 }
            return index.map { (state.faults[$0].partial, Self.use(&state, $0)) }
        }
        let node = try node(file)
        if let (count, code) = torn {
            state.withLock { $0.steps += 1 }
            node.content.withLock { $0.data += bytes.prefix(count) }
            throw FileFailure(operation: "write", path: file.path, code: code)
        }
        try step("write", file.path)
        let space = state.withLock { state in
            state.writes += 1
            return state.capacity - state.names.values.reduce(0) { $0 + $1.content.withLock { $0.data.count } }
        }
        guard space > 0 else { throw FileFailure(operation: "write", path: file.path, code: ENOSPC) }
        let count = min(bytes.count, space)
        node.content.withLock { $0.data += bytes.prefix(count) }
        return count
    }

    func sync(_ file: FileHandle) throws(FileFailure) {
        try step("sync", file.path)
        state.withLock { $0.syncs += 1 }
        try node(file).content.withLock { $0.durable = $0.data }
    }

    func truncate(_ file: FileHandle, to size: Int64) throws(FileFailure) {
        try step("truncate", file.path)
        try node(file).content.withLock { $0.data = Array($0.data.prefix(Int(size))) }
    }

    func reserve(_ file: FileHandle, from offset: Int64, length: Int64) throws(FileFailure) {
        try step("reserve", file.path)
    }

    func close(_ file: FileHandle) {
        state.withLock { state in
            state.open.removeValue(forKey: file.descriptor)?.content.withLock { content in
                if content.lockedBy == file.descriptor { content.lockedBy = nil }
            }
        }
    }

    func lock(_ path: String) throws(FileFailure) -> FileHandle {
        try step("lock", path)
        let node = state.withLock { state in
            if let node = state.names[path] { return node }
            state.lastInode += 1
            let node = Node(inode: state.lastInode)
            state.names[path] = node
            return node
        }
        let file = opened(node, path)
        let isTaken = node.content.withLock { content in
            if content.lockedBy != nil { return true }
            content.lockedBy = file.descriptor
            return false
        }
        if isTaken {
            close(file)
            throw FileFailure(operation: "lock", path: path, code: EWOULDBLOCK)
        }
        return file
    }
}
