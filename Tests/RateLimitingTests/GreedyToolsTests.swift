// Thirty tools that want five times what the subscription allows, for ten simulated minutes, in front of an upstream
// that punishes whoever calls too early.

import Ground
import Testing

@testable import RateLimiting

@Suite("Greedy tools")
struct GreedyToolsTests {
    private static let minute = 60 * Nanoseconds.oneSecond
    private static let limit = GateWindow(limit: 5000, span: .seconds(60))

    private func tools(interactive: Int) -> [Simulation.Tool] {
        (0..<30).map { number in
            Simulation.Tool(
                request: GateRequest(
                    caller: "tool \(number)", priority: number < interactive ? .interactive : .batch,
                    operation: "v2.reports.list"))
        }
    }

    @Test("of six interactive and 24 batch tools nobody is refused or calls early, and the limit is used")
    func classes() {
        var simulation = Simulation(
            limits: GateLimits(windows: [Self.limit]), upstream: [Self.limit], tools: tools(interactive: 6), seed: 1)
        simulation.run(for: 10 * Self.minute)
        let interactive = simulation.tools.prefix(6)
        let batch = simulation.tools.dropFirst(6)
        #expect(simulation.upstream.refused == 0 && simulation.upstream.early == 0)
        #expect(simulation.tools.allSatisfy { $0.refusals == 0 })
        #expect(simulation.upstream.acceptedCount >= 49_000)
        #expect(jainIndex(interactive.map { Double($0.done) }) >= 0.98)
        #expect(jainIndex(batch.map { Double($0.done) }) >= 0.98)
        let (short, long) = (percentile(0.95, interactive.flatMap(\.waits)), percentile(0.95, batch.flatMap(\.waits)))
        #expect(short <= long / 5, "\(short) ns against \(long) ns")
    }

    @Test("thirty equal tools get equal shares of the whole limit")
    func equals() {
        var simulation = Simulation(
            limits: GateLimits(windows: [Self.limit]), upstream: [Self.limit], tools: tools(interactive: 0), seed: 3)
        simulation.run(for: 10 * Self.minute)
        #expect(simulation.upstream.refused == 0)
        #expect(simulation.tools.allSatisfy { $0.refusals == 0 })
        #expect(simulation.upstream.acceptedCount >= 49_000)
        #expect(jainIndex(simulation.tools.map { Double($0.done) }) >= 0.98)
    }

    @Test("while strangers spend a third of the budget the pace gives way, nobody calls early and no tool is refused")
    func strangers() {
        var simulation = Simulation(
            limits: GateLimits(windows: [Self.limit]), upstream: [Self.limit], tools: tools(interactive: 6), seed: 4,
            strangers: { $0 < 5 * 60 * .oneSecond ? 36_000_000 : nil })
        simulation.run(for: 10 * Self.minute)
        #expect(simulation.upstream.refused > 0)
        #expect(simulation.upstream.early == 0)
        #expect(simulation.tools.allSatisfy { $0.refusals == 0 })
        #expect(simulation.upstream.acceptedCount >= 45_000)
    }
}
