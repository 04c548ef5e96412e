// Each member's audit head is written into the others' logs: a tail that is cut off one of them is proven by another.

import Audit
import Fleet
import Ground
import Logging

/// Publishes the head of this process's log, and records those of others. Usable from every thread.
final class HeadWitness: Sendable {
    /// As many records, or so long, from one publishing to the next.
    private static let records: UInt64 = 100
    private static let interval = Duration.seconds(60)
    private static let look = Duration.seconds(1)

    private let log: AuditLog
    private let identity: String
    private let seat: FleetSeat
    private let environment: Environment
    private let logger: Logger
    private let book = HeadBook()

    /// - Parameter identity: see `AuditReader.identity`.
    init(_ log: AuditLog, identity: String, seat: FleetSeat, environment: Environment, logger: Logger) {
        (self.log, self.identity, self.seat) = (log, identity, seat)
        (self.environment, self.logger) = (environment, logger)
    }

    /// Until its task is cancelled.
    func run() async {
        var (published, at) = (log.status.head.seq, environment.now() - Self.interval)
        while !Task.isCancelled {
            let seq = log.status.head.seq
            if seq >= published + Self.records || environment.now() >= at + Self.interval {
                await exchange()
                // What that wrote is no reason to publish again.
                (published, at) = (log.status.head.seq, environment.now())
            }
            try? await environment.sleep(environment.now() + Self.look)
        }
    }

    /// Publishes and records once.
    func exchange() async {
        let head = log.status.head
        let own = FleetHead(
            log: identity, seq: Int(clamping: head.seq), hash: head.hash,
            time: RFC3339.text(environment.wallTime(), digits: 3))
        guard let heads = try? await seat.ledger.witness(own, by: seat.id) else { return }
        for other in await book.news(heads.filter { $0.log != identity }) {
            if other.regressed {
                logger.error(
                    "an audit log of the fleet is shorter than it was: verify it with this one",
                    metadata: ["log": "\(other.log)", "seen_seq": "\(other.seq)"])
            }
            await log.witness(
                AuditWitness(
                    log: other.log, seq: UInt64(clamping: other.seq), hash: other.hash, time: other.time,
                    hasRegressed: other.regressed))
        }
        if heads.contains(where: { $0.log == identity && $0.regressed }) {
            logger.error("this audit log is shorter than it was when others saw it", metadata: ["log": "\(identity)"])
        }
    }
}

/// Which heads are recorded already.
private actor HeadBook {
    private var known: [String: FleetHead] = [:]

    func news(_ heads: [FleetHead]) -> [FleetHead] {
        let news = heads.filter { known[$0.log]?.hash != $0.hash || known[$0.log]?.regressed != $0.regressed }
        for head in news { known[head.log] = head }
        return news
    }
}
