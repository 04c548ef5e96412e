// One configuration for each request: it is handed to the service of the configuration that is in force when it begins, and
// stays with that to its end.

import Edge
import Synchronization

/// Stands behind a listener for as long as that listens. Usable from every event loop.
final class ServiceInForce<Service: RequestHandling>: RequestHandling {
    let activity: Activity
    private let inForce: Mutex<Service>

    init(_ service: Service) {
        activity = service.activity
        inForce = Mutex(service)
    }

    /// Of the configuration in force.
    var service: Service { inForce.withLock { $0 } }

    /// Requests that begin from now on are handed to another one, which counts in the same `activity`.
    func replace(with service: Service) {
        // The former one may go with its last request, and not under the lock.
        _ = inForce.withLock { former in
            defer { former = service }
            return former
        }
    }

    var isDraining: Bool { activity.isDraining }

    var preambles: PreambleRules? { service.preambles }

    func handle(_ exchange: Exchange) { service.handle(exchange) }

    func answer(_ failure: WireFailure, to request: RefusedRequest) -> LastAnswer {
        service.answer(failure, to: request)
    }

    func failed(_ trouble: ConnectionTrouble, peer: String) { service.failed(trouble, peer: peer) }

    func overLimitAnswer(peer: String) -> LastAnswer { service.overLimitAnswer(peer: peer) }
}
