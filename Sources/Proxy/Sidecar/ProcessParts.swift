// What lives as long as the process, whatever its configuration becomes: threads, sockets, memory, the audit log. Out of it
// and a configuration each service is made, of which a reload makes another one.

import Audit
import ClashAPI
import Configuration
import CurlTransport
import Edge
import Fleet
import Ground
import Logging
import NIOCore
import NIOPosix
import RateLimiting
import Synchronization
import Tokens

/// Built once; usable from every thread.
final class ProcessParts: Sendable {
    let environment: Environment
    let events: EventLog
    let alerts: Alerts
    let budget: BudgetWatch
    let traffic = Traffic()
    let spans: SpanExporter
    private let traceIDs: TraceIDs
    let group: MultiThreadedEventLoopGroup
    let transport: CurlTransport
    let credentials: Credentials
    let issuers: IssuerBook
    let health: UpstreamHealth
    /// Counts tools' connections and requests.
    let activity: Activity
    let adminActivity: Activity
    let held: HeldBytes
    let waiting = WaitingCalls()
    let settling = SettlingTasks()
    /// Made with the audit log, in whose folder it keeps its file.
    private let once = Mutex<OnlyOnce?>(nil)
    let counts = CachedReads.Counts()
    let accessOutput: AccessOutput
    private let origin: Origin
    private let pseudonym: String
    private let retries: RetryBudget
    /// The trail of the configuration in force; nil where the log could not be opened and need not be.
    private let trail = Mutex<AuditTrail?>(nil)
    /// This process's place among several; nil: it is alone.
    let fleet: FleetSeat?
    /// The same, where its calls go by the fleet's windows.
    private let fleetWindows: FleetWindows?
    /// Gets copies of the same log.
    let sinks: SinkBook
    let archive: ArchiveStore
    /// Of both.
    private let archiveKeeper = Mutex<ArchiveKeeper?>(nil)
    /// In the same log.
    private let approvals = Mutex<Approvals?>(nil)
    /// Of the same log, where there is a fleet; with its task.
    private let witness = Mutex<(witness: HeadWitness, task: Task<Void, Never>)?>(nil)
    /// Of the same log.
    private let auditKeeper = Mutex<AuditKeeper?>(nil)
    /// The gate and the cache, as the configuration in force sees them.
    private let inForce: Mutex<(pacing: Pacing, cache: PageCache)>

    /// Throws when libcurl cannot be set up or an address in the configuration is not usable.
    init(_ config: Config, environment: Environment, accessLogDescriptor: Int32, logger: Logger) throws {
        self.environment = environment
        origin = config.upstream.url.server
        group = MultiThreadedEventLoopGroup(numberOfThreads: UsableCores.count())
        // Beside the calls there must always be room for one to the token endpoint, for the look at whether upstream is back,
        // for the keys of issuers, for traces and for an alert.
        transport = try CurlTransport(
            CurlTransport.Configuration(config.upstream, maxConnections: config.upstream.maxConnections + 6))
        if let file = config.upstream.proxyCredentialsFile, OutgoingProxy.isOpenToOthers(file) {
            logger.warning(
                "upstream.proxy_credentials_file can be read by others: chmod 600 it", metadata: ["file": "\(file)"])
        }
        let limits = GateLimits(config)
        let posts = CurlPosts(transport: transport, environment: environment)
        alerts = Alerts(
            environment: environment, documents: posts, registry: traffic.registry, logger: logger)
        alerts.change(to: config.alerts)
        events = EventLog(
            logger: logger, environment: environment, windows: limits.windows, alerts: alerts)
        traceIDs = TraceIDs(seed: environment.randomBits())
        spans = SpanExporter(
            documents: posts, environment: environment,
            json: SpanJSON(version: Sidecar.version, instance: traceIDs.nextTrace().text),
            dropped: traffic.registry.counter(.spansDropped), tell: { [events] in events.traces($0) })
        credentials = try Self.credentials(config, transport, environment, events)
        archive = ArchiveStore(
            ArchiveFolder(path: config.deletes.archivePath), environment: environment, events: events)
        issuers = IssuerBook(
            documents: CurlDocuments(transport: transport, environment: environment), time: environment.time,
            tell: { [events] in events.issuer($0, $1?.sentence) })
        sinks = SinkBook(group: group, environment: environment, events: events)
        pseudonym = UpstreamSettings.newPseudonym(environment)
        let pacing = Pacing(limits, passesTokens: config.token.mode == .passthrough, time: environment.time)
        fleet = try FleetStart.seat(config, version: Sidecar.version, group: group, time: environment.time)
        // Where tools bring their own tokens, each of those has windows of its own.
        fleetWindows = config.token.mode == .passthrough ? nil : fleet.map { FleetWindows(seat: $0) }
        let shared = fleet.map { SharedPages(seat: $0, maxLag: config.fleet.maxLag) }
        inForce = Mutex((pacing, PageCache(config.cache, environment: environment, shared: shared)))
        budget = BudgetWatch(pacing.gate, alerts: alerts, environment: environment)
        health = UpstreamHealth(
            transport: transport, origin: origin, gate: pacing.gate, events: events, environment: environment)
        retries = RetryBudget()
        activity = Activity(maxConnections: config.listen.maxConnections)
        adminActivity = Activity(maxConnections: config.admin.maxConnections)
        held = HeldBytes(limit: config.listen.maxHeldBytes, largestBody: config.listen.maxBodyBytes)
        accessOutput = AccessOutput(descriptor: accessLogDescriptor)
        waiting.keep(config.callers, config.issuers)
    }

    private static func credentials(
        _ config: Config, _ transport: CurlTransport, _ environment: Environment, _ events: EventLog
    ) throws -> Credentials {
        if config.token.mode == .passthrough { return .passthrough }
        let endpoint = try tokenEndpoint(config, transport, environment)
        return .own(
            TokenSource(
                configuration: TokenSource.Configuration(config.token), endpoint: endpoint, time: environment.time,
                log: { events.token($0) }))
    }

    private static func tokenEndpoint(
        _ config: Config, _ transport: CurlTransport, _ environment: Environment
    ) throws -> CurlTokenEndpoint {
        let url = config.token.tokenURL.description
        guard let endpoint = CurlTokenEndpoint(transport: transport, url: url, environment: environment) else {
            throw Failure(.internalError, "token.token_url is not usable")
        }
        return endpoint
    }

    /// Nil where the log could not be opened and need not be.
    var audit: AuditTrail? { trail.withLock { $0 } }
    var gate: Gate { inForce.withLock { $0.pacing.gate } }
    var cache: PageCache { inForce.withLock { $0.cache } }

    /// Takes its place in the fleet. Throws what forbids that.
    func joinFleet() async throws {
        guard let fleet else { return }
        await FleetStart.linked(fleet)
        let news = fleet.ledger.news(for: fleet.id)
        Task.detached { [cache, gate, events] in
            for await news in news {
                switch news {
                case .invalidated(let id, let tags, let everything):
                    cache.heard(tags, everything: everything)
                    try? await fleet.ledger.applied(id, by: fleet.id)
                case .gap: cache.heard([], everything: true)
                case .paused(let pause): FleetWindows.heard(pause, gate, events)
                case .current: break
                }
            }
        }
        do throws(FleetError) {
            try await fleet.take(
                FleetWindows.ears(gate, events) { [events] word in
                    events.fleet(word)
                })
        } catch {
            throw FleetRefusal(description: "fleet.engine: \(error.text)")
        }
    }

    /// Opens the audit log. Throws when it cannot be and must.
    func openAudit(_ config: Config) async throws {
        let trail = try await AuditStartup.open(
            config, software: Sidecar.software, reader: reader(config), environment: environment, events: events,
            traffic: traffic, fleet: fleet, wrote: { [sinks] in sinks.wrote() })
        self.trail.withLock { $0 = trail }
        if config.deletes.archive != .off {
            await OffThread.run { [archive] in archive.prepare(isRequired: config.deletes.archive == .required) }
        }
        openKeys(config)
        guard let trail else { return }
        let approvals = Approvals(trail.log, environment: environment, events: events, traffic: traffic)
        if config.deletes.approval == .second { try approvals.recall(from: config.audit.path) }
        self.approvals.withLock { $0 = approvals }
    }

    /// What stands before deletes under a configuration.
    private func guards(_ config: Config) -> DeleteGuards {
        var guards = DeleteGuards()
        if config.deletes.archive != .off {
            guards.archiver = Archiver(store: archive, isRequired: config.deletes.archive == .required)
        }
        guard config.deletes.approval == .second else { return guards }
        guards.approvals = approvals.withLock { $0 }
        guards.lacksLog = guards.approvals == nil
        return guards
    }

    /// Idempotency keys are kept beside the log. Where that cannot be, calls with a key are refused.
    private func openKeys(_ config: Config) {
        let onlyOnce = OnlyOnce(
            folder: config.audit.path, environment: environment,
            notes: { [events] notes in for note in notes { events.logger.warning("idempotency keys: \(note)") } },
            tell: { [events] in events.keys(trouble: $0) })
        once.withLock { $0 = onlyOnce }
    }

    /// Where there is none yet, as in a service that is made to be looked at, none can bring a key.
    var onlyOnce: OnlyOnce {
        once.withLock { once in
            if let once { return once }
            let none = OnlyOnce(folder: nil, environment: environment)
            once = none
            return none
        }
    }

    /// Of starts of runs.
    func settler(_ config: Config) -> StartSettler { StartSettler(reader: reader(config), environment: environment) }

    /// Begins to send copies of the audit log, and to retire of it what all have who get some.
    func serveAudit(_ config: Config) {
        guard let log = audit?.log else { return }
        sinks.change(to: config, log)
        let keeper = AuditKeeper(log, time: environment.time, events: events) { [sinks] in sinks.delivered }
        keeper.change(keep: config.audit.keep)
        auditKeeper.withLock { $0 = keeper }
        let archiveKeeper = ArchiveKeeper(
            archive, log, in: config.audit.path, time: environment.time, events: events)
        archiveKeeper.change(keep: config.deletes.archiveKeep)
        self.archiveKeeper.withLock { $0 = archiveKeeper }
        guard let fleet, let identity = try? AuditReader(folder: config.audit.path).identity() else { return }
        let witness = HeadWitness(
            log, identity: identity, seat: fleet, environment: environment, logger: events.logger)
        self.witness.withLock { $0 = (witness, Task.detached { await witness.run() }) }
    }

    /// Closes the audit log, after the last of its work.
    func closeAudit() async {
        auditKeeper.withLock { $0 }?.end()
        archiveKeeper.withLock { $0 }?.end()
        if let (witness, task) = witness.withLock({ $0 }) {
            task.cancel()
            await task.value
            await witness.exchange()
        }
        await onlyOnce.close()
        await audit?.log.close()
        await sinks.end()
    }

    /// Who waits for a page to change.
    var watches: PageWatches { inForce.withLock { $0.cache }.watches }

    // MARK: One configuration

    /// What serves tools under a configuration, out of what there is.
    func service(_ config: Config) throws -> ProxyService { try service(config, desk(config)) }

    private func desk(_ config: Config) -> FrontDesk {
        FrontDesk(config, pseudonym: pseudonym, judge: issuers.judge(for: config.issuers))
    }

    private func service(_ config: Config, _ desk: FrontDesk) throws -> ProxyService {
        let (sender, cache) = (sender(config), inForce.withLock { $0.cache })
        let links = try LinkSettings(config)
        let flow = RequestFlow(
            sender: sender, links: links,
            reads: CachedReads(
                cache: cache, sender: sender, links: links, maxWait: config.rate.maxWait, isOn: config.cache.enabled,
                walks: config.cache.walks, prefetches: config.cache.prefetch, counts: counts, environment: environment),
            audit: audit, onlyOnce: onlyOnce, settler: settler(config), heldBytes: config.cache.maxEntryBytes,
            minRate: config.listen.minRate,
            environment: environment, accessLog: accessOutput.log(config.log),
            knowsCallers: !config.callers.isEmpty || !config.issuers.isEmpty, tracer: tracer(config),
            guards: guards(config))
        return ProxyService(
            desk: desk, flow: flow, activity: activity, held: held,
            preambles: PreambleRules(config.listen) { [events] in events.preambleRefused($0, peer: $1) },
            callers: config.callers, waiting: waiting, environment: environment)
    }

    /// Nil where nothing is traced. Spans go to this configuration's collector from now on.
    private func tracer(_ config: Config) -> Tracer? {
        spans.change(endpoint: config.traces.endpoint?.description)
        guard config.traces.endpoint != nil else { return nil }
        return Tracer(spans: spans, ids: traceIDs, sample: config.traces.sample)
    }

    private func sender(_ config: Config) -> UpstreamSender {
        let settings = UpstreamSettings(
            origin: origin, firstByteTimeout: config.upstream.firstByteTimeout,
            stallTimeout: config.upstream.stallTimeout, pseudonym: pseudonym)
        return UpstreamSender(
            settings: settings, transport: transport, credentials: credentials,
            pacing: inForce.withLock { $0.pacing }, health: health,
            retries: RetryPolicy(budget: retries, backoff: Backoff(), environment: environment),
            maxWait: config.rate.maxWait, events: events, traffic: traffic, environment: environment, budget: budget,
            fleet: fleetWindows)
    }

    private func reader(_ config: Config) -> ObjectReader {
        // Where tools bring their own tokens, nobody's stored answers are shown in another's records.
        let shared = config.token.mode == .passthrough || !config.cache.enabled ? nil : cache
        return ObjectReader(
            sender: sender(config), cached: { shared?.snapshot($0, $1) }, settling: settling,
            environment: environment)
    }

    /// Puts a configuration in force in all that lives on, and makes the service for it. Blocks on the file system where the
    /// budget of deletes has changed. Throws, and has changed nothing, when the audit log cannot be read for that.
    func change(to config: Config) throws -> ProxyService {
        let endpoint = try Self.tokenEndpoint(config, transport, environment)
        let changed = try audit.map { try AuditStartup.changed($0, to: config) }
        if config.deletes.approval == .second { try approvals.withLock { $0 }?.recall(from: config.audit.path) }
        credentials.source?.change(to: TokenSource.Configuration(config.token), endpoint: endpoint)
        let (limits, desk) = (GateLimits(config), desk(config))
        // Before wider limits let go what waits.
        waiting.change(rules: desk)
        inForce.withLock { $0 = ($0.pacing.changed(to: limits, config.callers), $0.cache.changed(to: config.cache)) }
        if var changed {
            changed.reader = reader(config)
            trail.withLock { $0 = changed }
        }
        if let log = changed?.log { sinks.change(to: config, log) }
        auditKeeper.withLock { $0 }?.change(keep: config.audit.keep)
        archiveKeeper.withLock { $0 }?.change(keep: config.deletes.archiveKeep)
        events.changed(windows: limits.windows)
        alerts.change(to: config.alerts)
        transport.change(connectTimeout: config.upstream.connectTimeout)
        activity.change(maxConnections: config.listen.maxConnections)
        adminActivity.change(maxConnections: config.admin.maxConnections)
        held.change(limit: config.listen.maxHeldBytes, largestBody: config.listen.maxBodyBytes)
        return try service(config, desk)
    }

    /// Returns when all that was answered before can be explained: a request is kept on its event loop right after the last
    /// byte of its answer, before the loop does anything else.
    func everythingAnsweredIsKept() async {
        for loop in group.makeIterator() { try? await loop.submit {}.get() }
    }
}

extension GateLimits {
    fileprivate init(_ config: Config) {
        let rate = config.rate
        self.init(
            windows: rate.windows, runWindows: rate.runWindows,
            maxInFlight: min(rate.maxInFlight, config.upstream.maxConnections), maxQueue: rate.maxQueue,
            maxWait: rate.maxWait, observe: rate.observe)
    }
}

extension LinkSettings {
    fileprivate convenience init(_ config: Config) throws {
        self.init(
            // Last of all upstream's own address: a link to it would lead tools past this proxy.
            rules: try config.upstream.linkPrefixes.map {
                try LinkRule(prefix: $0.prefix.description, replacement: $0.replacement)
            } + [LinkRule(prefix: config.upstream.url.description)],
            allowPrefixes: config.upstream.allowPrefixes, publicURL: config.listen.publicURL?.description)
    }
}
