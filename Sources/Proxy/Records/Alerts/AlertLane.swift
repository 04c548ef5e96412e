// One way to the operators: alerts in their order, one at a time, a bounded number waiting, beside everything else. What is
// critical goes ahead, and beside one that hangs.

import CoreMetrics
import Ground
import Synchronization

/// Delivers alerts by a webhook or a program. Usable from every thread.
final class AlertLane: Sendable {
    /// How one alert is delivered; nil, or why it was not.
    typealias Delivery = @Sendable (_ json: [UInt8]) async -> String?

    /// What is told one after the other: that it has begun, and that it is over.
    private struct Topic: Hashable {
        let kind: Alert.Kind
        let subject: String

        init(_ alert: Alert) { (kind, subject) = (alert.kind, alert.subject) }
    }

    private struct State {
        var waiting: [(alert: Alert, json: [UInt8])] = []
        /// Deliveries, by what they are about.
        var underWay: [Topic: Task<Void, Never>] = [:]
        /// What is not critical goes by itself.
        var isBusy = false
        var delivery: Delivery?
        var hasEnded = false
    }

    /// Deliveries at once: one of whatever it is, the others of what is critical.
    private let most: Int
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

    /// - Parameters:
    ///   - most: deliveries at once.
    ///   - done: called on any thread.
    init(most: Int = 4, done: @escaping @Sendable (Alert, Result) -> Void) { (self.most, self.done) = (most, done) }

    /// How alerts are delivered from now on; nil: not at all.
    func change(to delivery: Delivery?) { state.withLock { $0.delivery = delivery } }

    var isOn: Bool { state.withLock { $0.delivery != nil && !$0.hasEnded } }

    /// Queues one; never waits.
    func add(_ alert: Alert, _ json: [UInt8]) {
        let fits = state.withLock { state -> Bool? in
            guard state.delivery != nil, !state.hasEnded else { return nil }
            guard state.waiting.count < Self.capacity else { return false }
            state.waiting.append((alert, json))
            begin(&state)
            return true
        }
        if fits == false { done(alert, .dropped) }
    }

    /// Begins what can be begun.
    private func begin(_ state: inout State) {
        guard let delivery = state.delivery else { return state.waiting = [] }
        while state.underWay.count < most, let index = Self.next(state) {
            let (alert, json) = state.waiting.remove(at: index)
            let takesPlace = !state.isBusy
            state.isBusy = true
            state.underWay[Topic(alert)] = Task.detached {
                let trouble = await delivery(json)
                self.done(alert, trouble.map { .failed($0) } ?? .delivered)
                self.ended(alert, hadPlace: takesPlace)
            }
        }
    }

    /// The first that is critical, else the first; nil where nothing may go now.
    private static func next(_ state: State) -> Int? {
        var held = Set(state.underWay.keys)
        var first: Int?
        for (index, entry) in state.waiting.enumerated() where held.insert(Topic(entry.alert)).inserted {
            if entry.alert.severity == .critical { return index }
            first = first ?? index
        }
        return state.isBusy ? nil : first
    }

    private func ended(_ alert: Alert, hadPlace: Bool) {
        state.withLock { state in
            state.underWay[Topic(alert)] = nil
            if hadPlace { state.isBusy = false }
            begin(&state)
        }
    }

    /// Nothing is taken any more. Returns when what waits is delivered; a cancelled task gives that up.
    func end() async {
        state.withLock { $0.hasEnded = true }
        await withTaskCancellationHandler {
            while let task = state.withLock({ $0.underWay.values.first }) { await task.value }
        } onCancel: {
            let tasks = state.withLock { state in
                state.waiting = []
                return Array(state.underWay.values)
            }
            for task in tasks { task.cancel() }
        }
    }
}
