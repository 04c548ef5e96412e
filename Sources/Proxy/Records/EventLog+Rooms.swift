// What the audit log tells, in the words of the application log.

import Audit
import Logging

extension EventLog {
    /// The audit log broke, or was mended.
    func audit(_ health: AuditStatus.Health) {
        switch health {
        case .ready: logger.notice("audit log is written again")
        case .broken(let trouble):
            logger.error(
                "audit log cannot be written",
                metadata: ["cause": "\(trouble.cause.rawValue)", "error": "\(trouble.detail)"])
        case .closed: break
        }
    }
}
