// Lines to a file descriptor by a thread of its own: a reader that stalls must never stop an event loop.

import Glibc
import Ground
import Synchronization

/// Writes whole lines in order. While the reader is behind, up to `maxBuffered` bytes wait; what comes on top is
/// dropped and counted, and the count is written as soon as there is room again.
final class LineWriter: Sendable {
    private struct State {
        var buffer: [UInt8] = []
        var dropped = 0
        var isClosed = false
        var isIdle = false
    }

    private let state = Mutex(State())
    private let descriptor: Int32
    private let maxBuffered: Int
    private let bell = Doorbell()
    private let ended = Doorbell()

    init(descriptor: Int32, maxBuffered: Int = 1 << 20) {
        self.descriptor = descriptor
        self.maxBuffered = maxBuffered
        // Without a thread, lines wait until there is no room for more; there is nobody to tell.
        try? NamedThread().start("log") { self.run() }
    }

    /// Queues one line; it includes its newline.
    func write(_ line: String) { write(Array(line.utf8)) }

    /// Queues one line; it includes its newline.
    func write(_ line: [UInt8]) {
        let ring = state.withLock { state in
            guard !state.isClosed else { return false }
            guard state.buffer.count + line.count <= maxBuffered else {
                state.dropped += 1
                return false
            }
            state.buffer.append(contentsOf: line)
            let wasIdle = state.isIdle
            state.isIdle = false
            return wasIdle
        }
        if ring { bell.ring() }
    }

    /// Writes what is queued, then ends the thread. Waits for it at most `seconds`.
    func close(waitingAtMost seconds: Int = 2) {
        state.withLock { $0.isClosed = true }
        bell.ring()
        ended.wait(atMost: .seconds(seconds))
    }

    private func run() {
        while true {
            let (batch, isLast) = state.withLock { state -> ([UInt8], Bool) in
                var batch: [UInt8] = []
                swap(&batch, &state.buffer)
                if state.dropped > 0 {
                    batch.append(contentsOf: "# \(state.dropped) lines dropped: the log's reader is too slow\n".utf8)
                    state.dropped = 0
                }
                state.isIdle = batch.isEmpty
                return (batch, state.isClosed && batch.isEmpty)
            }
            if isLast { break }
            if batch.isEmpty {
                bell.wait()
                gather()
            } else {
                writeAll(batch)
            }
        }
        ended.ring()
    }

    /// Lines come in crowds: a moment's patience saves a system call and a switch of threads for each.
    private func gather() {
        var pause = timespec(tv_sec: 0, tv_nsec: 5_000_000)
        nanosleep(&pause, nil)
    }

    private func writeAll(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { raw in
            var offset = 0
            while offset < raw.count {
                let written = Glibc.write(descriptor, raw.baseAddress.map { $0 + offset }, raw.count - offset)
                if written > 0 {
                    offset += written
                } else if errno == EAGAIN {
                    var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    Glibc.poll(&poll, 1, 1_000)
                } else if errno != EINTR {
                    return  // the reader is gone; there is nobody to tell
                }
            }
        }
    }
}
