// The shell of `Outage`: hears how attempts to connect went, closes the gate while upstream is down, and looks by itself,
// without traffic too, whether it is back.

import CurlTransport
import Ground
import RateLimiting
import Synchronization

/// Knows whether upstream is down. Usable from every thread.
final class UpstreamHealth: Sendable {
    private struct State {
        var outage = Outage()
        var looks: Task<Void, Never>?
        var hasEnded = false
    }

    private let transport: any Upstream
    private let origin: Origin
    private let gate: Gate
    private let events: EventLog
    private let environment: Environment
    private let state = Mutex(State())
    /// What every call that goes well looks at, without the lock.
    private let isInDoubt = Atomic(false)

    init(
        transport: any Upstream, origin: Origin, gate: Gate, events: EventLog, environment: Environment
    ) {
        self.transport = transport
        self.origin = origin
        self.gate = gate
        self.events = events
        self.environment = environment
    }

    /// How upstream is down; nil while it is not.
    var outage: Outage.Kind? {
        guard isInDoubt.load(ordering: .relaxed) else { return nil }
        return state.withLock { $0.outage.kind }
    }

    /// A call was sent, whatever came of it: there was a connection.
    func reached() {
        guard isInDoubt.load(ordering: .relaxed) else { return }
        state.withLock { state in
            state.outage.reached()
            isInDoubt.store(state.outage.isInDoubt, ordering: .relaxed)
        }
    }

    /// A call brought no answer.
    func failed(_ failure: TransferFailure, tag: RequestTag?) {
        guard let kind = failure.connecting else {
            if failure.sent { reached() }
            return
        }
        let now = environment.now()
        let action = state.withLock { state in
            let action = state.outage.failed(kind, now: now)
            isInDoubt.store(state.outage.isInDoubt, ordering: .relaxed)
            if case .goesDown(_, let pause) = action, !state.hasEnded {
                state.looks = Task.detached { await self.look(after: pause) }
            }
            return action
        }
        guard case .goesDown(_, let pause) = action else { return }
        events.upstreamDown(failure.reason.rawValue, detail: failure.detail, attempts: Outage.limit, tag: tag)
        gate.shut(kind.refusal, next: pause)
    }

    /// Looks no more.
    func end() {
        let looks = state.withLock { state in
            state.hasEnded = true
            return state.looks.take()
        }
        looks?.cancel()
    }

    private func look(after pause: Duration) async {
        var due = environment.now() + pause
        while true {
            try? await environment.sleep(due)
            if Task.isCancelled { return }
            // A look may take as long as `upstream.connect_timeout`: the time until the next one has begun with it.
            let began = environment.now()
            let failure = await lookOnce()
            if Task.isCancelled { return }
            let now = environment.now()
            let action = state.withLock { state in
                defer { isInDoubt.store(state.outage.isInDoubt, ordering: .relaxed) }
                return failure.map { state.outage.lookFailed($0.connecting ?? .refuses) }
                    ?? state.outage.lookSucceeded(now: now)
            }
            switch action {
            case .staysDown(let kind, let next):
                due = max(began + next, now)
                gate.shut(kind.refusal, next: due - now)
            case .isBack(let span):
                gate.open()
                return events.upstreamBack(after: span)
            case .none, .goesDown: return
            }
        }
    }

    private func lookOnce() async -> TransferFailure? {
        do throws(TransferFailure) {
            try await transport.connect(to: origin)
            return nil
        } catch {
            return error
        }
    }
}

extension TransferFailure {
    /// How an attempt to connect failed; nil where it was not that which failed.
    fileprivate var connecting: Outage.Kind? {
        switch reason {
        case .unreachable, .nameNotResolved, .notTrusted, .proxyRefused, .proxyUnreachable: .refuses
        case .timeoutConnect, .proxySilent: .hangs
        default: nil
        }
    }
}

extension Outage.Kind {
    /// As the gate tells it to those whom it refuses.
    fileprivate var refusal: Gate.Refusal.Reason {
        switch self {
        case .refuses: .upstreamRefuses
        case .hangs: .upstreamHangs
        }
    }
}
