// Writes the records of idempotency keys on a thread of its own: those that wait together share one sync.

import Glibc
import Ground
import Synchronization

/// The writer of one file, or of none where it could not be opened. Usable from every thread.
final class KeyWriter: Sendable {
    private struct Waiting {
        let bytes: [UInt8]
        let written: CheckedContinuation<Bool, Never>
    }

    /// What the thread takes over.
    private final class Handed: Sendable {
        let file: Mutex<KeyFile?>

        init(_ file: consuming KeyFile) { self.file = Mutex(file) }
    }

    private struct State {
        var queue: [Waiting] = []
        var isClosed = false
        /// Why the last write failed; nil: it did not.
        var trouble: String?
    }

    private let state = Mutex(State())
    private let bell = Doorbell()
    private let thread = NamedThread()
    /// Hears of the first failure after a success, and of the first success after that (nil).
    private let tell: @Sendable (String?) -> Void
    /// All lines that a new file needs.
    private let snapshot: @Sendable () -> [UInt8]

    /// So large it becomes before it is made anew, if most of it is of no use any more.
    private static let leastBytes: Int64 = 1 << 20

    init(snapshot: @escaping @Sendable () -> [UInt8], tell: @escaping @Sendable (String?) -> Void) {
        (self.snapshot, self.tell) = (snapshot, tell)
    }

    /// Begins to write to this file. Without, everything fails.
    func start(_ file: consuming KeyFile) throws(KeyFile.Trouble) {
        let handed = Handed(file)
        do throws(NamedThread.Failure) {
            try thread.start("keys") { [self] in
                guard var file = handed.file.withLock({ $0.take() }) else { return }
                run(&file)
            }
        } catch {
            throw KeyFile.Trouble("start a thread", code: error.code)
        }
    }

    /// It cannot be written, and never will be.
    func fail(_ trouble: String) {
        state.withLock { ($0.isClosed, $0.trouble) = (true, trouble) }
        tell(trouble)
    }

    /// Why nothing can be written now; nil: it can be, as far as is known.
    var trouble: String? { state.withLock { $0.trouble } }

    /// Returns when these lines are durable; false: they are not, and may never be.
    func append(_ bytes: [UInt8]) async -> Bool {
        if bytes.isEmpty { return true }
        return await withCheckedContinuation { written in
            let isTaken = state.withLock { state in
                guard !state.isClosed else { return false }
                state.queue.append(Waiting(bytes: bytes, written: written))
                return true
            }
            if isTaken { bell.ring() } else { written.resume(returning: false) }
        }
    }

    /// Writes what waits, and lets go of the file.
    func close() async {
        let wasOpen = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        guard wasOpen else { return }
        bell.ring()
        await thread.ended()
    }

    private func run(_ file: inout KeyFile) {
        // What it has of use is known when it was made anew last.
        var useful: Int64 = 0
        while true {
            bell.wait()
            let (waiting, isClosed) = state.withLock { state in
                defer { state.queue = [] }
                return (state.queue, state.isClosed)
            }
            if !waiting.isEmpty {
                let isWritten = write(waiting.flatMap(\.bytes), &file)
                for each in waiting { each.written.resume(returning: isWritten) }
            }
            if file.size > max(2 * useful, Self.leastBytes), !isClosed { useful = renew(&file) }
            if isClosed { return }
        }
    }

    private func write(_ bytes: [UInt8], _ file: inout KeyFile) -> Bool {
        do throws(KeyFile.Trouble) {
            if !file.isInPlace { try file.replace(with: snapshot()) }
            try file.append(bytes)
            noteTrouble(nil)
            return true
        } catch {
            noteTrouble("\(error)")
            return false
        }
    }

    /// What is not written yet stands in the snapshot, and once more behind it: reading it twice changes nothing.
    private func renew(_ file: inout KeyFile) -> Int64 {
        do throws(KeyFile.Trouble) {
            try file.replace(with: snapshot())
        } catch {
            noteTrouble("\(error)")
        }
        return file.size
    }

    private func noteTrouble(_ trouble: String?) {
        let isNews = state.withLock { state in
            defer { state.trouble = trouble }
            return (state.trouble == nil) != (trouble == nil)
        }
        if isNews { tell(trouble) }
    }
}
