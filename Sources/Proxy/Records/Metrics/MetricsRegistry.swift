// Where counts are kept until somebody asks for them: a backend of swift-metrics whose content is read as samples.

import CoreMetrics
import Synchronization

/// Counters and histograms of time by name and labels. Usable from every thread; what it makes is never forgotten, so labels
/// must be bounded.
final class MetricsRegistry: MetricsFactory {
    private struct Series: Hashable {
        let name: String
        let labels: [String]
    }

    private struct State {
        var counters: [Series: CounterCell] = [:]
        var histograms: [Series: HistogramCell] = [:]
    }

    private let state = Mutex(State())

    /// The counter of a family with these values of its labels.
    func counter(_ family: MetricFamily, _ labels: String...) -> Counter {
        Counter(label: family.name, dimensions: Array(zip(family.labels, labels)), factory: self)
    }

    /// The histogram of a family with these values of its labels.
    func timer(_ family: MetricFamily, _ labels: String...) -> CoreMetrics.Timer {
        CoreMetrics.Timer(label: family.name, dimensions: Array(zip(family.labels, labels)), factory: self)
    }

    /// All that was counted, in the order of labels.
    var samples: [MetricSample] {
        let (counters, histograms) = state.withLock { ($0.counters, $0.histograms) }
        return counters.map { MetricSample($0.name, $0.labels, .number(Double($1.value))) }
            + histograms.map { MetricSample($0.name, $0.labels, .times($1.times)) }
    }

    // MARK: MetricsFactory

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        state.withLock { $0.counters.cell(Series(name: label, labels: dimensions.map(\.1)), CounterCell.init) }
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        state.withLock { $0.histograms.cell(Series(name: label, labels: dimensions.map(\.1)), HistogramCell.init) }
    }

    /// Nobody records anything but time here.
    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        NOOPMetricsHandler.instance
    }

    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
}

/// How often something took how long. A value.
struct TimeHistogram: Sendable, Equatable {
    /// One for each of `MetricFamily.timeBounds`, and one for what took longer.
    var counts = [Int](repeating: 0, count: MetricFamily.timeBounds.count + 1)
    var nanoseconds: Int64 = 0

    mutating func add(_ time: Int64) {
        var index = 0
        while index < MetricFamily.timeBounds.count, time > MetricFamily.timeBounds[index] { index += 1 }
        counts[index] += 1
        nanoseconds &+= max(time, 0)
    }
}

private final class CounterCell: CounterHandler {
    private let count = Atomic<Int>(0)

    var value: Int { count.load(ordering: .relaxed) }

    func increment(by amount: Int64) { count.add(Int(amount), ordering: .relaxed) }
    func reset() { count.store(0, ordering: .relaxed) }
}

private final class HistogramCell: TimerHandler {
    private let state = Mutex(TimeHistogram())

    var times: TimeHistogram { state.withLock { $0 } }

    func recordNanoseconds(_ duration: Int64) { state.withLock { $0.add(duration) } }
}

extension Dictionary {
    /// What is there, or a new one from now on.
    fileprivate mutating func cell(_ key: Key, _ make: () -> Value) -> Value {
        if let value = self[key] { return value }
        let value = make()
        self[key] = value
        return value
    }
}
