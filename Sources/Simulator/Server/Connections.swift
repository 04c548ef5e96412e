// The open connections of both listeners, so that all can be closed or woken.

import NIOCore
import Synchronization

/// A numbered set of channels. Safe to use from any thread.
final class Connections: Sendable {
    private struct State {
        var last = 0
        var open: [Int: any Channel] = [:]
    }

    private let state = Mutex(State())

    /// Numbers a new connection, from 1.
    func add(_ channel: any Channel) -> Int {
        let number = state.withLock { state in
            state.last += 1
            state.open[state.last] = channel
            return state.last
        }
        channel.closeFuture.whenComplete { _ in
            self.state.withLock { state in state.open[number] = nil }
        }
        return number
    }

    /// Connections accepted so far.
    var accepted: Int { state.withLock { $0.last } }

    /// Connections that are open now.
    var open: Int { state.withLock { $0.open.count } }

    func release() {
        for channel in all { channel.pipeline.fireUserInboundEventTriggered(ConnectionHandler.Release()) }
    }

    /// Closes all and waits until they are closed.
    func closeAll() async {
        for channel in all { try? await channel.close() }
    }

    private var all: [any Channel] { state.withLock { Array($0.open.values) } }
}
