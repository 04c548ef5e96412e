// One proxy under proof, with the simulator in Bentley's place, in this process.

import ClashAPI
import Configuration
import Glibc
import Ground
import HTTPTypes
import Proxy
import Simulator
import Synchronization

/// A running proxy, its upstream, and those who call it. Ended once.
final class ProofWorld: Sendable {
    /// The user's configuration: what is promised.
    let promised: Config
    let simulator: Simulator
    let callers: [ProvenCaller]
    let client: ProofClient
    let folder: PrivateFolder
    let log: ProofLog
    let tools: Origin
    let admin: Origin
    let adminKey: String
    /// What the proxy shows Bentley's token endpoint.
    let clientSecret: String
    private let sidecar: Sidecar
    private let issuers: [Simulator]
    private let accessLog: Int32
    private let isDrained = Atomic(false)

    struct Unstartable: Error, CustomStringConvertible { let description: String }

    var auditFolder: String { folder.path + "/audit" }
    var accessLogText: String { PrivateFolder.text(of: folder.path + "/access.log") }

    /// - Parameters:
    ///   - change: what this world's proxy has otherwise than the configuration.
    ///   - parent: where its files go.
    static func start(
        _ promised: Config, in parent: String, _ change: @Sendable (inout Config) -> Void = { _ in }
    ) async throws -> ProofWorld {
        let secrets = (client: try newKey().text, admin: try newKey())
        let simulator = Simulator(simulated(promised, clientSecret: secrets.client))
        var started = [simulator]
        do {
            let api = try await simulator.start()
            var issuers: [(Simulator, SimulatorAddresses)] = []
            for _ in promised.issuers {
                let issuer = Simulator(small)
                issuers.append((issuer, try await issuer.start()))
                started.append(issuer)
            }
            let keys = try promised.callers.map { _ in try newKey() }
            let folder = try PrivateFolder(for: "prove", in: parent)
            let surroundings = ProofSurroundings(
                api: api, issuers: issuers.map(\.1), clientID: "prove", clientSecret: secrets.client,
                folder: folder.path, adminKey: promised.admin.keySHA256 == nil ? nil : secrets.admin.hash)
            var config = promised.inProof(surroundings, credentials: keys.map(\.hash))
            change(&config)
            let people = ProvenPeople(promised, simulator, issuers.map(\.0), keys: keys.map(\.text))
            return try await ProofWorld(
                promised, config, simulator, issuers.map(\.0), people.callers, folder,
                (secrets.client, secrets.admin.text))
        } catch {
            for simulator in started { await simulator.stop() }
            throw error
        }
    }

    private init(
        _ promised: Config, _ config: Config, _ simulator: Simulator, _ issuers: [Simulator],
        _ callers: [ProvenCaller], _ folder: PrivateFolder, _ secrets: (client: String, admin: String)
    ) async throws {
        (self.promised, self.simulator, self.issuers, self.callers) = (promised, simulator, issuers, callers)
        (self.folder, clientSecret, adminKey) = (folder, secrets.client, secrets.admin)
        let (log, file) = (ProofLog(), try folder.create("access.log"))
        (self.log, accessLog) = (log, file)
        do {
            // No more than the proxy takes: what is beyond that is refused, which is no part of any proof.
            client = try ProofClient(connections: promised.listen.maxConnections)
            sidecar = try await Sidecar(config, accessLogDescriptor: file, logger: log.logger)
            let addresses = try await sidecar.start()
            guard let tools = Origin(url: addresses.tools), let admin = addresses.admin.flatMap({ Origin(url: $0) })
            else { throw Unstartable(description: "the proxy listens nowhere") }
            (self.tools, self.admin) = (tools, admin)
        } catch {
            close(file)
            folder.remove()
            throw error
        }
    }

    /// Waits until the first token is there: a call that comes before it may wait, which is no part of any proof.
    func untilReady() async throws {
        for _ in 0..<200 where await ask("/readyz").status != 200 { try await Task.sleep(for: .milliseconds(20)) }
    }

    /// What a caller's call is answered.
    func send(_ call: ProofCall, as caller: ProvenCaller, id: String) async -> ProofAnswer {
        var all = caller.credentials
        for field in call.fields { all.append(field) }
        all[.proofID] = id
        if call.method != .get { all[.proofReason] = "clash-proxy prove" }
        return await client.send(call.method, call.target, to: tools, all, body: call.body)
    }

    /// What the operators' side answers.
    func ask(_ target: String) async -> ProofAnswer {
        await client.send(.get, target, to: admin, [.authorization: "Bearer \(adminKey)"])
    }

    /// The requests that have reached the upstream with this correlation id.
    func arrived(_ id: String) -> [RecordedRequest] {
        simulator.recorded.filter { !$0.onTokenListener && $0[header: "x-correlation-id"] == id }
    }

    /// Whether the configuration forwards such a call at all.
    func isForwarded(_ call: ProofCall) -> Bool {
        promised.upstream.allowPrefixes.contains { call.target.hasPrefix($0 + "/") }
    }

    func calls(in iTwin: String) -> ProofCalls { ProofCalls(simulator, iTwin: iTwin) }

    /// What SIGTERM does; at most once. Whether nothing was broken off.
    func drain() async -> Bool {
        guard !isDrained.exchange(true, ordering: .relaxed) else { return true }
        return await sidecar.drain()
    }

    /// Ends all of it.
    func end() async {
        simulator.releaseHeld()
        _ = await drain()
        await client.close()
        await simulator.stop()
        for issuer in issuers { await issuer.stop() }
        close(accessLog)
        folder.remove()
    }

    private static func newKey() throws(ConfigMistakes) -> (text: String, hash: KeyHash) {
        let made = try KeyGenerator.make(name: "prove")
        return (made.key.withValue { $0 }, made.hash)
    }

    private static var small: SimulatorConfiguration {
        var small = SimulatorConfiguration()
        small.bigReportClashes = 0
        small.recordLimit = 100_000
        return small
    }

    private static func simulated(_ config: Config, clientSecret: String) -> SimulatorConfiguration {
        var world = small
        world.clients = [OAuthClient(id: "prove", secret: clientSecret)]
        world.runWindows = []
        let bound = config.callers.flatMap(\.itwins) + config.issuers.flatMap(\.itwins)
        world.iTwinIDs = bound.map(\.text)
        // One more than anybody is bound to is foreign to all of them.
        world.iTwins = Set(bound).count + 2
        world.reportsPerITwin = 25 + 4 * (config.callers.count + config.issuers.count)
        world.runDuration = .milliseconds(200)
        return world
    }
}
