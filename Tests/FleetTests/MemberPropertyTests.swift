import Testing

@testable import Fleet

@Suite("Member, by chance")
struct MemberPropertyTests {
    private static let windows = [
        FleetWindow(limit: 60, span: 2000), FleetWindow(limit: 20, span: 400),
        FleetWindow(limit: 6, span: 1000, isForRuns: true),
    ]

    private static func expectNeverOver(_ world: FleetWorld, _ seed: UInt64) {
        for window in world.policy.windows {
            let excess = world.excess(of: window)
            #expect(excess <= 0, "\(window.text): \(excess) over, seed \(seed)")
        }
    }

    @Test(
        "10^6 random steps with loss, duplication, delay, stops, restarts, engines that forget, are behind or away: never over",
        arguments: 1...4 as ClosedRange<UInt64>)
    func reserved(seed: UInt64) {
        let policy = FleetPolicy(windows: Self.windows, maxMembers: 4, reserve: 100)
        var world = FleetWorld(policy: policy, members: 3, seed: seed)
        for _ in 0..<250_000 {
            world.step(demand: 12)
            guard world.chance.happens(oneIn: 4000) else { continue }
            switch Int.random(in: 0..<6, using: &world.chance) {
            case 0:
                world.stop(
                    Int.random(in: 0..<3, using: &world.chance), for: Int.random(in: 1...2500, using: &world.chance))
            case 1: world.engineDown(for: Int.random(in: 1...5000, using: &world.chance))
            case 2: world.failOver(behind: nil, skew: Int.random(in: -100...100, using: &world.chance))
            case 3: world.failOver(behind: Int.random(in: 0...8, using: &world.chance), skew: world.skew)
            default: world.restart(Int.random(in: 0..<3, using: &world.chance), isBuried: true)
            }
        }
        Self.expectNeverOver(world, seed)
        #expect(world.sent > 250_000 / 2000 * 60 / 3)
    }

    @Test(
        "A file that cannot be used leaves each its share, kills and restarts cost nothing: never over",
        arguments: 1...4 as ClosedRange<UInt64>)
    func file(seed: UInt64) {
        let policy = FleetPolicy(windows: Self.windows, maxMembers: 4, reserve: 0)
        var world = FleetWorld(policy: policy, members: 3, seed: seed, saysSo: true)
        for _ in 0..<250_000 {
            world.step(demand: 12)
            guard world.chance.happens(oneIn: 3000) else { continue }
            switch Int.random(in: 0..<3, using: &world.chance) {
            case 0:
                world.stop(
                    Int.random(in: 0..<3, using: &world.chance), for: Int.random(in: 1...2500, using: &world.chance))
            case 1: world.engineDown(for: Int.random(in: 1...5000, using: &world.chance))
            default: world.restart(Int.random(in: 0..<3, using: &world.chance), isBuried: true)
            }
        }
        Self.expectNeverOver(world, seed)
        #expect(world.sent > 250_000 / 2000 * 60 / 3)
    }

    @Test("Without trouble the members get nearly all that the windows allow")
    func goodput() {
        let policy = FleetPolicy(windows: [FleetWindow(limit: 300, span: 3000)], maxMembers: 4, reserve: 0)
        var world = FleetWorld(policy: policy, members: 4, seed: 1)
        world.isCalm = true
        for _ in 0..<30_000 { world.step(demand: 8) }
        #expect(world.sent >= 10 * 300 * 94 / 100, "\(world.sent)")
        #expect(world.excess(of: policy.windows[0]) <= 0)
    }
}
