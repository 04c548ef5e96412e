// The bounded pipe that carries a response body from the curl thread to the one task that reads it.
// "The producer has stopped" is recorded in the same critical section in which the reader takes bytes, so that a resume
// can be neither lost nor sent for nothing.

import HTTPTypes
import Synchronization

/// Bytes on their way from the curl thread to a reader.
struct ResponsePipe: ~Copyable, Sendable {
    typealias Next = Result<[UInt8]?, TransferFailure>

    /// How a body ended.
    enum Ending {
        case complete(isProven: Bool, trailers: HTTPFields)
        case failed(TransferFailure)
    }

    enum Write {
        case taken
        /// Nothing was taken; the same bytes must come again after a resume.
        case full
    }

    enum Take {
        /// What there is; the producer must be told to go on if it had stopped.
        case now(Next, resumesProducer: Bool)
        case wait
    }

    /// `@safe`: whoever takes the continuation out resumes it, once.
    @safe struct State {
        var buffer: [UInt8] = []
        var producerStopped = false
        var ending: Ending?
        var reader: UnsafeContinuation<Next, Never>?
    }

    /// When this much is waiting for the reader, the producer is told to stop.
    static let bound = 256 * 1024

    private let state = Mutex(State())

    // MARK: Curl thread

    /// - Parameter expected: the length of the whole body where it is known, to size the buffer once.
    func write(_ bytes: UnsafeRawBufferPointer, expected: Int?) -> Write {
        self.state.withLock { state in
            if state.buffer.count >= Self.bound {
                state.producerStopped = true
                return .full
            }
            if state.buffer.isEmpty {
                state.buffer.reserveCapacity(max(bytes.count, min(expected ?? 0, Self.bound)))
            }
            unsafe state.buffer.append(contentsOf: bytes)
            return .taken
        }
    }

    /// The first ending holds.
    func end(_ ending: Ending) {
        self.state.withLock { state in
            if state.ending == nil { state.ending = ending }
        }
    }

    /// Wakes a waiting reader if there is something for it. True: the producer had stopped and must be told to go on.
    func deliver() -> Bool {
        let wake = unsafe self.state.withLock { state -> (UnsafeContinuation<Next, Never>, Next, Bool)? in
            guard let reader = unsafe state.reader, let (next, resumes) = Self.take(&state) else { return nil }
            unsafe state.reader = nil
            return unsafe (reader, next, resumes)
        }
        guard let (reader, next, resumes) = unsafe wake else { return false }
        unsafe reader.resume(returning: next)
        return resumes
    }

    // MARK: Reader

    /// Everything that is buffered, or the end, or "wait".
    func take() -> Take {
        self.state.withLock { state in
            guard let (next, resumes) = Self.take(&state) else { return .wait }
            return .now(next, resumesProducer: resumes)
        }
    }

    /// Leaves a continuation for the next bytes; answers at once if something came meanwhile.
    func wait(_ continuation: UnsafeContinuation<Next, Never>) -> Take {
        self.state.withLock { state in
            if let (next, resumes) = Self.take(&state) { return .now(next, resumesProducer: resumes) }
            guard unsafe state.reader == nil else {
                let failure = TransferFailure(
                    reason: .internalError, sent: true, headReceived: true, detail: "two readers of one body")
                return .now(.failure(failure), resumesProducer: false)
            }
            unsafe state.reader = continuation
            return .wait
        }
    }

    var isComplete: Bool {
        self.state.withLock { state in
            if case .complete = state.ending { true } else { false }
        }
    }

    var hasEnded: Bool {
        self.state.withLock { $0.ending != nil }
    }

    /// Whether the end is proven, and the trailers; known once the body has ended.
    var conclusion: (isProven: Bool, trailers: HTTPFields)? {
        self.state.withLock { state in
            if case .complete(let isProven, let trailers) = state.ending { (isProven, trailers) } else { nil }
        }
    }

    private static func take(_ state: inout State) -> (Next, resumesProducer: Bool)? {
        if !state.buffer.isEmpty {
            var bytes: [UInt8] = []
            swap(&bytes, &state.buffer)
            let resumes = state.producerStopped
            state.producerStopped = false
            return (.success(bytes), resumes)
        }
        switch state.ending {
        case nil: return nil
        case .complete: return (.success(nil), false)
        case .failed(let failure): return (.failure(failure), false)
        }
    }
}
