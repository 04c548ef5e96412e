// How a call or a visit ends before its time.

/// Why a flow ends early.
enum FlowExit: Error {
    case failed(Failure)
    case callerLeft
}
