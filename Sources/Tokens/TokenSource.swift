// Hands out the upstream token: runs the token state machine under a lock, sends its requests, keeps its one timer and
// resumes those who wait. A request that finds a usable token takes the lock once and never suspends.
// Flights and the timer are tasks of the source's own, so no waiter's cancellation reaches them.

import Ground
import Synchronization

/// Where upstream credentials come from in `client_credentials` and `refresh_token` mode. Safe to use from any thread.
///
/// A source that was started (or asked for a token) runs until `stop()`; it is not ended by being let go.
package final class TokenSource: Sendable {
    private typealias Waiter = CheckedContinuation<Result<UpstreamToken?, TokenFailure>, Never>

    private struct Core {
        var state: TokenState
        var waiters: [UInt64: Waiter] = [:]
        /// The one on its way, and those that were given up and have not ended yet.
        var flights: [UInt64: Task<Void, Never>] = [:]
        var timer: DeadlineTimer
    }

    /// What is left to do once the lock is released.
    private struct Aftermath {
        var waiters: [Waiter] = []
        var result: Result<UpstreamToken?, TokenFailure> = .success(nil)
        var event: TokenEvent?
    }

    private enum Question {
        case current
        case refused(UpstreamToken)
    }

    private let fetcher: Mutex<any TokenFetching>
    private let time: Time
    private let log: @Sendable (TokenEvent) -> Void
    private let core: Mutex<Core>
    private let waiterIDs = Atomic<UInt64>(0)

    /// A source that does nothing until it is started or asked. `log` is called without any lock held.
    package init(
        configuration: Configuration,
        endpoint: any TokenEndpoint,
        time: Time = .system,
        log: @escaping @Sendable (TokenEvent) -> Void
    ) {
        self.fetcher =
            switch configuration.grant {
            case .clientCredentials:
                Mutex(ClientCredentialsFetch(exchange: TokenExchange(configuration: configuration, endpoint: endpoint)))
            case .refreshToken(let file, let tokenURL):
                Mutex(RefreshFetch(configuration, file: file, tokenURL: tokenURL, endpoint: endpoint, time: time))
            }
        self.time = time
        self.log = log
        self.core = Mutex(
            Core(
                state: TokenState(
                    refreshBefore: configuration.refreshBefore, answerTimeout: configuration.answerTimeout),
                timer: DeadlineTimer(time: time)))
    }

    // MARK: For requests

    /// The token to send now, if there is one; never suspends. Nil means: ask `current()`.
    package func currentIfUsable() -> UpstreamToken? {
        core.withLock { $0.state.usable(now: time.now()) }
    }

    /// A usable token: the one held, or the one that the shared request brings.
    ///
    /// A cancelled waiter leaves with `.cancelled`; the request goes on for the others. After a failed request it fails
    /// at once until the next one is due, with the wait in `retryAfter`.
    package func current() async throws(TokenFailure) -> UpstreamToken {
        if let token = currentIfUsable() { return token }
        guard let token = try await ask(.current).get() else {
            // Only refusals are passed on.
            preconditionFailure("a token source answered a plain question with nothing")
        }
        return token
    }

    /// What to do after upstream answered 401 to a request that carried `token`.
    ///
    /// Returns a newer token to repeat the request with, after one refresh shared by all if none is known yet. Nil
    /// means that the token is less than 5 seconds old and the 401 belongs to the tool. While the refresh is on its
    /// way the refused token is not handed out; if it fails, this throws, and the token is used again while it lives.
    package func refused(_ token: UpstreamToken) async throws(TokenFailure) -> UpstreamToken? {
        try await ask(.refused(token)).get()
    }

    private func ask(_ question: Question) async -> Result<UpstreamToken?, TokenFailure> {
        let id = waiterIDs.wrappingAdd(1, ordering: .relaxed).newValue
        return await withTaskCancellationHandler {
            await withCheckedContinuation { enter(id, question, $0) }
        } onCancel: {
            let waiter = core.withLock { $0.waiters.removeValue(forKey: id) }
            waiter?.resume(returning: .failure(.cancelled))
        }
    }

    private func enter(_ id: UInt64, _ question: Question, _ waiter: Waiter) {
        let (answer, aftermath) = core.withLock { core -> (Result<UpstreamToken?, TokenFailure>?, Aftermath) in
            // Cancellation sets the flag before it runs the handler: either it is seen here, or the handler comes
            // after this lock and finds the waiter.
            if Task.isCancelled { return (.failure(.cancelled), Aftermath()) }
            let now = time.now()
            let answer =
                switch question {
                case .current: core.state.needed(now: now)
                case .refused(let token): core.state.refused(token, now: now)
                }
            switch answer {
            case .use(let token): return (.success(token), Aftermath())
            case .passOn: return (.success(nil), Aftermath())
            case .fail(let failure): return (.failure(failure), Aftermath())
            case .wait(let action):
                core.waiters[id] = waiter
                return (nil, perform(action, &core))
            }
        }
        if let answer { waiter.resume(returning: answer) }
        finish(aftermath)
    }

    // MARK: Life

    /// Fetches the first token and keeps one from then on. Further calls do nothing.
    package func start() {
        finish(core.withLock { core in perform(core.state.started(now: time.now()), &core) })
    }

    /// The next token is asked for with this client, at this endpoint; the one that is held stays in use until then. Not for
    /// sign-ins, which belong to the client and the endpoint that they were made with.
    package func change(to configuration: Configuration, endpoint: any TokenEndpoint) {
        guard case .clientCredentials = configuration.grant else { return }
        let exchange = TokenExchange(configuration: configuration, endpoint: endpoint)
        fetcher.withLock { $0 = ClientCredentialsFetch(exchange: exchange) }
        core.withLock { $0.state.changed(refreshBefore: configuration.refreshBefore) }
    }

    /// Ends it: those who wait get `.stopped`, as does everybody who asks from now on. When it returns, no task of
    /// this source runs any more, provided that the endpoint heeds cancellation.
    ///
    /// A refresh that has been sent is not broken off, because its answer may hold the only refresh token that is still
    /// good: it is waited for, no longer than `answerTimeout`, and saved.
    package func stop() async {
        let (aftermath, flights, timer) = core.withLock { core in
            let timer = core.timer.task
            return (perform(core.state.stopped(), &core), Array(core.flights.values), timer)
        }
        finish(aftermath)
        for flight in flights { await flight.value }
        await timer?.value
        await fetcher.withLock { $0 }.close()
    }

    /// How it stands now; holds no secret.
    package var status: TokenStatus {
        core.withLock { $0.state.status(now: time.now()) }
    }

    // MARK: The shell

    /// Does what the state machine asked for, as far as it may be done under the lock.
    private func perform(_ action: TokenState.Action, _ core: inout Core) -> Aftermath {
        var aftermath = Aftermath()
        switch action {
        case .none: break
        case .fetch(let flight):
            aftermath.event = .requested
            let held = core.state.heldToken
            core.flights[flight] = Task.detached { await self.fetch(flight, insteadOf: held) }
        case .settle(let result):
            for flight in core.flights.values { flight.cancel() }
            aftermath.waiters = Array(core.waiters.values)
            aftermath.result = result.map(Optional.some)
            aftermath.event = core.state.event(of: result)
            core.waiters = [:]
        }
        core.timer.set(to: core.state.wakeAt) { self.wake() }
        return aftermath
    }

    private func finish(_ aftermath: Aftermath) {
        for waiter in aftermath.waiters { waiter.resume(returning: aftermath.result) }
        if let event = aftermath.event { log(event) }
    }

    private func wake() {
        let random = time.random()
        let aftermath = core.withLock { core -> Aftermath? in
            guard core.timer.fired() else { return nil }
            return perform(core.state.timerFired(now: time.now(), random: random), &core)
        }
        if let aftermath { finish(aftermath) }
    }

    private func fetch(_ flight: UInt64, insteadOf held: UpstreamToken?) async {
        let outcome = await fetcher.withLock { $0 }.fetch(insteadOf: held)
        let random = time.random()
        finish(
            core.withLock { core in
                core.flights[flight] = nil
                return perform(
                    core.state.arrived(flight: flight, outcome: outcome, now: time.now(), random: random), &core)
            })
    }
}

extension TokenSource: CustomStringConvertible, CustomReflectable {
    /// The source's status; never a secret.
    package var description: String { "TokenSource(\(status))" }
    /// The source's status; never a secret.
    package var customMirror: Mirror { Mirror(self, children: ["status": status]) }
}
