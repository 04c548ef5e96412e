// What is open and under way, for the connection limit and for an orderly end.

import NIOCore
import Synchronization

/// Counts connections and exchanges of one listener. Usable from every thread.
package final class Activity: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var exchanges = 0
        /// Connections over the limit that are told so.
        var refusals = 0
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var waits: UInt64 = 0
        var isGivenUp = false
        var maxConnections: Int
        var isQuiet: Bool { channels.isEmpty && exchanges == 0 }

        mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
            defer { waiters = [:] }
            return Array(waiters.values)
        }
    }

    private let state: Mutex<State>
    private let draining = Atomic(false)

    /// - Parameter maxConnections: how many are let in at once.
    package init(maxConnections: Int) { state = Mutex(State(maxConnections: maxConnections)) }

    /// So many are let in at once from now on; those that are open stay.
    package func change(maxConnections: Int) { state.withLock { $0.maxConnections = maxConnections } }

    /// Whether `drain` was called.
    package var isDraining: Bool { draining.load(ordering: .acquiring) }
    /// Connections that are open now.
    package var openConnections: Int { state.withLock { $0.channels.count } }
    /// Exchanges under way now.
    package var runningExchanges: Int { state.withLock { $0.exchanges } }

    /// Registers a connection; false when there are already `max_connections`.
    func open(_ channel: any Channel) -> Bool {
        state.withLock { state in
            guard state.channels.count < state.maxConnections else { return false }
            state.channels[ObjectIdentifier(channel)] = channel
            return true
        }
    }

    /// As many connections over the limit as may have a handshake at once only to be told so.
    private static let maxRefusals = 64

    /// One over the limit is to be told by way of TLS, which takes memory and time; false when that would be too many.
    func refusalBegan() -> Bool {
        state.withLock { state in
            guard state.refusals < Self.maxRefusals else { return false }
            state.refusals += 1
            return true
        }
    }

    func refusalEnded() { state.withLock { $0.refusals -= 1 } }

    func close(_ channel: any Channel) {
        update { $0.channels[ObjectIdentifier(channel)] = nil }
    }

    /// An exchange is under way.
    package func exchangeBegan() { state.withLock { $0.exchanges += 1 } }

    /// An exchange may outlive its connection: a delete that was sent is finished without its tool.
    package func exchangeEnded() { update { $0.exchanges -= 1 } }

    private func update(_ change: (inout sending State) -> Void) {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            change(&state)
            return state.isQuiet ? state.takeWaiters() : []
        }
        waiters.forEach { $0.resume() }
    }

    /// Tells every connection to end after its current answer.
    package func drain() {
        draining.store(true, ordering: .releasing)
        tellAll(DrainEvent.finish)
    }

    /// Tells every connection that its time is over.
    package func cutShort() { tellAll(DrainEvent.cutShort) }

    /// Another authority of clients is in force: connections that it does not know end after their current answers.
    package func authorityChanged(_ tls: ServerTLS) { tellAll(AuthorityChange(authority: tls.authority)) }

    private func tellAll(_ event: some Sendable) {
        for channel in state.withLock({ Array($0.channels.values) }) {
            channel.pipeline.fireUserInboundEventTriggered(event)
        }
    }

    /// Returns when nothing is open or running any more, or when the task is cancelled.
    package func waitUntilQuiet() async {
        let number = state.withLock { state in
            state.waits += 1
            return state.waits
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    // Who is cancelled before this has been told already, and finds nobody here.
                    if state.isQuiet || state.isGivenUp || Task.isCancelled { return true }
                    state.waiters[number] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: number) }?.resume()
        }
    }

    /// Whether nothing is open or running.
    package var isQuiet: Bool { state.withLock { $0.isQuiet } }

    /// Lets `waitUntilQuiet` return although something still runs, now and when it is called later.
    package func giveUpWaiting() {
        let waiters = state.withLock { state in
            state.isGivenUp = true
            return state.takeWaiters()
        }
        waiters.forEach { $0.resume() }
    }

    /// Makes `waitUntilQuiet` wait anew.
    package func waitAgain() { state.withLock { $0.isGivenUp = false } }

    /// Closes what is still open, hard.
    package func closeAll() {
        for channel in state.withLock({ Array($0.channels.values) }) { channel.close(promise: nil) }
    }
}

/// What a connection is told when the process ends.
enum DrainEvent: Sendable {
    /// End after the current answer.
    case finish
    /// End now.
    case cutShort
}
