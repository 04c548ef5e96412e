// What every test here stands on: a simulator (API and token endpoint) or a scripted origin, the proxy in front of
// it in this process, its access log and its application log, all on ports of the system's choice.

import Logging
import Proxy
import Simulator
import Synchronization
import TestSupport

@testable import Configuration

/// A running proxy with its upstream.
final class Rig: Sendable {
    let simulator: Simulator
    let upstream: SimulatorAddresses
    let sidecar: Sidecar
    let addresses: Sidecar.Addresses
    let accessLog: CapturedLog
    let applicationLog: CapturedLog
    /// Holds the audit log, in `audit`.
    let folder: TemporaryFolder
    let clock: ShiftedClock
    /// What the sidecar was started with.
    let config: Config
    let sources: RigSources
    private let wasDrained = Mutex(false)

    init(
        simulator: Simulator, upstream: SimulatorAddresses, sidecar: Sidecar, addresses: Sidecar.Addresses,
        accessLog: CapturedLog, applicationLog: CapturedLog, clock: ShiftedClock,
        folder: TemporaryFolder, config: Config, sources: RigSources
    ) {
        self.config = config
        self.sources = sources
        self.simulator = simulator
        self.upstream = upstream
        self.sidecar = sidecar
        self.addresses = addresses
        self.accessLog = accessLog
        self.applicationLog = applicationLog
        self.clock = clock
        self.folder = folder
    }

    /// Port for tools; 0 on a unix socket.
    var port: Int { Rig.port(addresses.tools) }
    var adminPort: Int { Rig.port(addresses.admin ?? "") }
    /// What tools put into `Host`.
    var host: String { "127.0.0.1:\(port)" }

    /// The first iTwin of the simulator and the v2 path to it.
    var iTwin: String { simulator.iTwinIDs[0] }
    var v2: String { "/clash-detection/itwins/\(iTwin)" }
    /// A v2 read that every world can answer.
    var list: String { "\(v2)/reports?$top=2" }

    func connect() throws -> RawClient { try RawClient(port: port) }

    /// One request on a connection of its own.
    func call(
        _ method: String, _ target: String, _ headers: [(String, String)] = [], body: String? = nil
    ) async throws -> RawResponse {
        let client = try connect()
        defer { client.close() }
        return try await client.exchange(request(method, target, headers, body: body))
    }

    /// Another proxy with the same configuration and an audit log of its own.
    func startAnother(audit: String) async throws -> (sidecar: Sidecar, port: Int) {
        var config = config
        config.audit.path = "\(folder.path)/\(audit)"
        config.log.access = false
        let logger = Logger(label: "test") { _ in CapturingHandler(log: self.applicationLog) }
        let sidecar = try await Sidecar(
            config, environment: clock.environment, logger: logger)
        return (sidecar, Rig.port(try await sidecar.start().tools))
    }

    func get(_ target: String, _ headers: [(String, String)] = []) async throws -> RawResponse {
        try await call("GET", target, headers)
    }

    /// Exactly these bytes on a connection of their own; the answer to them.
    func raw(_ bytes: String, method: String? = nil) async throws -> RawResponse {
        let client = try connect()
        defer { client.close() }
        return try await client.exchange(bytes, method: method)
    }

    /// The bytes of a request, with Host unless `headers` has one and with Content-Length if there is a body.
    func request(
        _ method: String, _ target: String, _ headers: [(String, String)] = [], body: String? = nil
    ) -> String {
        var text = "\(method) \(target) HTTP/1.1\r\n"
        if !headers.contains(where: { $0.0.lowercased() == "host" }) { text += "Host: \(host)\r\n" }
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        if let body {
            let isTyped = headers.contains { $0.0.lowercased() == "content-type" }
            text += "\(isTyped ? "" : "Content-Type: application/json\r\n")Content-Length: \(body.utf8.count)\r\n"
        }
        return text + "\r\n" + (body ?? "")
    }

    private static func port(_ url: String) -> Int {
        url.split(separator: ":").last.flatMap { Int($0) } ?? 0
    }
}

/// What a rig has in its state file.
enum SignInState { case none, missing, good }

/// How a rig differs from the plain one.
struct RigOptions {
    /// Instead of the simulator's API; tokens still come from the simulator.
    var origin: ScriptedOrigin?
    var simulator = SimulatorConfiguration()
    /// `section.key=value`, as for `--set`; the later counts.
    var flags: [String] = []
    /// The text of proxy.conf: `[[caller]]` tables.
    var file = ""
    /// An `[[issuer]]` table for the simulator's own issuer, without its url.
    var issuer: String?
    /// Faults in force before the proxy asks for its first token.
    var faults: [PlannedFault] = []
    /// Other than `none`: `refresh_token` mode with a state file.
    var signIn = SignInState.none
    /// Time for the proxy and the simulator; a second rig may go on with that of a first.
    var clock = ShiftedClock()

    init() { simulator.bigReportClashes = 0 }
}

/// Runs a test against a rig of its own and ends it whatever happens.
func withRig(
    _ change: (inout RigOptions) throws -> Void = { _ in }, _ body: (Rig) async throws -> Void
) async throws {
    var options = RigOptions()
    try change(&options)
    // A rig inside a rig must not wait for a place that its own test holds.
    if Turnstile.isInside { return try await runRig(options, body) }
    await Turnstile.shared.enter()
    do {
        try await Turnstile.$isInside.withValue(true) { try await runRig(options, body) }
    } catch {
        await Turnstile.shared.leave()
        throw error
    }
    await Turnstile.shared.leave()
}

private func runRig(_ options: RigOptions, _ body: (Rig) async throws -> Void) async throws {
    let rig = try await startRig(options)
    do {
        try await body(rig)
    } catch {
        await rig.end()
        throw error
    }
    await rig.end()
}

/// The same in front of a scripted origin.
func withRig(
    origin: ScriptedOrigin, flags: [String] = [], _ body: (Rig) async throws -> Void
) async throws {
    try await withRig(
        { options in
            options.origin = origin
            options.flags = flags
        }, body)
    origin.stop()
}

private func startRig(_ options: RigOptions) async throws -> Rig {
    let clock = options.clock
    var simulated = options.simulator
    simulated.faults += options.faults
    let simulator = Simulator(simulated, clock: SimulatorClock { clock.wall })
    let upstream = try await simulator.start()
    let api = options.origin?.url ?? upstream.apiURL
    let folder = try TemporaryFolder()
    let flags = [
        "listen.address=127.0.0.1:0", "admin.address=127.0.0.1:0", "upstream.url=\(api)",
        "token.token_url=\(upstream.tokenURL)", "token.client_id=demo", "token.client_secret=demo-secret",
        "shutdown.drain_timeout=5s", "audit.path=\(folder.path)/audit", "deletes.archive_path=\(folder.path)/archive",
        // One call of a tool is then one call upstream; the audit tests turn it on.
        "audit.snapshot=false",
        // Likewise; the cache tests turn it on.
        "cache.enabled=false",
        // A page that a tool asks for is what upstream is asked for; the tests of walks turn them on.
        "cache.walks=false",
        // Nothing waits for its turn; the rate tests set limits.
        "rate.windows=1000000/1s", "rate.run_windows=1000000/1s",
    ]
    var mode: [String] = []
    if options.signIn != .none {
        let state = StateFile(path: "\(folder.path)/sign-in.json")
        mode = ["token.mode=refresh_token", "token.state_file=\(state.path)"]
        if options.signIn == .good {
            try state.write(refreshToken: simulator.issueRefreshToken(), tokenURL: upstream.tokenURL)
        }
    }
    let tables = options.file + (options.issuer.map { "\n[[issuer]]\nurl = \"\(upstream.issuerURL)\"\n\($0)" } ?? "")
    let file = tables.isEmpty ? nil : ConfigSources.File(name: "proxy.conf", text: tables)
    let sources = RigSources(ConfigSources(file: file, flags: flags + mode + options.flags))
    let loaded = try ConfigLoader.load(sources.now)
    let accessLog = try CapturedLog()
    let applicationLog = try CapturedLog()
    let logger = Logger(label: "test") { _ in CapturingHandler(log: applicationLog) }
    let sidecar = try await Sidecar(
        loaded.config, environment: clock.environment,
        accessLogDescriptor: accessLog.descriptor, logger: logger, surroundings: sources.surroundings)
    let addresses = try await sidecar.start()
    // A tool that would not wait at all would be refused for the first token's sake. Some tests withhold it.
    let patience = ContinuousClock.now + .seconds(options.faults.isEmpty && options.signIn == .none ? 5 : 0)
    while ContinuousClock.now < patience, sidecar.notReadyReasons.contains(where: { $0.contains("first one") }) {
        try await Task.sleep(for: .milliseconds(1))
    }
    return Rig(
        simulator: simulator, upstream: upstream, sidecar: sidecar, addresses: addresses, accessLog: accessLog,
        applicationLog: applicationLog, clock: clock, folder: folder, config: loaded.config,
        sources: sources)
}

extension Rig {
    /// What SIGTERM does; at most once in a rig's life.
    func drain() async -> Bool {
        wasDrained.withLock { $0 = true }
        return await sidecar.drain()
    }

    /// Ends both; what a test left hanging in the simulator is let go first.
    func end() async {
        clock.thaw()
        simulator.releaseHeld()
        if !wasDrained.withLock({ $0 }) { _ = await sidecar.drain() }
        await simulator.stop()
        accessLog.close()
        applicationLog.close()
        folder.remove()
    }
}

/// Lets a few rigs run at once: each has threads, sockets and an event loop per core of its own.
private actor Turnstile {
    static let shared = Turnstile()
    /// Whether this task's test has passed it.
    @TaskLocal static var isInside = false
    private var free = 6
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func enter() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    func leave() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}
