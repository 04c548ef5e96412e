// A caller's deletes count at however many members it asks for them.

import Fleet
import Ground
import RateLimiting

/// The fleet's count of deletes. Usable from every thread.
struct SharedBudget: Sendable {
    let seat: FleetSeat
    /// Which audit log this process writes, by name and place.
    let log: String

    /// Counts one. Nil: there was room; else how long until there is.
    func take(_ caller: String, _ window: GateWindow, _ spent: [Duration]) async throws(Failure) -> Duration? {
        do throws(FleetError) {
            let wait = try await seat.ledger.spendDelete(
                of: FleetHash.of(caller), limit: window.limit, span: window.span.wholeMilliseconds,
                log: FleetHash.of(log), spent: spent.map { FleetCount(age: $0.wholeMilliseconds, count: 1) },
                by: seat.id)
            return wait.map { .milliseconds($0) }
        } catch {
            throw Failure(
                .fleetUnavailable,
                "The deletes of all sidecars count together (audit.delete_budget), and nobody can say how many there were: \(error.text).",
                retryAfter: .seconds(1))
        }
    }

    /// The last one was never sent. Nobody waits for that.
    func giveBack(_ caller: String) {
        Task.detached {
            try? await seat.ledger.returnDelete(of: FleetHash.of(caller), log: FleetHash.of(log), by: seat.id)
        }
    }
}
