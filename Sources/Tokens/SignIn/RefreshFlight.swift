// One refresh of a sign-in as a value: look, lock, read, prepare, ask, save. No clock, no I/O; every event gets the
// moment and returns what is to be done next.
//
// What stays true:
//  1. The endpoint is asked only under the lock, after the file was read under that lock and a new one was prepared.
//  2. A token that came from the endpoint is given out only after `saved`.
//  3. Whoever finds another good access token in the file uses it and asks nothing.
//  4. A refresh token that the endpoint does not accept is believed dead only if the file, read again, still holds it.

struct RefreshFlight: Sendable {
    typealias Instant = ContinuousClock.Instant

    struct Moment: Sendable {
        let now: Instant
        /// Since 1970.
        let wallTime: Duration
        /// In `0..<1`.
        let random: Double
    }

    /// Whose sign-in is wanted.
    struct Terms: Sendable {
        let clientID: String
        let tokenURL: String
        /// For messages.
        let path: String
        /// How long another process may hold the lock before this one says so.
        let patience: Duration
    }

    /// A refresh token that the endpoint has refused.
    struct Dead: Sendable, Equatable {
        /// Endpoints have been wrong about it: then asking again mends it, and otherwise it harms nothing.
        static let doubtedAfter: Duration = .seconds(300)

        let fingerprint: String
        let since: Instant
    }

    /// Came from the endpoint and could not be saved.
    struct Unsaved: Sendable, Equatable {
        let signIn: SignIn
        let grant: TokenGrant
    }

    enum Event: Sendable {
        case began
        /// Of `look` and `read`.
        case found(Result<SignIn?, StateTrouble>)
        case locked(Result<Bool, StateTrouble>)
        case paused(isCancelled: Bool)
        case prepared(StateTrouble?)
        case answered(Result<TokenAnswer.Tokens, FetchFailure>)
        /// Of `save` and `saveAgain`.
        case saved(StateTrouble?)
    }

    enum Action: Sendable, Equatable {
        /// Read the file without the lock.
        case look
        case lock
        case pause(until: Instant)
        /// Read the file under the lock.
        case read
        case prepare
        /// Send the refresh token.
        case ask(SignIn)
        case save(SignIn, replacing: SignIn)
        case saveAgain(SignIn)
        /// Give the lock back, unless something is unsaved.
        case finish(Result<TokenGrant, FetchFailure>)
    }

    private enum Phase {
        case looking
        case locking
        case pausing
        case reading
        case preparing(SignIn)
        case asking(SignIn, at: Moment)
        case readingAgain(SignIn)
        case saving(Unsaved)
        case done
    }

    private let terms: Terms
    private let held: UpstreamToken?
    private var phase = Phase.done
    private var patienceEnds: Instant?
    private var hasAskedTwice = false
    /// To be remembered for the next flight.
    private(set) var dead: Dead?
    /// To be handed to the next flight together with the lock.
    private(set) var unsaved: Unsaved?

    init(_ terms: Terms, insteadOf held: UpstreamToken?, dead: Dead?, unsaved: Unsaved?) {
        self.terms = terms
        self.held = held
        self.dead = dead
        self.unsaved = unsaved
    }

    mutating func handle(_ event: Event, at moment: Moment) -> Action {
        switch (phase, event) {
        case (.done, .began): return begin(moment)
        case (.looking, .found(let found)): return looked(found, moment)
        case (.locking, .locked(let result)): return locked(result, moment)
        case (.pausing, .paused(let isCancelled)): return paused(isCancelled: isCancelled)
        case (.reading, .found(let found)): return read(found, moment)
        case (.preparing(let signIn), .prepared(let trouble)): return prepared(signIn, trouble, moment)
        case (.asking(let signIn, let asked), .answered(let result)): return answered(signIn, asked, result)
        case (.readingAgain(let sent), .found(let found)): return readAgain(sent, found, moment)
        case (.saving(let new), .saved(let trouble)): return saved(new, trouble)
        default: preconditionFailure("a refresh was told what it had not asked")
        }
    }

    // MARK: Getting the lock

    private mutating func begin(_ moment: Moment) -> Action {
        if let unsaved {
            phase = .saving(unsaved)
            return .saveAgain(unsaved.signIn)
        }
        patienceEnds = moment.now.advanced(by: terms.patience)
        phase = .looking
        return .look
    }

    private mutating func looked(_ found: Result<SignIn?, StateTrouble>, _ moment: Moment) -> Action {
        // What is wrong with the file is said after it was read under the lock.
        if case .success(let signIn?) = found, let grant = usable(signIn, moment) { return finish(.success(grant)) }
        phase = .locking
        return .lock
    }

    private mutating func locked(_ result: Result<Bool, StateTrouble>, _ moment: Moment) -> Action {
        switch result {
        case .failure(let trouble): return fail(.stateUnavailable, trouble.message)
        case .success(true):
            phase = .reading
            return .read
        case .success(false):
            if let patienceEnds, moment.now >= patienceEnds {
                let seconds = terms.patience.components.seconds
                return fail(
                    .stateLocked,
                    "another process has been renewing the sign-in in \(terms.path) for \(seconds) seconds")
            }
            phase = .pausing
            return .pause(until: moment.now.advanced(by: .milliseconds(100) + .milliseconds(100) * moment.random))
        }
    }

    private mutating func paused(isCancelled: Bool) -> Action {
        if isCancelled { return fail(.cancelled, "the refresh was given up") }
        phase = .looking
        return .look
    }

    // MARK: Under the lock

    private mutating func read(_ found: Result<SignIn?, StateTrouble>, _ moment: Moment) -> Action {
        switch found {
        case .failure(let trouble): return fail(.stateUnavailable, trouble.message)
        case .success(nil):
            return fail(
                .signInNeeded, "nobody has signed in yet (no file \(terms.path)): sign in with `clash-proxy login`")
        case .success(let signIn?): return use(signIn, moment)
        }
    }

    private mutating func use(_ signIn: SignIn, _ moment: Moment) -> Action {
        guard signIn.clientID == terms.clientID, signIn.tokenURL == terms.tokenURL else {
            let other = signIn.clientID == terms.clientID ? "token endpoint" : "client"
            return fail(
                .signInNeeded,
                "the sign-in in \(terms.path) is one of another \(other): sign in with `clash-proxy login`")
        }
        if let grant = usable(signIn, moment) { return finish(.success(grant)) }
        if let dead, dead.fingerprint == signIn.fingerprint,
            dead.since.duration(to: moment.now) < Dead.doubtedAfter
        {
            return failAsDead()
        }
        phase = .preparing(signIn)
        return .prepare
    }

    private mutating func prepared(_ signIn: SignIn, _ trouble: StateTrouble?, _ moment: Moment) -> Action {
        if let trouble {
            return fail(.stateUnavailable, "the sign-in is not renewed, for it could not be saved: \(trouble.message)")
        }
        phase = .asking(signIn, at: moment)
        return .ask(signIn)
    }

    private mutating func answered(
        _ sent: SignIn, _ asked: Moment, _ result: Result<TokenAnswer.Tokens, FetchFailure>
    ) -> Action {
        switch result {
        case .success(let tokens):
            dead = nil
            let new = Unsaved(
                signIn: sent.renewed(by: tokens, askedAt: asked.wallTime),
                grant: TokenGrant(value: tokens.value, life: tokens.life, askedAt: asked.now))
            phase = .saving(new)
            return .save(new.signIn, replacing: sent)
        case .failure(let failure) where failure.reason == .invalidGrant:
            phase = .readingAgain(sent)
            return .read
        case .failure(let failure): return finish(.failure(failure))
        }
    }

    private mutating func readAgain(
        _ sent: SignIn, _ found: Result<SignIn?, StateTrouble>, _ moment: Moment
    ) -> Action {
        guard case .success(let signIn?) = found, signIn.refreshToken == sent.refreshToken || hasAskedTwice else {
            hasAskedTwice = true
            return read(found, moment)
        }
        dead = Dead(fingerprint: sent.fingerprint, since: moment.now)
        return failAsDead()
    }

    private mutating func saved(_ new: Unsaved, _ trouble: StateTrouble?) -> Action {
        guard let trouble else {
            unsaved = nil
            return finish(.success(new.grant))
        }
        unsaved = new
        return fail(
            .stateUnavailable,
            "the renewed sign-in could not be saved and would be lost with this process: \(trouble.message)")
    }

    // MARK: Ends

    private func usable(_ signIn: SignIn, _ moment: Moment) -> TokenGrant? {
        guard signIn.clientID == terms.clientID, signIn.tokenURL == terms.tokenURL else { return nil }
        return signIn.grant(insteadOf: held, now: moment.now, wallTime: moment.wallTime)
    }

    private mutating func failAsDead() -> Action {
        fail(
            .signInNeeded,
            "the token endpoint no longer accepts the sign-in in \(terms.path): "
                + "sign in again with `clash-proxy login`")
    }

    private mutating func fail(_ reason: TokenFailure.Reason, _ message: String) -> Action {
        finish(.failure(FetchFailure(reason: reason, message: message)))
    }

    private mutating func finish(_ result: Result<TokenGrant, FetchFailure>) -> Action {
        phase = .done
        return .finish(result)
    }
}
