// What other rooms tell, in the words of the application log.

import Audit
import Logging

extension EventLog {
    /// The audit log broke, or was mended.
    func audit(_ health: AuditStatus.Health) {
        switch health {
        case .ready:
            logger.notice("audit log is written again")
            alerts?.auditMended()
        case .broken(let trouble):
            logger.error(
                "audit log cannot be written",
                metadata: ["cause": "\(trouble.cause.rawValue)", "error": "\(trouble.detail)"])
            alerts?.auditBroken(trouble.detail)
        case .closed: break
        }
    }

    /// Spans do not get to the collector any more, or do again.
    func traces(_ news: SpanExporter.News) {
        switch news {
        case .down(let trouble):
            logger.warning(
                "spans cannot be delivered: they wait, and what finds no room is dropped",
                metadata: ["key": "traces.endpoint", "error": "\(trouble)"])
        case .back(let lost):
            logger.notice("spans are delivered again", metadata: ["key": "traces.endpoint", "dropped": "\(lost)"])
        }
    }

    /// The keys of an issuer cannot be fetched, or can again.
    ///
    /// - Parameter trouble: what it does; nil: it is over.
    func issuer(_ url: String, _ trouble: String?) {
        if let trouble {
            logger.warning(
                "the keys of an issuer cannot be fetched; those that are known are good for a day",
                metadata: ["issuer": "\(url)", "error": "\(trouble)"])
        } else {
            logger.notice("the keys of an issuer are fetched again", metadata: ["issuer": "\(url)"])
        }
    }
}
