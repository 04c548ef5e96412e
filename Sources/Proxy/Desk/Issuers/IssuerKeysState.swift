// When an issuer's keys are fetched and how long they are good: a value, without I/O and clock.
//
// What stays true:
//  1. One fetch at a time. It begins at start, an hour after the last one that went well, and, where a token names a key that
//     is not there or is not by the one that it names, at once; because of such tokens never twice in a minute.
//  2. What is verified with is always the whole of one fetched set: a key that is gone from a newer one is gone.
//  3. A set is good for a day after it was fetched, whatever fails meanwhile.
//  4. Nobody waits for an issuer that failed the last time, but the one who asks it again.

import Ground

/// The keys of one issuer.
struct IssuerKeysState: Sendable {
    typealias Instant = ContinuousClock.Instant

    static let refreshEvery = Duration.seconds(3600)
    static let goodFor = Duration.seconds(86_400)
    /// Between fetches that tokens ask for, and the longest between tries.
    static let askEvery = Duration.seconds(60)

    /// What the shell has to do.
    enum Action: Sendable, Equatable {
        case none
        case fetch
    }

    /// What there is to verify a token with.
    enum Finding: Sendable {
        /// One of these, which are those of `generation`.
        case keys([IssuerKey], generation: UInt64)
        /// A fetch is under way, or begins now, that may bring its key.
        case wait(Action)
        case refuse(TokenFault)
        /// It cannot be told. `hasKeys`: with those that are known.
        case unavailable(IssuerTrouble, hasKeys: Bool, retryAfter: Duration)
    }

    private var keys: KeySet?
    private var fetchedAt: Instant?
    /// Advances when a decision that was made with the keys before may not hold any more.
    private(set) var generation: UInt64 = 0
    private var isFetching = false
    /// The first one has ended.
    private var hasTried = false
    /// Why the latest fetch failed; nil if it went well.
    private(set) var trouble: IssuerTrouble?
    private var failures = 0
    private var nextFetch: Instant?
    private var nextAsk: Instant?

    /// What there is to verify a token with this header with.
    mutating func look(_ header: TokenHeader, now: Instant) -> Finding {
        drop(now: now)
        guard let keys else { return withoutKeys(now: now) }
        do throws(TokenFault) {
            return .keys(try keys.keys(for: header), generation: generation)
        } catch {
            guard error == .keyUnknown else { return isFetching ? .wait(.none) : .refuse(error) }
            if let action = ask(now: now) { return .wait(action) }
            // Nobody can say that an issuer which does not answer has no such key.
            guard let trouble else { return .refuse(error) }
            let next = [nextFetch, nextAsk].compactMap(\.self).min()
            return .unavailable(
                trouble, hasKeys: true, retryAfter: Self.wait(until: isFetching ? now : next ?? now, now))
        }
    }

    /// A token is by none of the keys that `look` gave. They may have been replaced under their name, or without one: its issuer
    /// is asked as for an unknown key. What it does not bring within the minute has a wrong signature, since the keys that the
    /// token names are there.
    ///
    /// - Parameter generation: of the keys that it was held against.
    mutating func doubt(_ header: TokenHeader, generation: UInt64, now: Instant) -> Finding {
        guard generation == self.generation else { return look(header, now: now) }
        drop(now: now)
        guard keys != nil else { return withoutKeys(now: now) }
        return ask(now: now).map(Finding.wait) ?? .refuse(.signatureWrong)
    }

    /// The fetch that may bring what a token asks for; nil: none will before a minute is over.
    private mutating func ask(now: Instant) -> Action? {
        if isFetching { return trouble == nil ? Action.none : nil }
        if let nextAsk, now < nextAsk { return nil }
        nextAsk = now + Self.askEvery
        return begin()
    }

    private mutating func withoutKeys(now: Instant) -> Finding {
        if isFetching, !hasTried { return .wait(.none) }
        if !hasTried { return .wait(begin()) }
        let next = nextFetch ?? now
        return .unavailable(
            trouble ?? .unreachable("has not answered yet"), hasKeys: false,
            retryAfter: Self.wait(until: next, now))
    }

    private static func wait(until next: Instant, _ now: Instant) -> Duration { max(.seconds(1), next - now) }

    /// Nobody has asked yet, and tokens will come.
    mutating func start() -> Action { isFetching || hasTried ? .none : begin() }

    private mutating func begin() -> Action {
        isFetching = true
        nextFetch = nil
        return .fetch
    }

    /// The fetch has ended.
    mutating func fetched(_ result: Result<KeySet, IssuerTrouble>, now: Instant) {
        drop(now: now)
        isFetching = false
        hasTried = true
        switch result {
        case .success(let set):
            if keys != set { generation += 1 }
            (keys, fetchedAt, trouble, failures) = (set, now, nil, 0)
            nextFetch = now + Self.refreshEvery
        case .failure(let trouble):
            if trouble == .noUsableKey { forget() }
            self.trouble = trouble
            let backoff = Duration.seconds(1 << min(failures, 6))
            failures += 1
            nextFetch = now + (keys == nil ? min(backoff, Self.askEvery) : Self.askEvery)
        }
    }

    /// When to be asked again by `due`; nil: not before something else happens.
    var wakeUp: Instant? {
        let end = fetchedAt.map { $0 + Self.goodFor }
        guard let next = nextFetch, !isFetching else { return end }
        return end.map { min($0, next) } ?? next
    }

    /// Time has passed.
    mutating func due(now: Instant) -> Action {
        drop(now: now)
        guard !isFetching, let next = nextFetch, next <= now else { return .none }
        return begin()
    }

    /// Whether there are keys.
    var hasKeys: Bool { keys != nil }

    private mutating func drop(now: Instant) {
        if let fetchedAt, fetchedAt + Self.goodFor <= now { forget() }
    }

    private mutating func forget() {
        if keys != nil { generation += 1 }
        (keys, fetchedAt) = (nil, nil)
    }
}
