// A sign-in that rotates for a long time, under load, with proxies that come, go and are killed.

import Glibc
import Proxy
import Simulator
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(6))) struct TokenLifetimesTests {
    @Test("a thousand lifetimes under continuous calls with restarts: no tool sees a 401, no token is used twice")
    func thousand() async throws {
        try await withRig { options in
            options.signIn = .good
            options.simulator.recordLimit = 100
            // The time to wait for a turn, also for the second send after a 401, would be over when the clock is moved.
            options.flags = ["rate.windows=[]", "rate.max_wait=24h"]
        } _: { rig in
            let lifetimes = 1_000
            let tools = Tools(2)
            let loads = tools.start { rig.request("GET", rig.list) }
            // The rig's own proxy holds the same sign-in and sleeps through all this.
            #expect(await rig.drain())
            var random = SystemRandomNumberGenerator()
            var running: (sidecar: Sidecar, port: Int)?
            var age = Duration.zero
            while rig.simulator.counters.tokensIssued < lifetimes {
                let issued = rig.simulator.counters.tokensIssued
                if issued % 50 < 2 || running == nil {
                    tools.port.withLock { $0 = nil }
                    if let ended = running { #expect(await ended.sidecar.drain()) }
                    let begun = try await rig.startAnother(audit: "audit")
                    running = begun
                    tools.port.withLock { $0 = begun.port }
                    try await rig.waitForNewestToken(at: begun.port)
                }
                // Long before the renewal is due, in its time, close to the end, after it.
                let step = Duration.seconds([1_800, 3_350, 3_590, 3_600, 4_000].randomElement(using: &random) ?? 0)
                rig.clock.advance(by: step)
                age += step
                // A call that was under way when the clock was moved is over before it is moved again, and so is a
                // renewal: no real clock jumps twice within one request.
                try await tools.waitForCalls(2)
                guard age > .seconds(3_300) else { continue }
                try await eventually("token \(issued + 1)") { rig.simulator.counters.tokensIssued > issued }
                try await rig.waitForNewestToken(at: running?.port ?? 0)
                age = .zero
            }
            tools.stop()
            for load in loads { await load.value }
            if let ended = running { #expect(await ended.sidecar.drain()) }
            let counters = rig.simulator.counters
            #expect(counters.tokensIssued >= lifetimes && counters.refreshReuses == 0)
            #expect(tools.statuses.keys.sorted() == ["200"], "\(tools.statuses)")
            #expect(rig.simulator.accepts(refreshToken: try rig.signIn.read().refresh))
        }
    }

    @Test(
        "killed with SIGKILL at any moment but the one window, the next start goes on with the sign-in",
        .enabled(if: Program.isBuilt))
    func killed() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        var world = SimulatorConfiguration()
        world.bigReportClashes = 0
        world.tokenLifetime = .seconds(4)
        let simulator = Simulator(world)
        let upstream = try await simulator.start()
        let state = StateFile(path: folder.path + "/sign-in.json")
        try state.write(refreshToken: simulator.issueRefreshToken(), tokenURL: upstream.tokenURL)
        let arguments =
            ["serve", "--config", "/dev/null"]
            + [
                "listen.address=127.0.0.1:0", "admin.address=", "upstream.url=\(upstream.apiURL)",
                "token.token_url=\(upstream.tokenURL)", "token.client_id=demo", "token.client_secret=demo-secret",
                "token.mode=refresh_token", "token.state_file=\(state.path)", "audit.path=\(folder.path)/audit",
                "cache.enabled=false", "rate.windows=[]",
            ].flatMap { ["--set", $0] }
        let tools = Tools(3)
        let target = "/clash-detection/itwins/\(simulator.iTwinIDs[0])/reports?$top=2"
        let loads = tools.start { "GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n" }
        for kill in 0..<8 {
            var program: Program? = try Program(arguments)
            let port = try await program?.port() ?? 0
            tools.port.withLock { $0 = port }
            try await tools.waitForCalls(2)
            if kill % 2 == 0 { try await Task.sleep(for: .milliseconds(Int.random(in: 0..<1_500))) }
            // From here on nothing rotates: what has rotated is on its way to the disk, and that is the one window.
            let asked = simulator.counters.tokenRequests
            simulator.inject(.hang, where: .token, times: nil)
            if kill % 2 == 1 {
                // In the middle of a renewal: the new file is prepared, the old token sent.
                try await eventually("a renewal") { simulator.counters.tokenRequests > asked }
            }
            try await eventually("saved") { simulator.accepts(refreshToken: try state.read().refresh) }
            tools.port.withLock { $0 = nil }
            program = nil  // SIGKILL
            simulator.clearFaults()
            simulator.releaseHeld()
        }
        let last = try Program(arguments)
        let port = try await last.port()
        tools.port.withLock { $0 = port }
        try await tools.waitForCalls(2)
        tools.stop()
        for load in loads { await load.value }
        #expect(try await last.end() == 0)
        #expect(tools.statuses.keys.sorted() == ["200"], "\(tools.statuses)")
        #expect(simulator.counters.refreshReuses == 0 && simulator.counters.tokensIssued >= 4)
        await simulator.stop()
    }
}

/// Tools that call again and again, each on a connection of its own, wherever the proxy is just now.
private final class Tools: Sendable {
    /// Where the proxy listens; nil while there is none.
    let port = Mutex<Int?>(nil)
    private let calls: Mutex<[Int]>
    private let answers = Mutex<[String: Int]>([:])
    private let isOver = Mutex(false)

    init(_ count: Int) { calls = Mutex(Array(repeating: 0, count: count)) }

    /// How often each status came, with the proxy's own reason; without those of a proxy that was about to end.
    var statuses: [String: Int] { answers.withLock { $0 } }

    func stop() { isOver.withLock { $0 = true } }

    func start(_ request: @escaping @Sendable () -> String) -> [Task<Void, Never>] {
        (0..<calls.withLock { $0.count }).map { index in Task { await run(index, request()) } }
    }

    private func run(_ index: Int, _ request: String) async {
        while !isOver.withLock({ $0 }) {
            guard let port = port.withLock({ $0 }), let client = try? RawClient(port: port) else {
                try? await Task.sleep(for: .milliseconds(2))
                continue
            }
            while !isOver.withLock({ $0 }), self.port.withLock({ $0 }) == port,
                let answer = try? await client.exchange(request)
            {
                let reason = answer["Proxy-Status"]
                if reason?.contains("shutting-down") != true {
                    answers.withLock { $0["\(answer.status)\(reason ?? "")", default: 0] += 1 }
                }
                calls.withLock { $0[index] += 1 }
                if answer["Connection"] == "close" { break }
                // Other tests want the processor, too.
                try? await Task.sleep(for: .milliseconds(1))
            }
            client.close()
        }
    }

    /// Waits until each of them has had so many more answers.
    func waitForCalls(_ more: Int) async throws {
        let before = calls.withLock { $0 }
        try await eventually("calls go on: \(statuses)") {
            calls.withLock { zip($0, before).allSatisfy { $0 >= $1 + more } }
        }
    }
}
