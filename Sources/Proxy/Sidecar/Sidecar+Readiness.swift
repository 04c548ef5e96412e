// What readiness says: whether work can be taken, and what does not work although it can.

import Audit
import Fleet
import Synchronization
import Tokens

extension Sidecar {
    /// Why `/readyz` says no; empty when it says yes.
    package var notReadyReasons: [String] {
        var reasons: [String] = []
        if ending.hasBegun { reasons.append("shutting down") }
        if let status = parts.credentials.source?.status, !status.isUsable {
            reasons.append("no upstream token: " + (status.lastFailure?.message ?? "the first one is being fetched"))
        }
        return reasons
    }

    /// What does not work although the proxy is ready; empty when all does.
    package var degradedReasons: [String] {
        var reasons: [String] = []
        if let audit = parts.audit {
            if case .broken(let trouble) = audit.log.status.health {
                reasons.append("the audit log cannot be written, deletes are refused: \(trouble.detail)")
            }
            if let trouble = audit.events.checkpointTrouble.withLock({ $0 }) {
                reasons.append("the checkpoint of the audit log cannot be written: \(trouble)")
            }
            if !audit.log.recovery.disputed.isEmpty {
                reasons.append(
                    "the audit log contradicts a checkpoint that was signed over it, kept as "
                        + "\(audit.log.recovery.disputed.joined(separator: ", ")): find out who changed the log, take the file "
                        + "away and start anew")
            }
        } else {
            reasons.append("the audit log could not be opened; deletes are not recorded")
        }
        if let why = parts.fleet?.standing.cut {
            reasons.append("cut off from the fleet, calls go by this member's share: \(why)")
        }
        for (url, trouble) in parts.issuers.troubles {
            reasons.append("the keys of the issuer \(url) cannot be fetched: \(trouble.sentence)")
        }
        if let status = parts.credentials.source?.status, status.isUsable, let failure = status.lastFailure {
            let seconds = status.expiresIn?.components.seconds ?? 0
            reasons.append("the upstream token, good for \(seconds) s more, is not renewed: \(failure.message)")
        }
        return reasons
    }
}
