// Does what a refresh flight asks for: file calls on threads of their own, the request where no cancellation reaches it,
// the lock kept as long as something is unsaved.

import Ground
import Synchronization

/// The refresh token grant (RFC 6749 section 6) on a state file.
final class RefreshFetch: TokenFetching {
    /// What one flight leaves to the next.
    private struct Memory {
        var dead: RefreshFlight.Dead?
        var unsaved: (RefreshFlight.Unsaved, SignInFile.Lock)?
    }

    /// What a flight holds.
    private struct Hands {
        var lock: SignInFile.Lock?
        var prepared: SignInFile.Prepared?
    }

    private let file: SignInFile
    private let exchange: TokenExchange
    private let terms: RefreshFlight.Terms
    private let time: Time
    private let memory = Mutex(Memory())

    init(
        _ configuration: TokenSource.Configuration, file: SignInFile, tokenURL: String,
        endpoint: any TokenEndpoint, time: Time
    ) {
        self.file = file
        self.time = time
        let shielded = ShieldedEndpoint(endpoint: endpoint, deadline: configuration.answerTimeout, time: time)
        exchange = TokenExchange(configuration: configuration, endpoint: shielded)
        // Longer than a request of another process takes, shorter than the source waits for a flight.
        terms = RefreshFlight.Terms(
            clientID: configuration.clientID, tokenURL: tokenURL, path: file.path,
            patience: configuration.answerTimeout * 5 / 6)
    }

    func fetch(insteadOf held: UpstreamToken?) async -> Result<TokenGrant, FetchFailure> {
        var hands = Hands()
        var flight = memory.withLock { memory in
            hands.lock = memory.unsaved?.1
            defer { memory.unsaved = nil }
            return RefreshFlight(terms, insteadOf: held, dead: memory.dead, unsaved: memory.unsaved?.0)
        }
        var action = flight.handle(.began, at: moment)
        while true {
            if case .finish(let result) = action {
                await end(flight, hands)
                return result
            }
            let event = await perform(action, &hands)
            action = flight.handle(event, at: moment)
        }
    }

    func close() async {
        let unsaved = memory.withLock { memory in
            defer { memory.unsaved = nil }
            return memory.unsaved
        }
        guard let (unsaved, lock) = unsaved else { return }
        await OffThread.run { [file] in
            // The last chance. If it fails too there is nobody left to tell: the flights before have said so.
            try? file.commitAgain(unsaved.signIn)
            file.unlock(lock)
        }
    }

    private var moment: RefreshFlight.Moment {
        RefreshFlight.Moment(now: time.now(), wallTime: time.wallTime().sinceEpoch, random: time.random())
    }

    private func perform(_ action: RefreshFlight.Action, _ hands: inout Hands) async -> RefreshFlight.Event {
        switch action {
        case .look: return .found(await onDisk { file throws(StateTrouble) in try file.read() })
        case .lock:
            let result = await onDisk { file throws(StateTrouble) in try file.lock() }
            if case .success(let lock?) = result { hands.lock = lock }
            return .locked(result.map { $0 != nil })
        case .pause(let until):
            return .paused(isCancelled: (try? await time.sleep(until)) == nil)
        case .read:
            await discard(&hands)
            return .found(await onDisk { file throws(StateTrouble) in try file.readLocked() })
        case .prepare:
            let result = await onDisk { file throws(StateTrouble) in try file.prepare() }
            hands.prepared = try? result.get()
            return .prepared(trouble(result))
        case .ask(let signIn): return .answered(await ask(signIn))
        case .save(let signIn, let old):
            guard let prepared = hands.prepared else { preconditionFailure("saved before it was prepared") }
            hands.prepared = nil
            return .saved(
                trouble(
                    await onDisk { file throws(StateTrouble) in
                        try file.commit(signIn, into: prepared, replacing: old)
                    }))
        case .saveAgain(let signIn):
            return .saved(
                trouble(await onDisk { file throws(StateTrouble) in try file.commitAgain(signIn) }))
        case .finish: preconditionFailure("a refresh that has ended goes on")
        }
    }

    private func ask(_ signIn: SignIn) async -> Result<TokenAnswer.Tokens, FetchFailure> {
        if Task.isCancelled { return .failure(FetchFailure(reason: .cancelled, message: "the refresh was given up")) }
        do throws(FetchFailure) {
            // Without a scope, which would have to be part of what was granted (RFC 6749 section 6).
            return .success(
                try await exchange.tokens(for: [
                    ("grant_type", "refresh_token"), ("refresh_token", signIn.refreshToken.value),
                ]))
        } catch {
            return .failure(error)
        }
    }

    private func end(_ flight: RefreshFlight, _ hands: Hands) async {
        var hands = hands
        await discard(&hands)
        let surplus = memory.withLock { memory -> SignInFile.Lock? in
            memory.dead = flight.dead
            guard let unsaved = flight.unsaved, let lock = hands.lock else { return hands.lock }
            memory.unsaved = (unsaved, lock)
            return nil
        }
        if let surplus { await OffThread.run { [file] in file.unlock(surplus) } }
    }

    private func discard(_ hands: inout Hands) async {
        guard let prepared = hands.prepared else { return }
        hands.prepared = nil
        await OffThread.run { [file] in file.discard(prepared) }
    }

    private func onDisk<Value: Sendable>(
        _ body: @escaping @Sendable (SignInFile) throws(StateTrouble) -> Value
    ) async -> Result<Value, StateTrouble> {
        await OffThread.run { [file] in Result { () throws(StateTrouble) in try body(file) } }
    }

    private func trouble<Value>(_ result: Result<Value, StateTrouble>) -> StateTrouble? {
        if case .failure(let trouble) = result { trouble } else { nil }
    }
}

/// An endpoint whose request goes on when its task is cancelled, until its own deadline: the answer may hold the only
/// refresh token that is still good.
private struct ShieldedEndpoint: TokenEndpoint {
    let endpoint: any TokenEndpoint
    let deadline: Duration
    let time: Time

    private typealias Answer = Result<TokenEndpointAnswer, TokenEndpointFailure>

    func post(_ request: TokenRequest) async throws(TokenEndpointFailure) -> TokenEndpointAnswer {
        let until = time.now().advanced(by: deadline)
        let answer = Task.detached { [endpoint, time] () -> Answer? in
            await withTaskGroup(of: Answer?.self) { group in
                group.addTask {
                    do throws(TokenEndpointFailure) {
                        return .success(try await endpoint.post(request))
                    } catch {
                        return .failure(error)
                    }
                }
                group.addTask {
                    try? await time.sleep(until)
                    return nil
                }
                let first = await group.next()
                group.cancelAll()
                if case .some(.some(let answer)) = first { return answer }
                // The endpoint heeds the cancellation, or has an answer after all.
                guard case .some(let last) = await group.next() else { return nil }
                return last
            }
        }
        guard let answer = await answer.value else { throw .timeout }
        return try answer.get()
    }
}
