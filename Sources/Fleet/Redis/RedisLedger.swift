// The engine for members on many hosts: Redis 5 or newer, or Valkey. All that decides is a script on the server; here it is only
// asked, in time.

import Ground
import NIOCore
import Synchronization

/// A ledger in Redis.
///
/// Nothing is sent twice, and nothing waits: without a link to the primary every question but `join` fails at once, with the reason
/// for which there is none.
package final class RedisLedger: FleetLedger {
    /// How long the engine may take for an answer.
    struct Times: Sendable {
        /// For grants. Longer than a member waits before it goes by its own share.
        var soon: Duration = .milliseconds(200)
        /// For what calls and deletes wait for on their way.
        var tell: Duration = .milliseconds(50)
        /// For what has to be asked.
        var must: Duration = .milliseconds(500)
        /// For the link, when a member joins.
        var link: Duration = .milliseconds(1_000)
        /// Of the links themselves.
        var looks = RedisLinkState.Times()
    }

    struct Core {
        var policies: [FleetMemberID: FleetPolicy] = [:]
        var readers: [FleetMemberID: Task<Void, Never>] = [:]
        /// Who could not tell what it made untrue.
        var untold: Set<FleetMemberID> = []
    }

    package let engine: String
    /// Never: others may be granted calls meanwhile.
    package var membersGoAlone: Bool { false }
    /// Until when stored pages may be shown: nanoseconds from `start`.
    private let lease = Atomic<Nanoseconds>(0)
    private let start: ContinuousClock.Instant
    private let servers: RedisServers
    let keys: RedisKeys
    let scripts: RedisScripts
    private let link: RedisLink
    /// For news: its questions wait, and others must not wait behind them.
    let newsLink: RedisLink
    let maxLag: Duration
    let times: Times
    let time: Time
    let core = Mutex(Core())

    /// Begins to look for the primary at once.
    ///
    /// - Parameters:
    ///   - fleet: 16 hex digits that say whose limits these are; members with the same share them.
    ///   - maxLag: how long this member shows pages without hearing from the engine.
    package convenience init(
        _ servers: RedisServers, fleet: String, maxLag: Duration, group: any EventLoopGroup, time: Time
    ) {
        self.init(servers, fleet: fleet, maxLag: maxLag, group: group, time: time, times: Times(), clock: .server)
    }

    init(
        _ servers: RedisServers, fleet: String, maxLag: Duration, group: any EventLoopGroup, time: Time, times: Times,
        clock: RedisScript.Clock
    ) {
        self.servers = servers
        self.maxLag = maxLag
        self.time = time
        start = time.now()
        self.times = times
        let names = servers.servers.map(\.text).joined(separator: ",")
        engine =
            "redis\(servers.tls == nil ? "" : "s")://\(names)" + (servers.database == 0 ? "" : "/\(servers.database)")
        keys = RedisKeys(fleet: fleet)
        scripts = RedisScripts(clock: clock)
        link = RedisLink(servers, control: keys.control, group: group, time: time, times: times.looks)
        newsLink = RedisLink(servers, control: keys.control, group: group, time: time, times: times.looks)
        link.begin()
        newsLink.begin()
    }

    deinit { end() }

    /// Returns when there is a link, or none for now; after two seconds at the latest.
    package func linked() async { _ = try? await link.line(within: .seconds(2)) }

    // MARK: Members

    package func join(_ hello: FleetHello) async throws(FleetError) -> FleetJoined {
        let line = try await line(within: times.link)
        let value = try await run(
            scripts.join, on: line, keys.common + keys.windows(16),
            hello.redisArguments(server: line.greeting.runID), within: times.must)
        if let items = value.items, items.count == 2, items[0].text == "policy" {
            // Never equal, or the script would not say so.
            throw hello.policy.difference(from: items[1].text ?? "") ?? .unknownMember
        }
        var answer = try RedisAnswer(value, to: "the script that joins")
        let (view, _) = try answer.view()
        let joined = try answer.joined(view)
        core.withLock { $0.policies[hello.id] = hello.policy }
        tellUntold(by: hello.id)
        return joined
    }

    package func acquire(
        _ asks: [FleetAsk], by member: FleetMemberID, seen: Int
    ) async throws(FleetError) -> FleetGrant {
        guard let policy = policy(of: member) else { throw .unknownMember }
        var answer = try await ask(
            scripts.acquire, keys: keys.windows(policy.windows.count), "the script that grants", within: times.soon
        ) { asks.redisArguments(server: $0, member: member, seen: seen) }
        let (view, _) = try answer.view()
        let grant = try answer.grant(view, asks: asks.count)
        tellUntold(by: member)
        return grant
    }

    package func report(
        _ report: FleetReport, by member: FleetMemberID, seen: Int
    ) async throws(FleetError) -> FleetView {
        guard let policy = policy(of: member) else { throw .unknownMember }
        var answer = try await ask(
            scripts.report, keys: keys.windows(policy.windows.count), "the script that takes reports",
            within: times.must
        ) { report.redisArguments(server: $0, member: member, seen: seen, policy: policy) }
        return try answer.view().view
    }

    package func members(asking member: FleetMemberID) async throws(FleetError) -> [FleetMember] {
        var answer = try await ask(scripts.roll, "the script that names members", within: times.must) {
            [.text($0), .member(member)]
        }
        var members: [FleetMember] = []
        while !answer.isEmpty {
            var parts = try answer.list()
            guard let id = FleetMemberID(text: try parts.text()) else { continue }
            let (name, version) = (try parts.text(), try parts.text())
            members.append(
                FleetMember(id: id, name: name, version: version, joined: try parts.number(), heard: try parts.number())
            )
        }
        return members.sorted { ($0.joined, $1.id) > ($1.joined, $0.id) }
    }

    package func leave(_ member: FleetMemberID) async {
        _ = try? await ask(scripts.leave, "the script that lets go", within: times.must) {
            [.text($0), .member(member)]
        }
        let (reader, isLast) = core.withLock { core in
            core.policies[member] = nil
            core.untold.remove(member)
            return (core.readers.removeValue(forKey: member), core.policies.isEmpty)
        }
        reader?.cancel()
        if isLast { end() }
    }

    /// Whether the news that were taken last are young enough.
    package var pages: any FleetPages { NamedPages { [self] in mayShowPages } }

    // MARK: Inside

    /// Whether the news that were taken last are young enough to show stored pages.
    var mayShowPages: Bool {
        start.duration(to: time.now()).clampedNanoseconds < lease.load(ordering: .acquiring)
    }

    /// Whoever takes this has done what all earlier news ask for.
    func taken(_ news: FleetNews) {
        switch news {
        case .current(let asOf):
            lease.store(start.duration(to: asOf + maxLag).clampedNanoseconds, ordering: .releasing)
        case .gap: lease.store(0, ordering: .releasing)
        case .invalidated, .paused: break
        }
    }

    private func policy(of member: FleetMemberID) -> FleetPolicy? { core.withLock { $0.policies[member] } }

    private func end() {
        link.end()
        newsLink.end()
    }

    func ask(
        _ script: RedisScript, keys own: [String] = [], _ what: String, within span: Duration,
        _ arguments: (_ server: String) -> [RedisArgument]
    ) async throws(FleetError) -> RedisAnswer {
        let line = try await line(within: .zero)
        let value = try await run(script, on: line, keys.common + own, arguments(line.greeting.runID), within: span)
        return try RedisAnswer(value, to: what)
    }

    func line(within span: Duration) async throws(FleetError) -> RedisLink.Line {
        let line: RedisLink.Line
        do throws(RedisTrouble) {
            line = try await link.line(within: span)
        } catch {
            throw failure(error)
        }
        if let policy = line.greeting.evictionPolicy, policy != RedisGreeting.wantedPolicy {
            throw .unsafe(
                "\(engine) has maxmemory-policy \(policy) and may let go of what was counted: set it to \(RedisGreeting.wantedPolicy)"
            )
        }
        return line
    }

    func run(
        _ script: RedisScript, on line: RedisLink.Line, _ keys: [String], _ arguments: [RedisArgument],
        within span: Duration
    ) async throws(FleetError) -> RESPValue {
        do throws(RedisTrouble) {
            return try await line.connection.run(script, keys: keys, arguments, within: span)
        } catch {
            link.told(error, on: line)
            throw failure(error)
        }
    }

    private func failure(_ trouble: RedisTrouble) -> FleetError {
        let text = "\(engine): \(trouble.text)"
        return trouble == .wrongType ? .foreign(text) : .cut(text)
    }
}
