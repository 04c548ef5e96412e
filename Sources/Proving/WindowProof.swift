// Windows: more calls are made at once than a window takes, and what arrives is counted by the simulator. A window that lasts an
// hour is proved as one of a second: the rule is the same, and nobody waits an hour.

import Configuration
import Ground
import HTTPTypes
import RateLimiting
import Simulator

/// Load beyond every window.
struct WindowProof: Sendable {
    let world: ProofWorld
    let table: ProofTable

    /// The subscription's.
    func runShared() async {
        let windows = world.promised.rate.windows.inProof(most: 10, span: .milliseconds(500))
        guard !windows.isEmpty else {
            return table.add(
                .noWindowIsExceeded, .notApplicable("rate.windows = []: the subscription's limit shows as 429s"))
        }
        guard !world.promised.rate.observe else {
            return table.add(.noWindowIsExceeded, .notApplicable("rate.observe = true: nothing is held"))
        }
        let readers = world.callers.compactMap { caller in
            caller.first(world.calls(in: caller.home).cachedReads.filter(world.isForwarded)).map { (caller, $0) }
        }
        guard !readers.isEmpty else {
            return table.add(.noWindowIsExceeded, .notApplicable("no caller may read: there is no load to make"))
        }
        // A token has windows of its own, so one caller makes the load.
        let some = world.promised.token.mode == .passthrough ? Array(readers.prefix(1)) : readers
        let count = windows.load
        await flood(count) { number in
            let (caller, call) = some[number % some.count]
            return (caller, call.with("prove=window-\(number)"), "prove-window-\(number)")
        }
        table.add(.noWindowIsExceeded, verdict(windows, asked: count, "prove-window-"))
    }

    /// Those of callers, and those for starts of runs.
    func runOwn() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await proveRuns() }
            for (number, caller) in world.callers.enumerated() {
                group.addTask { table.add(.noWindowIsExceeded, caller.name, await own(number, caller)) }
            }
        }
    }

    private func own(_ number: Int, _ caller: ProvenCaller) async -> Verdict {
        let windows = caller.windows.inProof(most: 5, span: .seconds(1))
        guard !windows.isEmpty else {
            return .notApplicable("windows = []: it may use up what the subscription gives to all")
        }
        if world.promised.rate.observe { return .notApplicable("rate.observe = true: nothing is held") }
        guard let call = caller.first(world.calls(in: caller.home).cachedReads.filter(world.isForwarded)) else {
            return ProvenCaller.mayNotRead
        }
        let count = windows.load
        await flood(count) { (caller, call.with("prove=own-\(number)-\($0)"), "prove-own-\(number)-\($0)") }
        return verdict(windows, asked: count, "prove-own-\(number)-")
    }

    private func proveRuns() async {
        let name = "starts of runs"
        let windows = world.promised.rate.runWindows.inProof(most: 5, span: .seconds(1))
        let starter = world.callers.first { caller in starts(caller, 0) != nil }
        guard !windows.isEmpty, !world.promised.rate.observe, let starter else {
            let why =
                windows.isEmpty
                ? "rate.run_windows = []: Bentley's limit on starts shows as 429s"
                : starter == nil ? "no caller may start runs" : "rate.observe = true: nothing is held"
            return table.add(.noWindowIsExceeded, name, .notApplicable(why))
        }
        let count = windows.load
        await flood(count) { number in starts(starter, number).map { (starter, $0, "prove-run-\(number)") } }
        table.add(.noWindowIsExceeded, name, verdict(windows, asked: count, "prove-run-", areStarts: true))
    }

    private func starts(_ caller: ProvenCaller, _ number: Int) -> ProofCall? {
        caller.first(world.calls(in: caller.home).start(number).filter(world.isForwarded))
    }

    private func flood(
        _ count: Int, _ call: @escaping @Sendable (Int) -> (ProvenCaller, ProofCall, String)?
    ) async {
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<count {
                guard let (caller, call, id) = call(number) else { continue }
                group.addTask { _ = await world.send(call, as: caller, id: id) }
            }
        }
    }

    /// - Parameter areStarts: what is read for a start is none.
    private func verdict(
        _ windows: [ProvedWindow], asked: Int, _ prefix: String, areStarts: Bool = false
    ) -> Verdict {
        if Task.isCancelled { return .fail("could not be run: there was no time") }
        let times = world.simulator.recorded.filter {
            $0[header: "x-correlation-id"]?.hasPrefix(prefix) == true && (!areStarts || $0.method == "POST")
        }.map(\.time).sorted()
        guard !times.isEmpty else { return .fail("of \(asked) calls none arrived") }
        for window in windows {
            let most = Self.most(in: window.proved.span * 4 / 5, of: times)
            if most > window.proved.limit {
                return .fail(
                    "\(most) calls arrived within \(window.proved.span.shortText) of \(window.text), of \(asked) made at once"
                )
            }
        }
        let names = windows.map(\.text).joined(separator: ", ")
        return .pass(
            "\(asked) calls at once, \(times.count) arrived, spread over \((times[times.count - 1] - times[0]).shortText): \(names)"
        )
    }

    /// The largest number of arrivals in any span of this length. It is a fifth shorter than the window, since arrivals are
    /// dated by the simulator and not when they were sent.
    private static func most(in span: Duration, of times: [Duration]) -> Int {
        var (first, most) = (0, 0)
        for (index, time) in times.enumerated() {
            while time - times[first] > span { first += 1 }
            most = max(most, index - first + 1)
        }
        return most
    }
}

/// A window of the configuration, and the one that stands for it here.
struct ProvedWindow: Sendable {
    let configured: GateWindow
    let proved: GateWindow

    var text: String { configured == proved ? configured.name : "\(configured.name) as \(proved.name)" }
}

extension [ProvedWindow] {
    /// So many calls that every window is met twice over, but no more than all of them let through in six seconds.
    fileprivate var load: Int {
        let most = 2 * (map(\.proved.limit).max() ?? 0) + 1
        let slowest =
            map { Double($0.proved.limit) / Swift.max(Double($0.proved.span.components.seconds), 0.5) }.min() ?? 0
        return Swift.min(most, Int(slowest * 6) + (map(\.proved.limit).min() ?? 0) + 1)
    }
}

extension [GateWindow] {
    /// The shortest as so many calls in a span, each longer one as so many more in as many more spans.
    func inProof(most: Int, span: Duration) -> [ProvedWindow] {
        sorted { $0.span < $1.span }.enumerated().map { place, window in
            let proved = GateWindow(limit: Swift.min(window.limit, most * (place + 1)), span: span * (place + 1))
            return ProvedWindow(configured: window, proved: window.span <= proved.span ? window : proved)
        }
    }
}

extension Config {
    /// The subscription's windows in a size that can be proved.
    mutating func scaleWindows(of promised: Config) {
        rate.windows = promised.rate.windows.inProof(most: 10, span: .milliseconds(500)).map(\.proved)
        letWait()
    }

    /// Those of callers, and those for runs.
    mutating func scaleOwnWindows(of promised: Config) {
        rate.runWindows = promised.rate.runWindows.inProof(most: 5, span: .seconds(1)).map(\.proved)
        for (index, caller) in promised.callers.enumerated() {
            callers[index].windows = caller.windows.inProof(most: 5, span: .seconds(1)).map(\.proved)
        }
        for (index, issuer) in promised.issuers.enumerated() {
            issuers[index].windows = issuer.windows.inProof(most: 5, span: .seconds(1)).map(\.proved)
        }
        letWait()
    }

    /// So that there is something to hold.
    private mutating func letWait() {
        rate.maxWait = .seconds(20)
        rate.maxQueue = max(rate.maxQueue, 1000)
    }
}
