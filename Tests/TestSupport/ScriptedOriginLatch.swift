// A door between a test and a scripted origin: closed at first, opened once, waited for from threads and from tasks.
// Waiting always has a deadline, which only serves to fail a test that hangs.

import Glibc
import Synchronization

/// Something that happens once.
public final class Latch: Sendable {
    private struct State {
        var isOpen = false
        var writeEnd: Int32
        var waiters: [UnsafeContinuation<Void, Never>] = []
    }

    private let readEnd: Int32
    private let state: Mutex<State>

    /// A closed gate.
    public init() {
        var ends: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutablePointer(to: &ends) {
            $0.withMemoryRebound(to: Int32.self, capacity: 2) { Glibc.pipe($0) }
        }
        precondition(made == 0, "no pipe")
        self.readEnd = ends.0
        self.state = Mutex(State(writeEnd: ends.1))
    }

    deinit {
        self.open()
        close(self.readEnd)
    }

    /// Whether it is open.
    public var isOpen: Bool { self.state.withLock { $0.isOpen } }

    /// Opens it for good.
    public func open() {
        let waiters = self.state.withLock { state in
            if !state.isOpen {
                state.isOpen = true
                // Closing the write end makes the read end readable for every thread that polls it.
                close(state.writeEnd)
            }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Blocks the calling thread until it is open. False after `seconds`.
    @discardableResult
    public func waitBlocking(seconds: Int = 20) -> Bool {
        var polled = pollfd(fd: self.readEnd, events: Int16(POLLIN), revents: 0)
        return poll(&polled, 1, Int32(seconds * 1000)) > 0
    }

    /// Waits until it is open.
    public func wait() async {
        await withUnsafeContinuation { continuation in
            let isOpen = self.state.withLock { state in
                if !state.isOpen { state.waiters.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }
}
