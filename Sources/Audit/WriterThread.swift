// A named thread of its own for the writer: its calls block, and a disk that hangs must hold up nothing but deletes.

import CAudit
import Glibc
import Synchronization

/// Runs one piece of work on a new thread; its end can be awaited by many.
final class WriterThread: Sendable {
    private struct State {
        var handle: pthread_t?
        var hasEnded = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private final class Start: Sendable {
        let thread: WriterThread
        let body: @Sendable () -> Void

        init(_ thread: WriterThread, _ body: @escaping @Sendable () -> Void) {
            self.thread = thread
            self.body = body
        }
    }

    private let state = Mutex(State())

    func start(_ body: @escaping @Sendable () -> Void) throws(AuditOpenFailure) {
        let start = Unmanaged.passRetained(Start(self, body))
        var handle = pthread_t()
        let code = pthread_create(&handle, nil, writerThreadMain, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw .thread(code: code)
        }
        state.withLock { $0.handle = handle }
    }

    /// Returns when the work is done and the thread is gone.
    func ended() async {
        await withCheckedContinuation { continuation in
            let hasEnded = state.withLock { state in
                if !state.hasEnded { state.waiters.append(continuation) }
                return state.hasEnded
            }
            if hasEnded { continuation.resume() }
        }
        let handle = state.withLock { state in
            defer { state.handle = nil }
            return state.handle
        }
        if let handle { pthread_join(handle, nil) }
    }

    deinit {
        if let handle = state.withLock({ $0.handle }) { pthread_detach(handle) }
    }

    fileprivate static func main(_ argument: UnsafeMutableRawPointer?) {
        guard let argument else { return }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        caudit_name_thread("audit")
        start.body()
        let waiters = start.thread.state.withLock { state in
            state.hasEnded = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}

private let writerThreadMain: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
    WriterThread.main(argument)
    return nil
}
