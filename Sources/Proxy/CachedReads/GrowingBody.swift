// A body that is being taken off upstream for the cache while the tool that asked first already gets it: a large answer
// must not arrive later because it is kept as well.

import CurlTransport
import Synchronization

/// Written by the fetch, read by one tool. All that was appended is kept until both let go of it, which the limit of one
/// stored answer bounds.
final class GrowingBody: Sendable {
    /// How it goes on after the last chunk.
    enum End: Sendable {
        case whole
        case failed(Failure)
        /// It is too large to be kept: the reader takes the rest off upstream itself.
        case rest(any UpstreamBody)
    }

    enum Next: Sendable {
        case chunk([UInt8])
        case end(End)
    }

    private struct State {
        var chunks: [[UInt8]]
        var end: End?
        var reader: CheckedContinuation<Void, Never>?
    }

    private let state: Mutex<State>

    init(_ chunks: [[UInt8]]) { state = Mutex(State(chunks: chunks)) }

    func append(_ chunk: [UInt8]) { change { $0.chunks.append(chunk) } }

    func end(_ end: End) { change { $0.end = end } }

    private func change(_ change: (inout State) -> Void) {
        let reader = state.withLock { state in
            change(&state)
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }

    /// What follows the first `count` chunks. Nil when the reading task was cancelled.
    func next(after count: Int) async -> Next? {
        while !Task.isCancelled {
            let next = state.withLock { state -> Next? in
                if count < state.chunks.count { return .chunk(state.chunks[count]) }
                // Nobody reads what was passed on once more.
                if case .rest = state.end { state.chunks = [] }
                return state.end.map { .end($0) }
            }
            if let next { return next }
            await waitForMore(after: count)
        }
        return nil
    }

    private func waitForMore(after count: Int) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isThere = state.withLock { state in
                    if count < state.chunks.count || state.end != nil || Task.isCancelled { return true }
                    state.reader = continuation
                    return false
                }
                if isThere { continuation.resume() }
            }
        } onCancel: {
            change { _ in }
        }
    }
}
