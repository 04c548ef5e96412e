import ArgumentParser
import Configuration
import Glibc
import Ground
import Proxy
import Simulator

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "A simulated Bentley with the proxy in front, on loopback. No files, no credentials.")

    @Option(help: "Port of the proxy; 0 picks a free one.")
    var port = 0

    @Flag(help: "Speak TLS, with a certificate made on the spot.")
    var tls = false

    @Option(help: "So many proxies that act as one, by a file that they share; 1 to 5.")
    var members = 1

    func validate() throws {
        try PortOption.check(port, "--port")
        guard (1...5).contains(members) else { throw ValidationError("--members is 1 to 5.") }
    }

    func run() async throws {
        var world = SimulatorConfiguration()
        // It counts no calls of a subscription, so it names the tier that the default windows are made for.
        world.tier = "iTwin Platform Premium"
        world.faults = [DemoTour.limit]
        let simulator = Simulator(world)
        let upstream: SimulatorAddresses
        do {
            upstream = try await simulator.start()
        } catch {
            complain("the simulator cannot start: \(error)")
            throw ExitCode.failure
        }
        let folder = try TemporaryFolder.make()
        defer { folder.remove() }
        let certificate = tls ? try DemoCertificate() : nil
        defer { certificate?.remove() }
        let tour = try DemoTour(simulator: simulator, upstream: upstream, certificate: certificate?.path)
        let loaded = try Self.configuration(
            upstream, certificate?.settings ?? [], port: port, audit: folder.path, callers: tour.callers)
        let logging = Logs(loaded.config.log)
        var config = loaded.config
        config.fit(.current())
        let shared = members > 1 ? try TemporaryFolder.make() : nil
        defer { shared?.remove() }
        if let shared { config.fleet.engine = .file(path: shared.path + "/fleet.db") }
        let others = try await Self.start(members - 1, like: config, in: shared?.path ?? "", logging)
        let tell = { @Sendable (addresses: Sidecar.Addresses) in
            say(tour.text(proxy: addresses.tools, admin: addresses.admin ?? "", audit: folder.path))
            if !others.isEmpty {
                say(tour.fleet(addresses.tools, others.map(\.tools), admin: addresses.admin ?? ""))
            }
        }
        var surroundings = Sidecar.Surroundings()
        surroundings.effective = loaded.effectiveTOML()
        surroundings.commit = BuildVersion.commit
        try await Supervisor.run(logging: logging, started: tell) { [config, surroundings] in
            try await Sidecar(config, logger: logging.logger, surroundings: surroundings)
        }
        for other in others { _ = await other.sidecar.drain() }
        await simulator.stop()
    }

    /// Further members, each with an audit log of its own.
    private static func start(
        _ count: Int, like config: Config, in folder: String, _ logging: Logs
    ) async throws -> [(sidecar: Sidecar, tools: String)] {
        var started: [(sidecar: Sidecar, tools: String)] = []
        for number in 0..<count {
            var config = config
            config.listen.addresses = [.tcp(host: "127.0.0.1", port: 0)]
            config.admin.address = nil
            config.audit.path = "\(folder)/audit-\(number + 2)"
            config.fleet.name = "member \(number + 2)"
            let sidecar = try await Sidecar(config, logger: logging.logger)
            started.append((sidecar, try await sidecar.start().tools))
        }
        return started
    }

    /// The defaults, pointed at the simulator.
    private static func configuration(
        _ upstream: SimulatorAddresses, _ more: [String], port: Int, audit: String, callers: String
    ) throws -> LoadedConfig {
        let settings = [
            "listen.address=127.0.0.1:\(port)", "admin.address=127.0.0.1:0", "upstream.url=\(upstream.apiURL)",
            "token.token_url=\(upstream.tokenURL)", "token.client_id=demo", "token.client_secret=demo-secret",
            "audit.path=\(audit)", "deletes.archive=required", "deletes.archive_path=\(audit)/archive",
            "log.level=warning",
        ]
        do throws(ConfigMistakes) {
            return try ConfigLoader.load(
                ConfigSources(file: ConfigSources.File(name: "demo", text: callers), flags: settings + more))
        } catch {
            complain(error.description)
            throw ExitStatus.configuration
        }
    }
}
