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
        /// Calls sent to upstream for its requests, repeats included.
        var calls = 0
    }

    private let tallies = Mutex<[String: Tally]>([:])

    /// A request has ended that waited so long for its turn, and was sent so often; costs nothing for those that were neither.
    func ended(_ caller: String, waited time: Duration, calls: Int) {
        guard time > .zero || calls > 0 else { return }
        tallies.withLock { tallies in
            tallies[caller, default: Tally()].calls += calls
            guard time > .zero else { return }
            tallies[caller, default: Tally()].waits += 1
            tallies[caller, default: Tally()].waited += time
        }
    }

    /// By caller.
    var all: [String: Tally] { tallies.withLock { $0 } }
}
