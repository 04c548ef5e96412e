// Several members at a real server, five times the limit, and faults: no window is ever exceeded, and calls go on.

import Glibc
import Ground
import Synchronization
import TestSupport
import Testing

@testable import Fleet

@Suite(
    .enabled(if: RedisProcess.isInstalled, "redis-server is not installed"), .serialized, .timeLimit(.minutes(2)))
struct RedisFaultTests {
    enum Fault: CaseIterable { case nothing, emptyRestart, stoppedEngine, promotion, oneCutOff, slowScripts }

    /// Members of one fleet, and when their calls went.
    private final class Crowd: Sendable {
        let policy: FleetPolicy
        let sends = Mutex<[ContinuousClock.Instant]>([])
        let words = Mutex<[MemberState.Word]>([])
        private let fault = Mutex<ContinuousClock.Instant?>(nil)

        init(reserve: Int) {
            policy = FleetPolicy(
                windows: [FleetWindow(limit: 300, span: 3000), FleetWindow(limit: 60, span: 400)], maxMembers: 4,
                reserve: reserve)
        }

        /// What was to befall them has.
        func isOver() { fault.withLock { $0 = .now } }

        /// Enough went since, over more than the longest window.
        var isDone: Bool {
            guard let fault = fault.withLock({ $0 }), ContinuousClock.now > fault + .milliseconds(3_300) else {
                return false
            }
            return sends.withLock { $0.count { $0 > fault } } >= 100
        }

        /// Takes part and calls as often as it may, then goes.
        func member(_ bits: UInt64, _ servers: RedisServers) async throws {
            let ledger = RedisLedger(
                servers, fleet: "0123456789abcdef", maxLag: .milliseconds(500), group: testLoops, time: .system)
            let seat = FleetSeat(
                MemberState.Settings(id: FleetMemberID(bits), name: "m\(bits)", version: "1", policy: policy),
                ledger: ledger, time: .system)
            await ledger.linked()
            try await seat.take(
                FleetSeat.Ears(
                    others: { _, _ in }, adopt: { _ in }, pauses: { _ in },
                    tell: { word in self.words.withLock { $0.append(word) } }))
            await withTaskGroup(of: Void.self) { group in
                for caller in 0..<6 as Range<UInt64> {
                    group.addTask {
                        while !self.isDone {
                            guard
                                let pass = await seat.pass(
                                    FleetAsk(1, caller: caller), deadline: .now + .milliseconds(500))
                            else { continue }
                            self.sends.withLock { sends in
                                if seat.holds(pass) { sends.append(ContinuousClock.now) }
                            }
                        }
                    }
                }
            }
            await seat.leave()
        }

        /// The most that went in any span of so many milliseconds.
        func most(in span: Int) -> Int {
            let times = sends.withLock { $0.sorted() }
            var (first, most) = (0, 0)
            for (index, time) in times.enumerated() {
                while time - times[first] >= .milliseconds(span) { first += 1 }
                most = max(most, index - first + 1)
            }
            return most
        }
    }

    @Test(
        "four members at five times the limit never exceed it, and go on after every fault", arguments: Fault.allCases)
    func never(fault: Fault) async throws {
        var server = try await RedisProcess(["--user", "fourth", "on", ">letmein", "~*", "+@all"])
        let replica =
            fault == .promotion ? try await RedisProcess(["--replicaof", "127.0.0.1", "\(server.port)"]) : nil
        defer {
            server.end()
            replica?.end()
        }
        let hosts = [server.port, replica?.port].compactMap { $0 }.map { RedisServer(host: "127.0.0.1", port: $0) }
        // Where nothing is reserved, a burst too much would show.
        let crowd = Crowd(reserve: [.nothing, .emptyRestart, .promotion].contains(fault) ? 0 : 100)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for bits in 1...4 as ClosedRange<UInt64> {
                let credentials = bits == 4 ? RedisCredentials(file: Array("fourth:letmein".utf8)) : nil
                group.addTask {
                    try await crowd.member(
                        bits, RedisServers(hosts, database: 0, credentials: credentials, tls: nil))
                }
            }
            try await Task.sleep(for: .milliseconds(1_500))
            switch fault {
            case .nothing: break
            case .emptyRestart:
                server.end()
                server = try await RedisProcess(
                    port: server.port, ["--user", "fourth", "on", ">letmein", "~*", "+@all"])
            case .stoppedEngine:
                server.signal(SIGSTOP)
                try await Task.sleep(for: .milliseconds(700))
                server.signal(SIGCONT)
            case .promotion:
                try await replica?.say("ACL SETUSER fourth on >letmein ~* +@all")
                try await replica?.say("REPLICAOF NO ONE")
                try await Task.sleep(for: .milliseconds(500))
                server.end()
            case .oneCutOff:
                try await server.say("ACL SETUSER fourth -evalsha -eval")
                try await Task.sleep(for: .milliseconds(700))
                try await server.say("ACL SETUSER fourth +evalsha +eval")
            case .slowScripts:
                for _ in 0..<4 {
                    try await server.say(
                        "EVAL \"local t = redis.call('TIME') repeat local n = redis.call('TIME') until (n[1] - t[1]) * 1000000 + n[2] - t[2] > 120000 return 1\" 0"
                    )
                }
            }
            crowd.isOver()
            // Ends by the time limit of the suite where calls do not go on.
            try await group.waitForAll()
        }
        #expect(crowd.most(in: 400) <= 60)
        #expect(crowd.most(in: 3000) <= 300, "\(crowd.words.withLock { $0 })")
    }
}
