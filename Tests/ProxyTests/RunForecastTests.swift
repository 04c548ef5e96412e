// How often what shows a run under way is looked at.

import Testing

@testable import Proxy

@Suite struct RunForecastTests {
    private let start = ContinuousClock.now
    private let usual = Duration.seconds(5)
    private let longest = Duration.seconds(30)

    private func at(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

    /// Some runs of a test that took so long each.
    private func forecast(_ durations: [Int]) -> RunForecast {
        var forecast = RunForecast()
        for (index, duration) in durations.enumerated() {
            forecast.started(["old\(index)"], test: "t", at: at(0))
            forecast.showsUnderWay("old\(index)", now: at(duration))
            let wasKnown = forecast.showsEnded("old\(index)", now: at(duration))
            #expect(wasKnown)
        }
        forecast.started(["r"], test: "t", at: at(1000))
        return forecast
    }

    private func life(_ forecast: RunForecast, _ elapsed: Int, load: Double = 0) -> Duration {
        forecast.life(of: "r", usual: usual, longest: longest, load: load, now: at(1000 + elapsed))
    }

    @Test("seldom at first, never past the time when it may end, often around it, as usual when it is late")
    func course() {
        let forecast = forecast([100, 110, 120, 130])
        #expect(life(forecast, 0) == longest && life(forecast, 60) == longest)
        #expect(life(forecast, 75) == .seconds(20) && life(forecast, 92) == usual)
        for elapsed in [96, 110, 134] { #expect(life(forecast, elapsed) == usual / 4, "\(elapsed)") }
        #expect(life(forecast, 140) == usual)
    }

    @Test("without runs of its test before, and of runs that nobody knows, it is as usual")
    func unknown() {
        #expect(life(forecast([]), 0) == usual && life(forecast([100]), 0) == usual)
        #expect(forecast([1, 2]).life(of: "x", usual: usual, longest: longest, load: 0, now: start) == usual)
    }

    @Test("the less is left of the windows, the less often")
    func load() {
        let forecast = forecast([100, 110, 120])
        #expect(life(forecast, 110, load: 0.5) == usual / 4)
        #expect(life(forecast, 110, load: 0.75) == usual / 2)
        #expect(life(forecast, 110, load: 1) == usual)
    }

    @Test("what is remembered is bounded, and the latest counts")
    func bounded() {
        var forecast = forecast((0..<100).map { _ in 10 } + (0..<16).map { _ in 200 })
        #expect(life(forecast, 20) == longest)
        for run in 0..<5000 { forecast.started(["x\(run)"], test: "t\(run)", at: at(2000 + run)) }
        #expect(life(forecast, 20) == usual, "it was forgotten")
        let wasKnown = forecast.showsEnded("r", now: at(3000))
        #expect(!wasKnown)
    }
}
