// The fake of api.bentley.com and of its token endpoint: start it, point a client at its addresses, look at what it
// received. All state is behind one lock; all methods can be called from any thread, while it runs or not.

import NIOCore
import NIOPosix
import Synchronization

/// A fake upstream with a token endpoint, on loopback sockets.
///
/// A simulator is started once and stopped once. Before ``start()`` it can already be asked and given faults.
public final class Simulator: Sendable {
    private enum Life {
        case new
        case running(MultiThreadedEventLoopGroup, [any Channel])
        case stopped
    }

    let world: Mutex<World>
    let clock: SimulatorClock
    let configuration: SimulatorConfiguration
    private let connections = Connections()
    private let life = Mutex(Life.new)

    /// Makes the world of the configuration; nothing listens yet.
    public init(
        _ configuration: SimulatorConfiguration = SimulatorConfiguration(), clock: SimulatorClock = .system
    ) {
        self.configuration = configuration
        self.clock = clock
        world = Mutex(World(configuration: configuration, now: clock.now()))
    }

    /// Binds the listeners and begins to answer.
    public func start() async throws(SimulatorError) -> SimulatorAddresses {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: max(1, configuration.threads))
        let isNew = life.withLock { life in
            guard case .new = life else { return false }
            life = .running(group, [])
            return true
        }
        guard isNew else {
            try? await group.shutdownGracefully()
            throw .alreadyStarted
        }
        do {
            let api = try await listen(port: configuration.apiPort, isToken: false, group)
            var token = api
            if let port = configuration.tokenPort { token = try await listen(port: port, isToken: true, group) }
            let addresses = addresses(api: api.localAddress?.port ?? 0, token: token.localAddress?.port ?? 0)
            world.withLock { world in
                world.apiBase = addresses.apiURL
                world.issuer = addresses.issuerURL
            }
            return addresses
        } catch {
            await stop()
            throw error
        }
    }

    /// Closes the listeners and all connections, silent ones included, and lets waiting callers go. Idempotent.
    public func stop() async {
        let (group, listeners) = life.withLock { life -> (MultiThreadedEventLoopGroup?, [any Channel]) in
            defer { life = .stopped }
            guard case .running(let group, let listeners) = life else { return (nil, []) }
            return (group, listeners)
        }
        world.withLock { $0.journal.close() }
        for listener in listeners { try? await listener.close() }
        await connections.closeAll()
        try? await group?.shutdownGracefully()
    }

    private func listen(
        port: Int, isToken: Bool, _ group: MultiThreadedEventLoopGroup
    ) async throws(SimulatorError) -> any Channel {
        let listener = try await Listener.bind(host: configuration.host, port: port, group: group) { channel in
            ConnectionHandler(
                number: self.connections.add(channel), onTokenListener: isToken, clock: self.clock
            ) { request in
                self.world.withLock { $0.respond(to: request) }
            }
        }
        life.withLock { life in
            if case .running(let group, let listeners) = life { life = .running(group, listeners + [listener]) }
        }
        return listener
    }

    private func addresses(api: Int, token: Int) -> SimulatorAddresses {
        let host = configuration.host.contains(":") ? "[\(configuration.host)]" : configuration.host
        let issuer = "http://\(host):\(token)"
        return SimulatorAddresses(
            apiURL: "http://\(host):\(api)", tokenURL: "\(issuer)/connect/token", issuerURL: issuer, apiPort: api,
            tokenPort: token)
    }

    // MARK: Evidence

    /// The requests received, oldest first, at most ``SimulatorConfiguration/recordLimit`` of them.
    public var recorded: [RecordedRequest] { world.withLock { $0.journal.recent } }

    /// The recorded requests that a filter matches.
    public func recorded(_ filter: RequestFilter) -> [RecordedRequest] { recorded.filter(filter.matches) }

    /// Forgets the recorded requests; counters go on.
    public func clearRecorded() { world.withLock { $0.journal.clear() } }

    /// What has been counted since the start.
    public var counters: SimulatorCounters {
        var counters = world.withLock { $0.journal.counters }
        counters.connections = connections.accepted
        return counters
    }

    /// Connections that are open now.
    public var openConnections: Int { connections.open }

    /// Waits until `count` matching requests have been recorded, earlier ones included. False when the task is
    /// cancelled or the simulator is stopped first. A request is recorded before it is answered.
    public func waitForRequests(_ count: Int, where filter: RequestFilter = .any) async -> Bool {
        let id = world.withLock { $0.journal.reserveWaiter() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                world.withLock {
                    $0.journal.wait(id: id, count: count, filter: filter, continuation: continuation)
                }
            }
        } onCancel: {
            world.withLock { $0.journal.cancelWaiter(id) }
        }
    }

    // MARK: Trouble

    /// Adds a fault for the next `times` matching requests (nil: for all from now on), after leaving `skip` alone.
    /// Faults are tried in the order of their injection, behind the configuration's own; one hits one request.
    public func inject(
        _ fault: Fault, where filter: RequestFilter = .any, times: Int? = 1, skip: Int = 0, probability: Double = 1
    ) {
        let plan = PlannedFault(fault, where: filter, times: times, skip: skip, probability: probability)
        world.withLock { $0.faults.add(plan) }
    }

    /// Removes all faults, the configuration's own included. Exchanges under way keep theirs.
    public func clearFaults() { world.withLock { $0.faults.clear() } }

    /// Lets go of everything that hangs or stalls: answers go on where there is one, else the connection closes.
    public func releaseHeld() { connections.release() }

    /// Closes all connections at once, in whatever state they are.
    public func dropConnections() async { await connections.closeAll() }
}
