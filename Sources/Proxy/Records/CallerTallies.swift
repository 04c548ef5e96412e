// What each caller asked for, waited for and was refused, for the status page. By the labels of /metrics, which are bounded.

import Synchronization

/// Usable from every thread.
final class CallerTallies: Sendable {
    /// Since the process began.
    struct Tally: Sendable, Equatable {
        /// Requests that have waited for their turn.
        var waits = 0
        /// How long they have, in all.
        var waited = Duration.zero
    }

    private let tallies = Mutex<[String: Tally]>([:])

    /// A request has waited for its turn; costs nothing for those that have not.
    func waited(_ caller: String, _ time: Duration) {
        guard time > .zero else { return }
        tallies.withLock {
            $0[caller, default: Tally()].waits += 1
            $0[caller, default: Tally()].waited += time
        }
    }

    /// By caller.
    var all: [String: Tally] { tallies.withLock { $0 } }
}
