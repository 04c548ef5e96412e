// A body that is taken off upstream faster than its tool reads: for the cache, which wants the whole, or so that a slow tool
// holds no place upstream. What waits for the tool counts as held (listen.max_held_bytes).

import CurlTransport
import Synchronization

/// Written by one task, read by one tool. A chunk is kept until its tool takes it.
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

    private struct Chunk {
        var bytes: [UInt8]
        /// Whether there was room for it.
        var isCounted: Bool
    }

    private struct State {
        var chunks: [Chunk] = []
        var end: End?
        var room: HeldRoom
        var hasLeft = false
        var reader: CheckedContinuation<Void, Never>?
    }

    private let state: Mutex<State>

    /// - Parameter room: for what waits for the tool.
    init(_ room: HeldRoom) { state = Mutex(State(room: room)) }

    /// Adds what was taken off upstream. False: there is no room for it, and no more should be taken off.
    @discardableResult
    func append(_ bytes: [UInt8]) -> Bool {
        var hasRoom = true
        change { state in
            if state.hasLeft { return }
            hasRoom = state.room.grow(by: bytes.count, .answer)
            state.chunks.append(Chunk(bytes: bytes, isCounted: hasRoom))
        }
        return hasRoom
    }

    func end(_ end: End) { change { $0.end = end } }

    /// The tool takes no more of it, because it has all or is gone. The writer may go on.
    func leave() {
        change { state in
            state.hasLeft = true
            state.chunks = []
            state.room.giveBack()
        }
    }

    /// Whether nobody reads it any more.
    var isLeft: Bool { state.withLock { $0.hasLeft } }

    private func change(_ change: (inout State) -> Void) {
        let reader = state.withLock { state in
            change(&state)
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }

    /// What follows the first `count` chunks, once. Nil when the reading task was cancelled.
    func next(after count: Int) async -> Next? {
        while !Task.isCancelled {
            let next = state.withLock { state -> Next? in
                guard count < state.chunks.count else { return state.end.map { .end($0) } }
                let bytes = state.chunks[count].bytes
                if state.chunks[count].isCounted { state.room.shrink(by: bytes.count) }
                state.chunks[count] = Chunk(bytes: [], isCounted: false)
                return .chunk(bytes)
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
