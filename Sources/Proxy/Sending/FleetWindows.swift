// The gate's door to the fleet: calls need a grant besides their turn, pauses go to all, and what others sent counts here.

import ClashAPI
import Fleet
import Ground
import RateLimiting

/// The windows and pauses that this process shares. Usable from every thread.
struct FleetWindows: Sendable {
    let seat: FleetSeat

    /// Waits until one such call may go; nil when the deadline has come before, or the task was cancelled.
    func pass(_ request: GateRequest, deadline: ContinuousClock.Instant) async -> FleetSeat.Pass? {
        let isUrgent = request.priority == .settling
        return await seat.pass(
            FleetAsk(
                caller: FleetHash.of(request.caller), weight: isUrgent ? 1000 : request.weight, count: 1,
                isRun: request.countsAsRun,
                scopes: [
                    CoolDownScope.api(request.api).fleetText, CoolDownScope.operation(request.operation).fleetText,
                ]),
            deadline: deadline)
    }

    /// Whether a grant still holds, right before the send.
    func holds(_ pass: FleetSeat.Pass) -> Bool { seat.holds(pass) }

    /// Upstream told this process a pause.
    func paused(_ closing: Gate.Closing) {
        let pause = FleetPause(
            scope: closing.scope.fleetText, cause: closing.cause.rawValue, left: closing.remaining.wholeMilliseconds + 1
        )
        // Nobody waits for it: the call that was refused waits for the pause itself.
        Task.detached { [seat] in try? await seat.ledger.pause(pause, by: seat.id) }
    }

    /// What the fleet tells, brought to the gate.
    static func ears(
        _ gate: Gate, _ events: EventLog, tell: @escaping @Sendable (MemberState.Word) -> Void
    ) -> FleetSeat.Ears {
        FleetSeat.Ears(
            others: { gate.othersSent(calls: $0, runs: $1) },
            adopt: { history in
                gate.adopt(history.map { $0.map { EarlierSends(age: .milliseconds($0.age), count: $0.count) } })
            },
            pauses: { for pause in $0 { heard(pause, gate, events) } }, tell: tell)
    }

    /// Upstream told somebody a pause.
    static func heard(_ pause: FleetPause, _ gate: Gate, _ events: EventLog) {
        guard let scope = CoolDownScope(fleetText: pause.scope) else { return }
        let cause = LimitCause(rawValue: pause.cause) ?? .unknown
        let closing = gate.othersWereRefused(scope, cause: cause, remaining: .milliseconds(pause.left))
        if let closing { events.paused(closing, tag: nil) }
    }
}

/// Names as the fleet knows them: it keeps no names of callers.
enum FleetHash {
    /// FNV-1a, mixed. Names come from the configuration or from issuers, so nobody gains by two that collide.
    static func of(_ text: String) -> UInt64 {
        let hash = text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 } as UInt64
        return (hash ^ (hash >> 32)) &* 0x9E37_79B9_7F4A_7C15
    }
}

extension CoolDownScope {
    /// As the fleet's ledger names it.
    var fleetText: String {
        switch self {
        case .everything: "*"
        case .api(let api): "api \(api.rawValue)"
        case .operation(let operation): "operation \(operation)"
        }
    }

    /// From that name; nil where this version does not know it.
    init?(fleetText text: String) {
        if text == "*" {
            self = .everything
        } else if text.hasPrefix("api "), let api = GateRequest.API(rawValue: String(text.dropFirst(4))) {
            self = .api(api)
        } else if text.hasPrefix("operation ") {
            self = .operation(String(text.dropFirst(10)))
        } else {
            return nil
        }
    }
}
