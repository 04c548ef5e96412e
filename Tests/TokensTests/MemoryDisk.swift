// A disk in memory that several processes share, where each call of a process can fail, be its last, or come to nothing
// in a power cut.

import Dispatch
import Synchronization

@testable import Tokens

/// What lies on the disk, and what of it would survive a power cut.
final class MemoryDisk: Sendable {
    struct Node {
        var kind = StateFileContent.Kind.file
        var owner: UInt32 = 1000
        var mode: UInt32 = 0o600
        var bytes: [UInt8] = []
        fileprivate var durableBytes: [UInt8] = []

        init(kind: StateFileContent.Kind = .file, owner: UInt32 = 1000, mode: UInt32 = 0o600, bytes: [UInt8] = []) {
            self.kind = kind
            self.owner = owner
            self.mode = mode
            self.bytes = bytes
        }

        fileprivate mutating func sync() { durableBytes = bytes }

        fileprivate mutating func losePower() { bytes = durableBytes }
    }

    fileprivate struct State {
        var nodes: [Int32: Node] = [:]
        var names: [String: Int32] = [:]
        var durableNames: [String: Int32] = [:]
        /// Which process holds it.
        var locks: [String: ObjectIdentifier] = [:]
        var last: Int32 = 0

        mutating func add(_ node: Node, at path: String) -> Int32 {
            last += 1
            nodes[last] = node
            names[path] = last
            return last
        }
    }

    fileprivate let state = Mutex(State())

    /// Puts a durable file there.
    func put(_ node: Node, at path: String) {
        state.withLock { state in
            var node = node
            node.sync()
            state.durableNames[path] = state.add(node, at: path)
        }
    }

    func put(_ signIn: SignIn, at path: String) {
        put(Node(bytes: SignInText(signIn, replaces: nil).bytes), at: path)
    }

    func node(at path: String) -> Node? {
        state.withLock { state in state.names[path].flatMap { state.nodes[$0] } }
    }

    func signIn(at path: String) -> SignIn? {
        node(at: path).flatMap { SignInText($0.bytes)?.signIn }
    }

    var names: [String] { state.withLock { $0.names.keys.sorted() } }

    var isLocked: Bool { state.withLock { !$0.locks.isEmpty } }

    /// Every process ends and what was not synced is gone, except that new names may have been written anyway.
    func cutPower(namesSurvive: Bool) {
        state.withLock { state in
            if !namesSurvive { state.names = state.durableNames }
            state.durableNames = state.names
            for id in state.nodes.keys { state.nodes[id]?.losePower() }
            state.locks = [:]
        }
    }
}

/// One process that uses the disk.
final class MemoryFiles: StateFiles {
    private struct Fate {
        var steps: [String] = []
        var stepsLeft: Int?
        var isDead = false
        /// How often the named step still fails.
        var faults: [String: Int] = [:]
    }

    let disk: MemoryDisk
    private let fate: Mutex<Fate>
    private let hold = Mutex<(DispatchSemaphore, CheckedContinuation<Void, Never>)?>(nil)
    private let moves: AsyncStream<Void>
    private let move: AsyncStream<Void>.Continuation

    /// Dies instead of its step number `stepsLeft` (from 0).
    init(_ disk: MemoryDisk, dyingAtStep stepsLeft: Int? = nil) {
        self.disk = disk
        fate = Mutex(Fate(stepsLeft: stepsLeft))
        (moves, move) = AsyncStream.makeStream()
    }

    var user: UInt32 { 1000 }
    var isDead: Bool { fate.withLock { $0.isDead } }
    /// The steps that were done, in order; the last one is what it died at.
    var steps: [String] { fate.withLock { $0.steps } }

    /// Holds the process at its next `create`, until the semaphore that it returns once it is there is signalled.
    func heldAtCreate() async -> DispatchSemaphore {
        let semaphore = DispatchSemaphore(value: 0)
        await withCheckedContinuation { continuation in
            hold.withLock { $0 = (semaphore, continuation) }
        }
        return semaphore
    }

    /// Returns once a new file was moved to its place. To be used once.
    func moved() async {
        for await _ in moves { return }
    }

    func fail(_ step: String, times: Int = .max) { fate.withLock { $0.faults[step] = times } }

    /// Everything that this process does, to the disk or to the endpoint, begins with this.
    func step(_ name: String) throws(StateTrouble) {
        let (isDead, fails) = fate.withLock { fate -> (Bool, Bool) in
            if fate.isDead { return (true, true) }
            fate.steps.append(name)
            if fate.stepsLeft == 0 { fate.isDead = true }
            fate.stepsLeft = fate.stepsLeft.map { $0 - 1 }
            let left = fate.faults[name] ?? 0
            if left > 0 { fate.faults[name] = left - 1 }
            return (fate.isDead, left > 0)
        }
        if isDead { disk.state.withLock { $0.locks = $0.locks.filter { $0.value != ObjectIdentifier(self) } } }
        guard !isDead, !fails else { throw StateTrouble(message: "cannot \(name): injected") }
    }

    func read(_ path: String) throws(StateTrouble) -> StateFileContent? {
        try step("read")
        return disk.node(at: path).map {
            StateFileContent(kind: $0.kind, owner: $0.owner, mode: $0.mode, bytes: $0.bytes)
        }
    }

    func create(_ path: String) throws(StateTrouble) -> StateFileHandle {
        try step("create")
        if let (semaphore, isThere) = hold.withLock({ $0.take() }) {
            isThere.resume()
            semaphore.wait()
        }
        let id = disk.state.withLock { state in
            state.names[path] == nil ? state.add(MemoryDisk.Node(), at: path) : nil
        }
        guard let id else { throw StateTrouble(message: "cannot create \(path): it exists") }
        return StateFileHandle(descriptor: id, path: path)
    }

    func write(_ bytes: [UInt8], to file: StateFileHandle) throws(StateTrouble) {
        try step("write")
        // Half of it is there before the rest.
        let half = bytes.count / 2
        disk.state.withLock { state in
            let old = state.nodes[file.descriptor]?.bytes ?? []
            state.nodes[file.descriptor]?.bytes = Array(bytes[..<half]) + old.dropFirst(half)
        }
        try step("write the rest")
        disk.state.withLock { $0.nodes[file.descriptor]?.bytes = bytes }
    }

    func sync(_ file: StateFileHandle) throws(StateTrouble) {
        try step("sync")
        disk.state.withLock { $0.nodes[file.descriptor]?.sync() }
    }

    func close(_ file: StateFileHandle) {
        disk.state.withLock { state in
            if state.locks[file.path] == ObjectIdentifier(self) { state.locks[file.path] = nil }
        }
    }

    func rename(_ path: String, to target: String) throws(StateTrouble) {
        try step("rename")
        disk.state.withLock { state in state.names[target] = state.names.removeValue(forKey: path) }
        move.yield()
    }

    func syncFolder(_ path: String) throws(StateTrouble) {
        try step("sync folder")
        disk.state.withLock { $0.durableNames = $0.names }
    }

    func remove(_ path: String) throws(StateTrouble) {
        try step("remove")
        disk.state.withLock { _ = $0.names.removeValue(forKey: path) }
    }

    func lock(_ path: String) throws(StateTrouble) -> StateFileHandle? {
        try step("lock")
        let isMine = disk.state.withLock { state in
            guard state.locks[path] == nil else { return false }
            state.locks[path] = ObjectIdentifier(self)
            return true
        }
        return isMine ? StateFileHandle(descriptor: 0, path: path) : nil
    }
}
