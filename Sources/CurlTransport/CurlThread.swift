// The thread that runs a `CurlLoop`, and its end. It is joined before the process may exit, because OpenSSL's exit
// handler must not run while another thread frees TLS state.

import CCurl
import Glibc
import Synchronization

/// A started, named thread that can be joined once and awaited by many.
final class CurlThread: Sendable {
    private struct State {
        var handle: pthread_t?
        var hasEnded = false
        var isJoined = false
        var waiters: [UnsafeContinuation<Void, Never>] = []
    }

    private final class Start: Sendable {
        let loop: CurlLoop
        let thread: CurlThread

        init(loop: CurlLoop, thread: CurlThread) {
            self.loop = loop
            self.thread = thread
        }
    }

    private let state = Mutex(State())

    /// Starts the thread.
    func start(_ loop: CurlLoop) throws(CurlSetupFailure) {
        var handle = pthread_t()
        let start = Unmanaged.passRetained(Start(loop: loop, thread: self))
        let code = pthread_create(&handle, nil, curlThreadMain, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw CurlSetupFailure(description: "pthread_create failed: \(code)")
        }
        self.state.withLock { $0.handle = handle }
    }

    /// Returns when the thread has ended and is joined. Any number of tasks may wait.
    func ended() async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let isOver = self.state.withLock { state in
                if !state.hasEnded { state.waiters.append(continuation) }
                return state.hasEnded
            }
            if isOver { continuation.resume() }
        }
        self.join()
    }

    /// Waits, blocking, for the thread to end. Does nothing on the thread itself and after the first call.
    func join() {
        let handle = self.state.withLock { state -> pthread_t? in
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

    fileprivate static func main(_ argument: UnsafeMutableRawPointer?) {
        guard let argument else { return }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        ccurl_name_thread("upstream")
        start.loop.run()
        let waiters = start.thread.state.withLock { state in
            state.hasEnded = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}

private let curlThreadMain: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
    CurlThread.main(argument)
    return nil
}
