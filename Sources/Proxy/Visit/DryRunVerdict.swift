/// What the rules say about a delete that its tool only asks about (`Prefer: dry-run`).
enum DryRunVerdict: Sendable {
    case wouldBeSent
    /// The real call would be answered with this.
    case wouldBeRefused(Failure)
}
