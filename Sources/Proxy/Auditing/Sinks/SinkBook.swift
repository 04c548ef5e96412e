// All sinks of the configuration in force. A reload ends those that are gone, or are others now, and starts the new ones where
// their positions on disk say.

import Audit
import Configuration
import CurlTransport
import Glibc
import Ground
import NIOCore
import Synchronization

/// Sends copies of the audit log to where they are wanted. Usable from every thread.
final class SinkBook: Sendable {
    private let group: any EventLoopGroup
    private let environment: Environment
    private let events: EventLog
    private let state = Mutex(State())

    private struct State {
        var runners: [(sink: Config.AuditSink, runner: SinkRunner)] = []
        /// By name those that were taken out last: they may still be ending.
        var former: [String: (url: SinkURL?, runner: SinkRunner)] = [:]
        /// A sink could not be set up, so it has nothing.
        var isLacking = false
        var hasEnded = false
    }

    init(group: any EventLoopGroup, environment: Environment, events: EventLog) {
        (self.group, self.environment, self.events) = (group, environment, events)
    }

    /// There is a new record. Does not block.
    func wrote() {
        for (_, runner) in state.withLock({ $0.runners }) { runner.bell.ring() }
    }

    /// How they are doing, in the configuration's order.
    var all: [SinkState] { state.withLock { $0.runners }.map(\.runner.known) }

    /// The newest record that all of them have.
    var delivered: UInt64 { state.withLock { $0.isLacking } ? 0 : all.map(\.position).min() ?? .max }

    /// Serves these sinks from now on.
    func change(to config: Config, _ log: AuditLog) {
        let wanted = config.auditSinks
        let (present, gone, former) = state.withLock { state in
            let gone = state.runners.filter { !wanted.contains($0.sink) }
            for (sink, runner) in gone { state.former[sink.name] = (sink.url, runner) }
            return (state.runners, gone, state.former)
        }
        var runners: [(sink: Config.AuditSink, runner: SinkRunner)] = []
        for sink in wanted {
            if let same = present.first(where: { $0.sink == sink }) {
                runners.append(same)
            } else if let runner = runner(sink, config, log) {
                let last = former[sink.name]
                let isMoved = last.map { $0.url != sink.url } ?? false
                runner.start(after: last?.runner, at: position(sink, config.audit.path, log, isMoved: isMoved))
                runners.append((sink, runner))
            }
        }
        let (next, isLacking) = (runners, runners.count < wanted.count)
        let isOver = state.withLock { state in
            if !state.hasEnded { (state.runners, state.isLacking) = (next, isLacking) }
            return state.hasEnded
        }
        for (_, runner) in isOver ? next : gone { Task.detached { await runner.end() } }
    }

    /// Sends what is left to those that take it; returns within a second.
    func end() async {
        let runners = state.withLock { state in
            state.hasEnded = true
            return state.runners
        }
        await withDiscardingTaskGroup { group in
            for (_, runner) in runners { group.addTask { await runner.end() } }
        }
    }

    private func runner(_ sink: Config.AuditSink, _ config: Config, _ log: AuditLog) -> SinkRunner? {
        let bell = SinkBell()
        guard let wire = wire(sink, config, bell) else { return nil }
        return SinkRunner(
            sink.name, log: log, folder: config.audit.path, wire: wire, bell: bell, time: environment.time,
            news: { [events] in events.sink($0) })
    }

    /// Where a sink begins: where it was, or as the configuration says.
    private func position(
        _ sink: Config.AuditSink, _ folder: String, _ log: AuditLog, isMoved: Bool
    ) -> @Sendable () -> AuditHead {
        { [events, head = log.status.head] in
            do throws(AuditReadFailure) {
                guard let known = try SinkPosition(folder: folder, sink: sink.name).read() else {
                    return sink.from == .start ? .empty : head
                }
                var follower = LogFollower(folder: folder, after: max(known.seq, 1) - 1)
                let found = try follower.read(upTo: known.seq, maxRecords: 1, maxBytes: 0).first?.head
                // Of what was retired nothing can be said.
                guard known.seq <= log.status.head.seq, found == nil || found == known else {
                    events.sink(.begunAnew(sink: sink.name, why: "its position is that of another log"))
                    return .empty
                }
                if isMoved { events.sink(.moved(sink: sink.name, behind: known.seq)) }
                if let first = try Self.firstRecord(after: known, folder, log), first > known.seq + 1 {
                    events.sink(.gap(sink: sink.name, first: known.seq + 1, last: first - 1))
                }
                return known
            } catch {
                events.sink(.begunAnew(sink: sink.name, why: error.description))
                return .empty
            }
        }
    }

    /// The number of the first record of the log behind a position; nil where there is none.
    private static func firstRecord(
        after known: AuditHead, _ folder: String, _ log: AuditLog
    ) throws(AuditReadFailure) -> UInt64? {
        var follower = LogFollower(folder: folder, after: known.seq)
        return try follower.read(upTo: log.status.head.seq, maxRecords: 1, maxBytes: 0).first?.head.seq
    }

    private func wire(_ sink: Config.AuditSink, _ config: Config, _ bell: SinkBell) -> (any SinkWire)? {
        guard let url = sink.url else { return nil }
        let format = SyslogFormat(host: MachineName.text, process: getpid())
        do {
            switch url.scheme {
            case .tls, .tcp:
                return try SyslogStream(url, caFile: sink.caFile, format: format, group: group) { bell.ring() }
            case .udp: return SyslogDatagrams(url, format: format, group: group)
            case .https, .http:
                var settings = try CurlTransport.Configuration(config.upstream, maxConnections: 1)
                settings.connectTimeout = .seconds(4)
                settings.caFile = sink.caFile ?? config.upstream.caFile
                return HTTPSink(url.address, tokenFile: sink.tokenFile, transport: try CurlTransport(settings))
            }
        } catch {
            events.sink(.down(sink: sink.name, trouble: "cannot be set up: \(error)"))
            return nil
        }
    }
}
