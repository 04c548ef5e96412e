// A running proxy: its listeners before its parts, and how it starts. How it is reloaded and how it ends stand beside.

import Configuration
import Edge
import Glibc
import Ground
import Logging
import NIOCore
import RateLimiting
import Synchronization
import Tokens

/// Reads the configuration anew, as a whole and as at the start. Blocks on the file system.
package typealias ConfigReading = @Sendable () throws(ConfigMistakes) -> LoadedConfig

/// A running proxy. `start` once, `drain` once; usable from any thread.
package final class Sidecar: Sendable {
    /// What a running proxy has to do with the process around it.
    package struct Surroundings: Sendable {
        /// How the configuration is read anew; nil: it never is.
        package var reading: ConfigReading?
        /// The level and format of the application log, to be changed by a reload.
        package var logSettings: LogSettings?
        /// Asks the process to end, as SIGTERM does; nil: operators cannot.
        package var quit: (@Sendable () -> Void)?
        /// The service manager that started the process and wants to hear of it.
        package var manager: ServiceManager?

        /// None of them.
        package init() {}
    }

    /// Where a started proxy listens.
    package struct Addresses: Sendable {
        /// For tools, as a base URL: `http://127.0.0.1:8080`, or `unix:/path.sock`.
        package let tools: String
        /// For operators; nil when turned off.
        package let admin: String?
    }

    /// What this is, as the audit log names it.
    package static let software = "clash-proxy 0.1.0"

    let environment: Environment
    let logger: Logger
    let parts: ProcessParts
    let surroundings: Surroundings
    let listening = OpenChannels()
    let tools: ServiceInForce<ProxyService>
    /// Nil where no certificate is configured.
    let tls: ServerTLS?
    /// Set when it starts; nil where operators have no listener.
    let operators = Mutex<ServiceInForce<AdminService>?>(nil)
    /// Changed by reloads, one after the other.
    let config: Mutex<Config>
    /// One reload at a time.
    let reloads = Mutex<Void>(())
    /// Settles what an earlier process left open.
    let settling = Mutex<Task<Void, Never>?>(nil)
    let watchdog = Mutex<Watchdog?>(nil)
    let ending = Ending()

    /// Builds all parts and opens the audit log; listens nowhere yet. Throws when libcurl cannot be set up, an
    /// address in the configuration is not usable, or the audit log cannot be opened.
    package init(
        _ config: Config, environment: Environment = .system, accessLogDescriptor: Int32 = STDOUT_FILENO,
        logger: Logger, surroundings: Surroundings = Surroundings()
    ) async throws {
        self.config = Mutex(config)
        self.environment = environment
        self.logger = logger
        self.surroundings = surroundings
        tls = try TLSFiles(config.listen).map { try ServerTLS($0, wallTime: environment.wallTime) }
        parts = try ProcessParts(
            config, environment: environment, accessLogDescriptor: accessLogDescriptor, logger: logger)
        try await parts.openAudit(config)
        tools = ServiceInForce(try parts.service(config))
    }

    /// The configuration in force.
    var inForce: Config { config.withLock { $0 } }

    /// Opens the listeners and begins to fetch the first token. Throws `ListenError`.
    package func start() async throws -> Addresses {
        let config = inForce
        parts.credentials.source?.start()
        // What an earlier process was told of, by way of rate.state_file.
        for pause in parts.gate.statistics.pauses {
            parts.events.paused(
                Gate.Closing(scope: pause.scope, cause: pause.cause, remaining: pause.remaining), id: nil)
        }
        let listener = try await Listener.start(
            config.listen.address.place, key: "listen.address",
            limits: { [self] in self.config.withLock { ConnectionLimits($0.listen) } }, service: tools,
            tls: tls.map { ListenerTLS($0, for: .tools) }, h2c: config.listen.h2c, group: parts.group,
            trouble: acceptTrouble("listen.address"))
        listening.add(listener)
        let admin = try await startAdmin(config)
        if let audit = parts.audit {
            settling.withLock {
                $0 = Task { [logger] in await AuditStartup.settleOpenIntents(audit, logger: logger) }
            }
        }
        let addresses = Addresses(
            tools: Self.url(of: listener.channel, config.listen.address, isTLS: tls != nil), admin: admin)
        logger.notice("listening", metadata: ["tools": "\(addresses.tools)", "admin": "\(admin ?? "off")"])
        tellManager(addresses)
        return addresses
    }

    private func startAdmin(_ config: Config) async throws -> String? {
        guard let address = config.admin.address else { return nil }
        let service = ServiceInForce(adminService(config))
        let adminTLS = address.isLoopback ? nil : tls.map { ListenerTLS($0, for: .operators) }
        let listener = try await Listener.start(
            address.place, key: "admin.address",
            limits: { [self] in self.config.withLock { AdminService.limits($0.listen) } },
            service: service, tls: adminTLS, group: parts.group, trouble: acceptTrouble("admin.address"))
        operators.withLock { $0 = service }
        listening.addAdmin(listener)
        return Self.url(of: listener.channel, address, isTLS: adminTLS != nil)
    }

    func adminService(_ config: Config) -> AdminService {
        let report = AdminReport(
            notReady: { [weak self] in self?.notReadyReasons ?? ["stopped"] },
            degraded: { [weak self] in self?.degradedReasons ?? [] },
            purge: { [parts] in config.cache.enabled ? parts.cache.purge($0) : nil },
            metrics: { [tools] in tools.service.metrics() },
            reload: { [weak self] in await self?.reload() ?? .notNow("The proxy has stopped.") },
            quit: surroundings.quit)
        return AdminService(
            report, config.admin, activity: parts.adminActivity, events: parts.events, environment: environment)
    }

    private func acceptTrouble(_ key: String) -> AcceptTrouble {
        { [logger] remedy, error in
            logger.error(
                "no new connections for now: \(remedy)", metadata: ["listener": "\(key)", "error": "\(error)"])
        }
    }

    private static func url(of channel: any Channel, _ configured: ListenAddress, isTLS: Bool) -> String {
        guard case .tcp(let host, _) = configured, let port = channel.localAddress?.port else {
            return configured.description
        }
        return "\(isTLS ? "https" : "http")://\(ListenAddress.tcp(host: host, port: port))"
    }
}
