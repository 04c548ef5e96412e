// Between the task that reads an object from upstream and the disk that keeps it: a thread for each, a short queue in front of
// it. A disk that hangs holds up this one delete and nothing else.

import Audit
import Ground
import Synchronization

/// Writes one object. `add` and `finish` are called by one task, in turn.
final class ArchiveWriter: Sendable {
    private enum End {
        case open
        /// All bytes are here.
        case complete(year: String)
        case givenUp
    }

    private struct State {
        var chunks: [[UInt8]] = []
        var end = End.open
        var result: Result<ArchivedFile, ArchiveTrouble>?
        /// The task, while it waits for room, or for the result.
        var waiter: CheckedContinuation<Void, Never>?

        var held: Int { chunks.reduce(0) { $0 + $1.count } }
    }

    /// More waits for the disk than this: upstream waits, too.
    private static let mostHeld = 256 << 10

    private let state = Mutex(State())
    private let bell = Doorbell()

    /// Makes the file, on its own thread.
    ///
    /// - Parameters:
    ///   - number: no other has it.
    ///   - kept: called on that thread as soon as the file has its name.
    init(_ folder: ArchiveFolder, number: String, kept: @escaping @Sendable (ArchivedFile) -> Void)
        throws(ArchiveTrouble)
    {
        do throws(NamedThread.Failure) {
            try NamedThread().start("archive") { [self] in run(folder, number, kept) }
        } catch {
            throw ArchiveTrouble("start a thread for", folder.path, code: error.code)
        }
    }

    /// Hands over the next bytes, and waits while too many wait already. Throws what has become of those before.
    func add(_ bytes: [UInt8]) async throws(ArchiveTrouble) {
        let isFull = state.withLock { state in
            if state.result == nil { state.chunks.append(bytes) }
            return state.held > Self.mostHeld
        }
        bell.ring()
        if isFull { await wait { $0.held <= Self.mostHeld || $0.result != nil } }
        if case .failure(let trouble) = state.withLock({ $0.result }) { throw trouble }
    }

    /// All bytes are here: returns when the file is durable under its name.
    func finish(year: String) async throws(ArchiveTrouble) -> ArchivedFile {
        state.withLock { $0.end = .complete(year: year) }
        bell.ring()
        await wait { $0.result != nil }
        return try state.withLock { $0.result ?? .failure(ArchiveTrouble("it was given up")) }.get()
    }

    /// No more will come, and what came is not kept. Returns when nothing of it is left.
    func giveUp() async {
        state.withLock { $0.end = .givenUp }
        bell.ring()
        await wait { $0.result != nil }
    }

    private func wait(until holds: @escaping @Sendable (borrowing State) -> Bool) async {
        while true {
            var isDone = false
            await withCheckedContinuation { continuation in
                isDone = state.withLock { state in
                    if holds(state) { return true }
                    state.waiter = continuation
                    return false
                }
                if isDone { continuation.resume() }
            }
            if isDone { return }
        }
    }

    // MARK: The thread

    private func run(_ folder: ArchiveFolder, _ number: String, _ kept: (ArchivedFile) -> Void) {
        let result = Result { () throws(ArchiveTrouble) in try write(folder, number) }
        if case .success(let file) = result { kept(file) }
        state.withLock { state in
            (state.result, state.chunks) = (result, [])
            return Self.takeWaiter(&state)
        }?.resume()
    }

    private func write(_ folder: ArchiveFolder, _ number: String) throws(ArchiveTrouble) -> ArchivedFile {
        let file = try folder.begin(number: number)
        while true {
            let (chunk, end, waiter) = state.withLock { state in
                let chunk = state.chunks.isEmpty ? nil : state.chunks.removeFirst()
                let end = chunk == nil ? state.end : .open
                return (chunk, end, state.held > Self.mostHeld / 2 ? nil : Self.takeWaiter(&state))
            }
            waiter?.resume()
            if let chunk {
                try file.add(chunk)
                continue
            }
            switch end {
            case .open: bell.wait()
            case .complete(let year): return try file.keep(year: year)
            case .givenUp: throw ArchiveTrouble("it was given up")
            }
        }
    }

    private static func takeWaiter(_ state: inout State) -> CheckedContinuation<Void, Never>? {
        defer { state.waiter = nil }
        return state.waiter
    }
}
