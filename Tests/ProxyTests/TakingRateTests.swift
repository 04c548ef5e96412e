// When a tool that holds a place upstream is too slow: the value alone.

import RateLimiting
import Testing

@testable import Proxy

@Suite struct TakingRateTests {
    private let start = ContinuousClock.now
    private let wanted = PlaceDemand(isWaitedFor: true, refused: 0)
    private let unwanted = PlaceDemand(isWaitedFor: false, refused: 0)

    private func at(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

    /// The first second at which the tool is too slow, looked at every second.
    private func end(
        within seconds: Int = 3_600, minRate: Int = 1_024, taken: (Int) -> Int, demand: (Int) -> PlaceDemand
    ) -> Int? {
        var rate = TakingRate(minRate: minRate, taken: taken(0), now: at(0))
        return (1...seconds).first { rate.isTooSlow(taken: taken($0), demand($0), now: at($0)) }
    }

    @Test("a tool that stopped is too slow when others have waited for 30 s, and not before")
    func stopped() throws {
        let fromStart = try #require(end(taken: { _ in 0 }, demand: { _ in wanted }))
        #expect((31...42).contains(fromStart), "\(fromStart)")
        let since = try #require(end(taken: { _ in 500_000 }, demand: { $0 < 1_000 ? unwanted : wanted }))
        #expect((1_030...1_032).contains(since), "\(since)")
    }

    @Test("what fills the buffers on the way at first is no rate")
    func burst() throws {
        let end = try #require(self.end(taken: { min($0, 3) * 2_000_000 }, demand: { _ in wanted }))
        #expect((31...46).contains(end), "\(end)")
    }

    @Test("nobody is too slow while nobody waits")
    func nobodyWaits() {
        #expect(end(taken: { _ in 0 }, demand: { _ in unwanted }) == nil)
        #expect(end(taken: { _ in 0 }, demand: { PlaceDemand(isWaitedFor: $0 % 60 < 25, refused: 7) }) == nil)
    }

    @Test(
        "a steady tool is not too slow, however large the steps in which its kernel acknowledges",
        arguments: [(1_024, 8_192), (1_100, 32_768), (2_048, 65_536), (3_000, 95_232), (10_240, 95_232)])
    func steady(rate: Int, step: Int) {
        #expect(end(taken: { $0 * rate / step * step }, demand: { _ in wanted }) == nil)
    }

    @Test("one that reads at half the rate is too slow, in whatever steps", arguments: [1_024, 8_192, 32_768])
    func halfRate(step: Int) {
        #expect(end(taken: { $0 * 512 / step * step }, demand: { _ in wanted }) != nil)
    }

    @Test("one that was fast and stops has no more to its credit than two minutes of the least rate")
    func fastThenStops() throws {
        let end = try #require(self.end(taken: { min($0, 600) / 5 * 5_000_000 }, demand: { _ in wanted }))
        #expect((600 + 31...600 + 130).contains(end), "\(end)")
    }

    @Test("those who are refused at once and ask again wait as well")
    func polling() throws {
        let end = try #require(
            self.end(taken: { _ in 0 }, demand: { PlaceDemand(isWaitedFor: false, refused: $0 / 3) }))
        #expect((33...45).contains(end), "\(end)")
        let rarely = self.end(taken: { _ in 0 }, demand: { PlaceDemand(isWaitedFor: false, refused: $0 / 20) })
        #expect(rarely == nil, "now and then is no waiting")
    }

    @Test("a look that comes late changes nothing but when it is told")
    func lateLooks() {
        var rate = TakingRate(minRate: 1_024, taken: 0, now: at(0))
        let looks = [100, 129, 131].map { rate.isTooSlow(taken: 0, wanted, now: at($0)) }
        #expect(looks == [false, false, true], "since when they wait is not known before the first")
    }
}
