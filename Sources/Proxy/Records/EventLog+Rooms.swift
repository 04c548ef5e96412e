// What the transport and the audit log tell, in the words of the application log.

import Audit
import CurlTransport
import Logging

extension EventLog {
    /// A call brought no answer.
    func failed(_ failure: TransferFailure, id: @autoclosure () -> String?) {
        switch failure.reason {
        case .unreachable, .nameNotResolved, .notTrusted:
            notConnected(failure.reason.rawValue, detail: failure.detail, id: id())
        default:
            if failure.sent { connected(id: id()) }
        }
    }

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
