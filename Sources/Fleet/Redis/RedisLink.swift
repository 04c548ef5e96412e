// Keeps a connection to the primary: the shell of `RedisLinkState`.

import Ground
import NIOCore
import Synchronization

/// A link to the engine. Safe to use from any thread.
final class RedisLink: Sendable {
    /// What a caller gets to speak with.
    struct Line: Sendable {
        let connection: RedisConnection
        let greeting: RedisGreeting
        fileprivate let round: Int
    }

    private struct Core {
        var state: RedisLinkState
        var timer: DeadlineTimer
        /// Of the round at hand, by server.
        var connections: [Int: RedisConnection] = [:]
        var line: Line?
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter: UInt64 = 0
    }

    private let servers: RedisServers
    private let control: String
    private let group: any EventLoopGroup
    private let time: Time
    private let times: RedisLinkState.Times
    private let core: Mutex<Core>

    /// - Parameter control: the key of the fleet's control hash, by which servers are compared.
    init(
        _ servers: RedisServers, control: String, group: any EventLoopGroup, time: Time, times: RedisLinkState.Times
    ) {
        self.servers = servers
        self.control = control
        self.group = group
        self.time = time
        self.times = times
        core = Mutex(
            Core(state: RedisLinkState(servers: servers.servers.count, times: times), timer: DeadlineTimer(time: time)))
    }

    /// Begins to look for the primary. Once.
    func begin() { handle(.begin) }

    /// Closes everything. For good.
    func end() { handle(.end) }

    /// The line, if there is one now.
    var line: Line? { core.withLock { $0.line } }

    /// Why there is no line.
    var trouble: RedisTrouble { core.withLock { $0.state.trouble ?? .silent } }

    /// The line now, or when the look for one that is under way has ended; no later than when the time is over. Else why there is
    /// none.
    func line(within span: Duration) async throws(RedisTrouble) -> Line {
        if let line { return line }
        if span > .zero { await lookEnds(by: time.now() + span) }
        if let line { return line }
        throw trouble
    }

    /// To be told of what a command on this line came to: some troubles mean that the server is to be left.
    func told(_ trouble: RedisTrouble, on line: Line) {
        guard trouble.endsConnection else { return }
        handle(.lost(round: line.round, trouble))
    }

    private func lookEnds(by until: ContinuousClock.Instant) async {
        let id = core.withLock { core in
            core.nextWaiter += 1
            return core.nextWaiter
        }
        let alarm = Task { [self] in
            try? await time.sleep(until)
            wake(id)
        }
        await withCheckedContinuation { continuation in
            let isLooking = core.withLock { core in
                if core.state.isLooking, time.now() < until { core.waiters[id] = continuation }
                return core.waiters[id] != nil
            }
            if !isLooking { continuation.resume() }
        }
        alarm.cancel()
    }

    private func wake(_ id: UInt64) { core.withLock { $0.waiters.removeValue(forKey: id) }?.resume() }

    private func handle(_ event: RedisLinkState.Event) {
        let random = time.random()
        core.withLock { core in
            let action = core.state.handle(event, now: time.now(), random: random)
            perform(action, &core)
            core.timer.set(to: core.state.deadline) { [weak self] in self?.fired() }
        }
    }

    private func fired() {
        guard core.withLock({ $0.timer.fired() }) else { return }
        handle(.timer)
    }

    private func perform(_ action: RedisLinkState.Action, _ core: inout Core) {
        switch action {
        case .none: return
        case .look(let round):
            drop(&core, but: nil)
            for index in servers.servers.indices { ask(index, round) }
        case .use(let server, let greeting):
            guard let connection = core.connections[server] else { return }
            drop(&core, but: server)
            core.line = Line(connection: connection, greeting: greeting, round: core.state.round)
            wakeAll(&core)
        case .rest:
            drop(&core, but: nil)
            wakeAll(&core)
        }
    }

    private func drop(_ core: inout Core, but kept: Int?) {
        if kept == nil { core.line = nil }
        for (index, connection) in core.connections where index != kept { connection.close() }
        core.connections = core.connections.filter { $0.key == kept }
    }

    private func wakeAll(_ core: inout Core) {
        for waiter in core.waiters.values { waiter.resume() }
        core.waiters = [:]
    }

    private func ask(_ index: Int, _ round: Int) {
        Task { [self] in
            do throws(RedisTrouble) {
                let connection = try await RedisConnection.open(
                    servers.servers[index], tls: servers.tls, on: group, within: times.look
                ) { [weak self] trouble in
                    guard let self else { return }
                    self.ended(index, round, trouble)
                }
                let isWanted = core.withLock { core in
                    guard core.state.round == round, core.state.deadline != nil else { return false }
                    core.connections[index] = connection
                    return true
                }
                guard isWanted else { return connection.close() }
                let greeting = try await connection.greet(servers, control: control, within: times.look)
                handle(.answered(round: round, server: index, .success(greeting)))
            } catch {
                handle(.answered(round: round, server: index, .failure(error)))
            }
        }
    }

    /// A connection has ended; it may be the link's.
    private func ended(_ index: Int, _ round: Int, _ trouble: RedisTrouble) {
        let isLink = core.withLock { core in
            guard core.state.round == round else { return false }
            if let line = core.line { return line.round == round && line.connection === core.connections[index] }
            return false
        }
        if isLink { handle(.lost(round: round, trouble)) }
    }
}
