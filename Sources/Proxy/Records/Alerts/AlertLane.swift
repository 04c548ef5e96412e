// One way to the operators: alerts in their order, one at a time, a bounded number waiting, beside everything else.

import CoreMetrics
import Ground
import Synchronization

/// Delivers alerts by a webhook or a program. Usable from every thread.
final class AlertLane: Sendable {
    /// How one alert is delivered; nil, or why it was not.
    typealias Delivery = @Sendable (_ json: [UInt8]) async -> String?

    private struct State {
        var waiting: [(alert: Alert, json: [UInt8])] = []
        var task: Task<Void, Never>?
        var delivery: Delivery?
        var hasEnded = false
    }

    /// Alerts that may wait.
    static let capacity = 64

    private let state = Mutex(State())
    private let done: @Sendable (Alert, Result) -> Void

    /// What became of an alert.
    enum Result: Sendable, Equatable {
        case delivered
        /// Why.
        case failed(String)
        /// There was no room for it.
        case dropped
    }

    /// - Parameter done: called on any thread.
    init(done: @escaping @Sendable (Alert, Result) -> Void) { self.done = done }

    /// How alerts are delivered from now on; nil: not at all.
    func change(to delivery: Delivery?) { state.withLock { $0.delivery = delivery } }

    var isOn: Bool { state.withLock { $0.delivery != nil && !$0.hasEnded } }

    /// Queues one; never waits.
    func add(_ alert: Alert, _ json: [UInt8]) {
        let fits = state.withLock { state -> Bool? in
            guard state.delivery != nil, !state.hasEnded else { return nil }
            guard state.waiting.count < Self.capacity else { return false }
            state.waiting.append((alert, json))
            if state.task == nil { state.task = Task.detached { await self.run() } }
            return true
        }
        if fits == false { done(alert, .dropped) }
    }

    private func run() async {
        while true {
            let next = state.withLock { state -> (Alert, [UInt8], Delivery)? in
                guard let delivery = state.delivery, let first = state.waiting.first else {
                    (state.waiting, state.task) = ([], nil)
                    return nil
                }
                state.waiting.removeFirst()
                return (first.alert, first.json, delivery)
            }
            guard let (alert, json, delivery) = next else { return }
            let trouble = await delivery(json)
            done(alert, trouble.map { .failed($0) } ?? .delivered)
        }
    }

    /// Nothing is taken any more. Returns when what waits is delivered; a cancelled task gives that up.
    func end() async {
        let task = state.withLock { state in
            state.hasEnded = true
            return state.task
        }
        await withTaskCancellationHandler {
            await task?.value
        } onCancel: {
            state.withLock { $0.waiting = [] }
            task?.cancel()
        }
    }
}
