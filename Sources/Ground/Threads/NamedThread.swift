// A named thread for work that blocks: a disk or a reader that hangs must hold up nothing else, and the threads that
// async functions and event loops run on are few.

import CGround
import Glibc
import Synchronization

/// Runs one piece of work on a new thread; its end can be awaited by many. Usable from every thread.
///
/// Who lets go of it does not end the work.
package final class NamedThread: Sendable {
    /// The kernel gives no thread.
    package struct Failure: Error, Equatable {
        /// The errno.
        package let code: Int32
    }

    private struct State {
        var handle: pthread_t?
        var hasEnded = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private final class Start: Sendable {
        let thread: NamedThread
        let name: String
        let body: @Sendable () -> Void

        init(_ thread: NamedThread, _ name: String, _ body: @escaping @Sendable () -> Void) {
            self.thread = thread
            self.name = name
            self.body = body
        }
    }

    private let state = Mutex(State())

    /// A thread that does not run yet.
    package init() {}

    deinit {
        if let handle = state.withLock({ $0.handle }) { pthread_detach(handle) }
    }

    /// Starts the work. Once.
    ///
    /// - Parameter name: as debuggers and `top -H` show it; 15 bytes of it at most.
    package func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(Failure) {
        let start = Unmanaged.passRetained(Start(self, name, body))
        var handle = pthread_t()
        let code = pthread_create(&handle, nil, Self.main, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw Failure(code: code)
        }
        state.withLock { $0.handle = handle }
    }

    /// Returns when the work is done and the thread is gone.
    package func ended() async {
        await withCheckedContinuation { continuation in
            let hasEnded = state.withLock { state in
                if !state.hasEnded { state.waiters.append(continuation) }
                return state.hasEnded
            }
            if hasEnded { continuation.resume() }
        }
        join()
    }

    /// Blocks until the thread is gone. Does nothing on the thread itself and where somebody has joined it before.
    package func join() {
        let handle = state.withLock { state in
            defer { state.handle = nil }
            return state.handle
        }
        guard let handle else { return }
        if pthread_equal(handle, pthread_self()) != 0 {
            pthread_detach(handle)
        } else {
            pthread_join(handle, nil)
        }
    }

    private static let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        if let argument { NamedThread.run(Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()) }
        return nil
    }

    private static func run(_ start: Start) {
        cground_name_thread(String(decoding: start.name.utf8.prefix(15), as: UTF8.self))
        start.body()
        let waiters = start.thread.state.withLock { state in
            state.hasEnded = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
