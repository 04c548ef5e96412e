// The bounded pipe that carries a request body from the caller to the curl thread.
// The writer waits while it is full; the curl thread pauses the transfer while it is empty. A body that was given up
// ends the exchange, it never looks like a complete one.

import Synchronization

/// A request body that is written while it is sent. For one request and one writer at a time.
package final class RequestBodyPipe: Sendable {
    /// What the curl thread gets.
    enum Read: Equatable {
        case bytes(Int)
        /// Nothing there yet; `resume` will be sent when there is.
        case starved
        case finished
        case failed
    }

    private enum Phase {
        case open
        case finished
        case failed
        /// The exchange is over or takes no more; what comes is refused.
        case closed
    }

    private struct State {
        var phase = Phase.open
        var buffer: [UInt8] = []
        var offset = 0
        var consumerStarved = false
        var isAttached = false
        /// Bytes that had been written were thrown away.
        var isCut = false
        var link: Link?
        var writer: UnsafeContinuation<Bool, Never>?

        var waiting: Int { self.buffer.count - self.offset }
    }

    /// How the pipe reaches its transfer.
    struct Link: Sendable {
        let transfer: Transfer
        let inbox: Inbox
    }

    /// When this many bytes wait to be sent, the writer waits too.
    private static let bound = 64 * 1024

    private let state = Mutex(State())

    /// Makes an open, empty pipe.
    package init() {}

    // MARK: Writer

    /// Adds bytes; returns when there is room for more.
    /// - Throws: `RequestBodyClosed` when the exchange takes no more, or the task is cancelled (which fails the pipe).
    package func write(_ bytes: [UInt8]) async throws(RequestBodyClosed) {
        let (isOpen, isFull, wake) = self.state.withLock { state -> (Bool, Bool, Link?) in
            guard state.phase == .open else { return (false, false, nil) }
            if bytes.isEmpty { return (true, false, nil) }
            if state.offset >= Self.bound {
                state.buffer.removeFirst(state.offset)
                state.offset = 0
            }
            state.buffer.append(contentsOf: bytes)
            let wake = state.consumerStarved ? state.link : nil
            state.consumerStarved = false
            return (true, state.waiting >= Self.bound, wake)
        }
        if let wake { wake.inbox.send(.resumeUpload(wake.transfer)) }
        guard isOpen else { throw RequestBodyClosed() }
        guard isFull else { return }
        let isTaken = await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Bool, Never>) in
                let answer = self.state.withLock { state -> Bool? in
                    if state.phase == .failed || state.isCut { return false }
                    guard state.waiting >= Self.bound, state.writer == nil else { return true }
                    state.writer = continuation
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            self.fail()
        }
        if !isTaken { throw RequestBodyClosed() }
    }

    /// The body is complete. Later calls do nothing.
    package func finish() {
        self.leave(.finished)
    }

    /// The body will not be completed: the exchange is ended with `bodyFailed`. Later calls do nothing.
    package func fail() {
        self.leave(.failed)
    }

    private func leave(_ phase: Phase) {
        let (link, writer) = self.state.withLock { state -> (Link?, UnsafeContinuation<Bool, Never>?) in
            guard state.phase == .open else { return (nil, nil) }
            state.phase = phase
            let writer = phase == .failed ? state.writer : nil
            if phase == .failed { state.writer = nil }
            let wake = state.consumerStarved || phase == .failed
            state.consumerStarved = false
            return (wake ? state.link : nil, writer)
        }
        writer?.resume(returning: false)
        guard let link else { return }
        link.inbox.send(phase == .failed ? .abortUpload(link.transfer) : .resumeUpload(link.transfer))
    }

    // MARK: Curl thread and execute

    /// Ties the pipe to its one exchange. False if it had one already.
    func attach(_ link: Link) -> Bool {
        self.state.withLock { state in
            if state.isAttached { return false }
            state.isAttached = true
            if state.phase != .closed { state.link = link }
            return true
        }
    }

    var hasFailed: Bool { self.state.withLock { $0.phase == .failed } }

    /// The exchange takes no more; a waiting writer learns it. Also breaks the reference cycle with the transfer.
    func close() {
        let writer = self.state.withLock { state in
            state.phase = .closed
            if state.waiting > 0 { state.isCut = true }
            state.buffer = []
            state.offset = 0
            state.link = nil
            let writer = state.writer
            state.writer = nil
            return writer
        }
        writer?.resume(returning: false)
    }

    /// Moves up to `target.count` bytes out.
    func read(into target: UnsafeMutableRawBufferPointer) -> Read {
        let (result, writer) = self.state.withLock { state -> (Read, UnsafeContinuation<Bool, Never>?) in
            if state.phase == .failed || state.phase == .closed { return (.failed, nil) }
            let count = min(state.waiting, target.count)
            if count == 0 {
                if state.phase == .finished { return (.finished, nil) }
                state.consumerStarved = true
                return (.starved, nil)
            }
            state.buffer.withUnsafeBytes {
                target.copyMemory(from: .init(rebasing: $0[state.offset..<state.offset + count]))
            }
            state.offset += count
            if state.offset == state.buffer.count {
                state.buffer.removeAll(keepingCapacity: true)
                state.offset = 0
            }
            guard state.waiting < Self.bound, let writer = state.writer else { return (.bytes(count), nil) }
            state.writer = nil
            return (.bytes(count), writer)
        }
        writer?.resume(returning: true)
        return result
    }
}
