// Builds every part out of the configuration, wires them, starts and ends them in order.
// The only file that knows all of them.

import Audit
import ClashAPI
import Configuration
import CurlTransport
import Edge
import Glibc
import Ground
import Logging
import NIOCore
import NIOPosix
import RateLimiting
import Synchronization
import Tokens

/// A running proxy. `start` once, `drain` once; usable from any thread.
package final class Sidecar: Sendable {
    private let config: Config
    private let environment: Environment
    private let logger: Logger
    private let group: MultiThreadedEventLoopGroup
    private let transport: CurlTransport
    private let credentials: Credentials
    private let audit: AuditTrail?
    private let events: EventLog
    private let pacing: Pacing
    private let health: UpstreamHealth
    /// Settles what an earlier process left open.
    private let settling = Mutex<Task<Void, Never>?>(nil)
    private let service: ProxyService
    /// Nil where no certificate is configured.
    private let certificates: Certificates?
    private let accessWriter: LineWriter?
    private let listening = OpenChannels()
    /// Told to end a second time.
    private let hurries = Atomic(false)
    /// Something was broken off.
    private let wasCut = Atomic(false)

    /// Sockets that were opened for it, instead of `listen.address`.
    private let inherited: InheritedSockets

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
    package static let software = "clash-proxy 0.1.0"

    /// Builds all parts and opens the audit log; listens nowhere yet. Throws when libcurl cannot be set up, an
    /// address in the configuration is not usable, or the audit log cannot be opened.
    package init(
        _ config: Config, environment: Environment = .system, accessLogDescriptor: Int32 = STDOUT_FILENO,
        logger: Logger, inherited: InheritedSockets = InheritedSockets()
    ) async throws {
        self.config = config
        self.inherited = inherited
        self.environment = environment
        self.logger = logger
        certificates = try Certificates(config.listen, environment: environment, logger: logger)
        let upstream = config.upstream.url.server
        group = MultiThreadedEventLoopGroup(numberOfThreads: UsableCores.count())
        // Beside the calls there must always be room for one to the token endpoint, and for the look at whether upstream is
        // back.
        transport = try CurlTransport(
            CurlTransport.Configuration(config.upstream, maxConnections: config.upstream.maxConnections + 2))
        if let file = config.upstream.proxyCredentialsFile, OutgoingProxy.isOpenToOthers(file) {
            logger.warning(
                "upstream.proxy_credentials_file can be read by others: chmod 600 it", metadata: ["file": "\(file)"])
        }
        let limits = Self.limits(config)
        events = EventLog(logger: logger, environment: environment, windows: limits.windows)
        credentials =
            config.token.mode == .passthrough
            ? .passthrough : .own(try Self.tokenSource(config, transport, environment, events))
        accessWriter = config.log.access ? LineWriter(descriptor: accessLogDescriptor) : nil
        let accessLog = accessWriter.map {
            AccessLog(format: config.log.format, writer: $0, environment: environment)
        }
        let settings = UpstreamSettings(
            origin: upstream, firstByteTimeout: config.upstream.firstByteTimeout,
            stallTimeout: config.upstream.stallTimeout, pseudonym: UpstreamSettings.newPseudonym(environment))
        pacing = Pacing(
            limits, passesTokens: config.token.mode == .passthrough, time: environment.time,
            file: config.rate.stateFile.map { RateStateFile(path: $0, logger: logger).file(environment) })
        health = UpstreamHealth(
            transport: transport, origin: upstream, gate: pacing.gate, events: events, environment: environment)
        let cache = config.cache.enabled ? PageCache(config.cache, environment: environment) : nil
        // Where tools bring their own tokens, nobody's stored answers are shown in another's records.
        let shared = config.token.mode == .passthrough ? nil : cache
        let sender = UpstreamSender(
            settings: settings, transport: transport, credentials: credentials,
            pacing: pacing, health: health,
            retries: RetryPolicy(budget: RetryBudget(), backoff: Backoff(), environment: environment),
            maxWait: config.rate.maxWait, events: events, environment: environment)
        let reader = ObjectReader(
            sender: sender, cached: { shared?.snapshot($0, $1) }, environment: environment)
        audit = try await AuditStartup.open(
            config, software: Self.software, reader: reader, environment: environment, events: events)
        let links = try Self.links(config)
        let reads = cache.map {
            CachedReads(
                cache: $0, sender: sender, links: links, maxWait: config.rate.maxWait, environment: environment)
        }
        let flow = RequestFlow(
            sender: sender, links: links, reads: reads, audit: audit, heldBytes: config.cache.maxEntryBytes,
            minRate: config.listen.minRate, environment: environment, accessLog: accessLog)
        service = ProxyService(
            desk: FrontDesk(config, pseudonym: settings.pseudonym), flow: flow,
            activity: Activity(maxConnections: config.listen.maxConnections),
            held: HeldBytes(limit: config.listen.maxHeldBytes, largestBody: config.listen.maxBodyBytes),
            preambles: PreambleRules(config.listen) { [events] in events.preambleRefused($0, peer: $1) },
            environment: environment)
    }

    // MARK: Life

    /// Opens the listeners and begins to fetch the first token. Throws `ListenError`.
    package func start() async throws -> Addresses {
        credentials.source?.start()
        // What an earlier process was told of, by way of rate.state_file.
        for pause in pacing.gate.statistics.pauses {
            events.paused(
                Gate.Closing(scope: pause.scope, cause: pause.cause, remaining: pause.remaining), id: nil)
        }
        certificates?.start()
        let tools = try await startTools()
        var admin: String?
        if let address = config.admin.address {
            let report = AdminReport(
                notReady: { [weak self] in self?.notReadyReasons ?? ["stopped"] },
                degraded: { [weak self] in self?.degradedReasons ?? [] },
                purge: { [reads = service.reads] in reads?.cache.purge($0) },
                metrics: { [service, certificates] in service.metrics() + (certificates?.metrics() ?? "") })
            let adminTLS = address.isLoopback ? nil : certificates.map { ListenerTLS($0.tls, for: .operators) }
            let adminListener = try await Listener.start(
                address.place(), key: "admin.address", limits: AdminService.limits(config.listen),
                service: AdminService(report, config.admin, events: events, environment: environment),
                tls: adminTLS, group: group,
                trouble: acceptTrouble("admin.address"))
            listening.addAdmin(adminListener)
            admin = adminListener.url
        }
        if let audit {
            settling.withLock {
                $0 = Task { [logger] in await AuditStartup.settleOpenIntents(audit, logger: logger) }
            }
        }
        let addresses = Addresses(allTools: tools, admin: admin)
        logger.notice(
            "listening", metadata: ["tools": "\(tools.joined(separator: ","))", "admin": "\(admin ?? "off")"])
        return addresses
    }

    /// Opens the listeners for tools: the configured ones, or those that the service manager has opened.
    private func startTools() async throws -> [String] {
        let inherited = inherited.all.map { ListenPlace.inherited($0) }
        let places =
            inherited.isEmpty ? config.listen.addresses.map { $0.place(mode: config.listen.socketMode) } : inherited
        var urls: [String] = []
        for place in places {
            let listener = try await Listener.start(
                place, key: "listen.address", limits: ConnectionLimits(config.listen), service: service,
                tls: certificates.map { ListenerTLS($0.tls, for: .tools) }, h2c: config.listen.h2c, group: group,
                trouble: acceptTrouble("listen.address"))
            listening.add(listener)
            urls.append(listener.url)
        }
        return urls
    }

    /// Why `/readyz` says no; empty when it says yes.
    package var notReadyReasons: [String] {
        var reasons: [String] = []
        if service.isDraining { reasons.append("shutting down") }
        if let status = credentials.source?.status, !status.isUsable {
            reasons.append("no upstream token: " + (status.lastFailure?.message ?? "the first one is being fetched"))
        }
        return reasons
    }

    /// What does not work although the proxy is ready; empty when all does.
    package var degradedReasons: [String] {
        var reasons: [String] = []
        if let audit {
            if case .broken(let trouble) = audit.log.status.health {
                reasons.append("the audit log cannot be written, deletes are refused: \(trouble.detail)")
            }
        } else {
            reasons.append("the audit log could not be opened; deletes are not recorded")
        }
        if let status = credentials.source?.status, status.isUsable, let failure = status.lastFailure {
            let seconds = status.expiresIn?.components.seconds ?? 0
            reasons.append("the upstream token, good for \(seconds) s more, is not renewed: \(failure.message)")
        }
        return reasons
    }

    /// Ends a drain, that runs or is to come, at once: what still runs is broken off.
    /// Returns whether anything was.
    package func endNow() -> Bool {
        logger.warning(
            "told to end twice: ending at once", metadata: ["exchanges": "\(service.activity.runningExchanges)"])
        hurries.store(true, ordering: .releasing)
        let isCut = service.activity.runningExchanges > 0 || wasCut.load(ordering: .acquiring)
        service.activity.giveUpWaiting()
        return isCut
    }

    /// Stops accepting, lets what runs finish within `shutdown.drain_timeout`, ends everything.
    /// Returns whether all of it finished.
    package func drain() async -> Bool {
        logger.notice("draining", metadata: ["exchanges": "\(service.activity.runningExchanges)"])
        await listening.closeListener()
        service.activity.drain()
        var finished = await waitUntilQuiet(service.activity, within: config.shutdown.drainTimeout)
        if !finished, service.activity.runningExchanges == 0 {
            // Nobody waits for anything: connections that are just being closed are nothing that is broken off.
            service.activity.waitAgain()
            finished = await waitUntilQuiet(service.activity, within: .milliseconds(500))
        }
        if !finished {
            wasCut.store(true, ordering: .releasing)
            logger.warning(
                "drain cut short", metadata: ["exchanges": "\(service.activity.runningExchanges)"])
            service.activity.cutShort()
        }
        health.end()
        certificates?.end()
        let settling = settling.withLock { $0 }
        settling?.cancel()
        await settling?.value
        await credentials.source?.stop()
        await transport.shutdown(grace: .milliseconds(100))
        // Fetches that nobody waited for have failed by now, and end on event loops that are still there.
        if let fetches = service.reads?.fetches { _ = await waitUntilQuiet(fetches, within: .seconds(2)) }
        if !finished {
            // What was broken off still gets its answer and its record.
            service.activity.waitAgain()
            _ = await waitUntilQuiet(service.activity, within: hurriesNow ? .milliseconds(250) : .seconds(2))
            service.activity.closeAll()
        }
        await audit?.log.close()
        events.end()
        await listening.closeAdmin()
        accessWriter?.close()
        try? await group.shutdownGracefully()
        return finished
    }

    private var hurriesNow: Bool { hurries.load(ordering: .acquiring) }

    private func waitUntilQuiet(_ activity: Activity, within timeout: Duration) async -> Bool {
        let deadline = environment.now() + timeout
        return await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                await activity.waitUntilQuiet()
                return true
            }
            group.addTask { [environment] in
                try? await environment.sleep(deadline)
                return false
            }
            _ = await group.next()
            group.cancelAll()
            return activity.isQuiet
        }
    }

    // MARK: Parts

    private func acceptTrouble(_ key: String) -> AcceptTrouble {
        { [logger] remedy, error in
            logger.error(
                "no new connections for now: \(remedy)", metadata: ["listener": "\(key)", "error": "\(error)"])
        }
    }

    private static func tokenSource(
        _ config: Config, _ transport: CurlTransport, _ environment: Environment, _ events: EventLog
    ) throws -> TokenSource {
        let url = config.token.tokenURL.description
        guard let endpoint = CurlTokenEndpoint(transport: transport, url: url, environment: environment) else {
            throw Failure(.internalError, "token.token_url is not usable")
        }
        return TokenSource(
            configuration: TokenSource.Configuration(config.token), endpoint: endpoint, time: environment.time,
            log: { events.token($0) })
    }

    private static func limits(_ config: Config) -> GateLimits {
        let rate = config.rate
        return GateLimits(
            windows: rate.windows, runWindows: rate.runWindows,
            maxInFlight: min(rate.maxInFlight, config.upstream.maxConnections), maxQueue: rate.maxQueue,
            maxWait: rate.maxWait, observe: rate.observe)
    }

    private static func links(_ config: Config) throws -> LinkSettings {
        LinkSettings(
            // Last of all upstream's own address: a link to it would lead tools past this proxy.
            rules: try config.upstream.linkPrefixes.map {
                try LinkRule(prefix: $0.prefix.description, replacement: $0.replacement)
            } + [LinkRule(prefix: config.upstream.url.description)],
            allowPrefixes: config.upstream.allowPrefixes, publicURL: config.listen.publicURL?.description)
    }
}
