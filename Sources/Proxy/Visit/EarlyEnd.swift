// How a visit ends before its answer is whole.

import Edge

/// Why there is no whole answer of somebody else's.
enum EarlyEnd {
    /// The tool went away first.
    case toolLeft
    /// The time to drain was over: it is us who leave.
    case cutShort
    /// We left a tool that took nothing for `listen.idle_timeout`.
    case toolSilent
    /// We left a tool that took less than `listen.min_rate` while others waited for its place.
    case toolTooSlow
    case failed(Failure)
}

extension Visit {
    /// What an exit from the flow means. A tool that is gone hears of no failure; a task that was told to stop was told so
    /// by its tool or by us.
    func earlyEnd(_ exit: FlowExit) -> EarlyEnd {
        if let cut = wire.cut, case .callerLeft = exit {
            return switch cut {
            case .shuttingDown: .cutShort
            case .toolSilent: .toolSilent
            case .toolTooSlow: .toolTooSlow
            }
        }
        if wire.callerLeftFirst { return .toolLeft }
        if let withdrawal, case .callerLeft = exit { return .failed(withdrawal) }
        return switch exit {
        case .failed(let failure): .failed(failure)
        case .callerLeft: .toolLeft
        }
    }
}

extension Failure {
    static let keyWithdrawn = Failure(
        .callerKeyUnknown, "The caller key was withdrawn while the call waited, and nothing was sent.",
        target: "Authorization")
    static let issuerWithdrawn = Failure(
        .callerTokenInvalid,
        "The token's issuer is none of those that this proxy believes any more, since the call waited; nothing was sent.",
        target: "Authorization")
}
