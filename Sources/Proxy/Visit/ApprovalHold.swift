// The approval that a delete has taken on its way: used up by what may have been sent, and else given back.

import Audit
import Synchronization

/// One approval in use by one call. Usable from every thread.
final class ApprovalHold: Sendable {
    private enum Phase {
        case held
        /// The intent that uses it up is on disk.
        case committed
        case over
    }

    /// What the intent says of it.
    let member: AuditApproval
    private let end: @Sendable (_ isSpent: Bool) -> Void
    private let phase = Mutex(Phase.held)

    /// - Parameter end: called once, with whether it is used up.
    init(_ member: AuditApproval, end: @escaping @Sendable (_ isSpent: Bool) -> Void) {
        (self.member, self.end) = (member, end)
    }

    /// The intent that uses it up is on disk: from now on only its outcome says whether it was used.
    func commit() { phase.withLock { if $0 == .held { $0 = .committed } } }

    /// Its call has ended; without an intent it was not sent, and the approval is still good.
    func leave() { finish(from: .held, isSpent: false) }

    /// The outcome of its call is on disk.
    func settled(isSent: Bool) { finish(from: .committed, isSpent: isSent) }

    private func finish(from expected: Phase, isSpent: Bool) {
        let isLast = phase.withLock { phase in
            defer { if phase == expected { phase = .over } }
            return phase == expected
        }
        if isLast { end(isSpent) }
    }
}
