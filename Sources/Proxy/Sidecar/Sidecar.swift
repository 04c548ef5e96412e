// A running proxy: its listeners before its parts, and how it starts. How it is reloaded and how it ends stand beside.

import Configuration
import CurlTransport
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
        /// Sockets that it has opened, instead of `listen.address`.
        package var inherited = InheritedSockets()
        /// The configuration as `check` prints it, without secrets; changed by a reload. Empty: it is not known.
        package var effective = ""

        /// The commit that was built; empty: it is not known.
        package var commit = ""

        /// None of them.
        package init() {}
    }

    /// A configuration that is in force.
    struct Taken: Sendable {
        /// As `check` prints it, without secrets; empty where that is not known.
        let text: String
        let at: WallTime
        /// A later one that was refused, and why, one line each.
        var refused: (at: WallTime, mistakes: [String])?
    }

    /// Where a started proxy listens.
    package struct Addresses: Sendable {
        /// For tools, each as a base URL: `http://127.0.0.1:8080`, `https://[::1]:8443`, or `unix:/path.sock`. Never empty.
        package let allTools: [String]
        /// The first of them.
        package var tools: String { allTools[0] }
        /// For operators; nil when turned off.
        package let admin: String?
    }

    /// What this is, as the audit log names it.
    package static let software = "clash-proxy \(version)"
    /// Its number.
    package static let version = "0.1.0"
    /// The version of libcurl that it runs with.
    package static var libcurl: String { LibcurlVersion.text }

    let environment: Environment
    let logger: Logger
    let parts: ProcessParts
    let surroundings: Surroundings
    let listening = OpenChannels()
    /// What was taken last, and what was refused since.
    let taken: Mutex<Taken>
    let began: WallTime
    let tools: ServiceInForce<ProxyService>
    /// Nil where no certificate is configured.
    let certificates: Certificates?
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
        began = environment.wallTime()
        taken = Mutex(Taken(text: surroundings.effective, at: began))
        certificates = try Certificates(config.listen, environment: environment, logger: logger)
        parts = try ProcessParts(
            config, environment: environment, accessLogDescriptor: accessLogDescriptor, logger: logger)
        try await parts.openAudit(config)
        try await parts.joinFleet()
        tools = ServiceInForce(try parts.service(config))
    }

    /// The configuration in force.
    var inForce: Config { config.withLock { $0 } }

    /// Opens the listeners and begins to fetch the first token. Throws `ListenError`.
    package func start() async throws -> Addresses {
        let config = inForce
        parts.credentials.source?.start()
        parts.issuers.start()
        certificates?.start(parts.activity, parts.alerts)
        let urls = try await startTools(config)
        let admin = try await startAdmin(config)
        parts.serveAudit(config)
        if let audit = parts.audit {
            settling.withLock {
                let (onlyOnce, settler) = (parts.onlyOnce, parts.settler(config))
                $0 = Task { [logger] in
                    await AuditStartup.settleOpenIntents(audit, logger: logger) {
                        await onlyOnce.settleLeftBehind($0, settler)
                    }
                }
            }
        }
        let addresses = Addresses(allTools: urls, admin: admin)
        logger.notice(
            "listening", metadata: ["tools": "\(urls.joined(separator: ","))", "admin": "\(admin ?? "off")"])
        tellManager(addresses)
        return addresses
    }

    /// Opens the listeners for tools: the configured ones, or those that the service manager has opened.
    private func startTools(_ config: Config) async throws -> [String] {
        let inherited = surroundings.inherited.all.map { ListenPlace.inherited($0) }
        let places =
            inherited.isEmpty ? config.listen.addresses.map { $0.place(mode: config.listen.socketMode) } : inherited
        var urls: [String] = []
        for place in places {
            let listener = try await Listener.start(
                place, key: "listen.address",
                limits: { [self] in self.config.withLock { ConnectionLimits($0.listen) } }, service: tools,
                tls: certificates.map { ListenerTLS($0.tls, for: .tools) }, h2c: config.listen.h2c, group: parts.group,
                trouble: acceptTrouble("listen.address"))
            listening.add(listener)
            urls.append(listener.url)
        }
        return urls
    }

    private func startAdmin(_ config: Config) async throws -> String? {
        guard let address = config.admin.address else { return nil }
        let service = ServiceInForce(adminService(config))
        let adminTLS = address.isLoopback ? nil : certificates.map { ListenerTLS($0.tls, for: .operators) }
        let listener = try await Listener.start(
            address.place(), key: "admin.address",
            limits: { [self] in self.config.withLock { AdminService.limits($0.listen) } },
            service: service, tls: adminTLS, group: parts.group, trouble: acceptTrouble("admin.address"))
        operators.withLock { $0 = service }
        listening.addAdmin(listener)
        return listener.url
    }

    func adminService(_ config: Config) -> AdminService {
        let report = AdminReport(
            notReady: { [weak self] in self?.notReadyReasons ?? ["stopped"] },
            degraded: { [weak self] in self?.degradedReasons ?? [] },
            purge: { [parts] in config.cache.enabled ? parts.cache.purge($0) : nil },
            metrics: { [weak self] in self?.samples ?? [] },
            explain: { [parts] in
                await parts.everythingAnsweredIsKept()
                return parts.traffic.recent.latest($0)?.json.text
            },
            status: { [weak self] in await self?.status().text ?? "{}" },
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
}
