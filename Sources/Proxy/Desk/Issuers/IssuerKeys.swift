// An issuer's keys, kept: the thin shell of `IssuerKeysState`, with its one timer and those who wait for a fetch. The fetch
// is a task of its own, so nobody's leaving reaches it.

import Configuration
import Ground
import Synchronization

/// Where an issuer's documents come from.
protocol IssuerDocuments: Sendable {
    /// The body that a GET of this URL answers with 200, without following redirects; at most 1 MiB, soon or not at all.
    func document(_ url: String) async throws(IssuerTrouble) -> [UInt8]
}

/// The keys of one issuer, for as long as it is configured. Usable from every thread.
final class IssuerKeys: Sendable {
    private struct Core {
        var state = IssuerKeysState()
        var timer: DeadlineTimer
        var flight: Task<Void, Never>?
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var lastWaiter: UInt64 = 0
        var isWithdrawn = false
    }

    /// The issuer's, letter for letter.
    let url: String
    /// Advances whenever a decision that was made with these keys may not hold any more.
    let generation = KeyGeneration()
    /// Nil: what the discovery document names, which is at `discoveryURL`.
    private let keySetURL: String?
    private let discoveryURL: String
    private let documents: any IssuerDocuments
    private let time: Time
    private let tell: @Sendable (_ url: String, IssuerTrouble?) -> Void
    private let core: Mutex<Core>

    /// - Parameters:
    ///   - keySetURL: nil: what the discovery document names.
    ///   - tell: hears why the keys cannot be fetched when that begins, and nil when it is over. Without any lock held.
    init(
        _ url: IssuerURL, keySetURL: String?, documents: any IssuerDocuments, time: Time,
        tell: @escaping @Sendable (_ url: String, IssuerTrouble?) -> Void
    ) {
        self.url = url.description
        discoveryURL = DiscoveryDocument.url(of: url.location.description)
        self.keySetURL = keySetURL
        self.documents = documents
        self.time = time
        self.tell = tell
        core = Mutex(Core(timer: DeadlineTimer(time: time)))
    }

    // MARK: For requests

    /// What there is to verify a token with this header with; begins a fetch where that says so.
    func look(_ header: TokenHeader) -> IssuerKeysState.Finding {
        find { state, now in state.look(header, now: now) }
    }

    /// What there is now for a token that is by none of the keys that a look gave; begins a fetch where that says so.
    func doubt(_ header: TokenHeader, generation: UInt64) -> IssuerKeysState.Finding {
        find { state, now in state.doubt(header, generation: generation, now: now) }
    }

    private func find(
        _ question: @Sendable (inout IssuerKeysState, ContinuousClock.Instant) -> IssuerKeysState.Finding
    ) -> IssuerKeysState.Finding {
        core.withLock { core in
            if core.isWithdrawn { return .refuse(.issuerUnknown) }
            let answer = question(&core.state, time.now())
            if case .wait(.fetch) = answer { launch(&core) }
            settle(&core)
            return answer
        }
    }

    /// Returns when no fetch is under way, or the task is cancelled.
    func settled() async {
        let id = core.withLock { core in
            core.lastWaiter += 1
            return core.lastWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mustWait = core.withLock { core in
                    // Cancellation sets the flag before it runs the handler: it is seen here, or the handler finds it.
                    guard !Task.isCancelled, core.flight != nil else { return false }
                    core.waiters[id] = continuation
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            core.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }

    /// Why its keys cannot be fetched; nil when they can, or nobody has tried.
    var trouble: IssuerTrouble? { core.withLock { $0.state.trouble } }

    // MARK: Life

    /// Fetches the keys before the first token comes.
    func start() {
        core.withLock { core in
            guard !core.isWithdrawn, core.state.start() == .fetch else { return }
            launch(&core)
        }
    }

    /// It is not configured any more: nothing that its keys have verified holds, from now on.
    func withdraw() {
        let (waiters, flight) = core.withLock { core in
            core.isWithdrawn = true
            core.timer.cancel()
            generation.advance(to: .max)
            defer { (core.waiters, core.flight) = ([:], nil) }
            return (Array(core.waiters.values), core.flight)
        }
        flight?.cancel()
        for waiter in waiters { waiter.resume() }
    }

    private func launch(_ core: inout Core) {
        core.flight = Task.detached { [self] in ended(await fetch()) }
    }

    private func fetch() async -> Result<KeySet, IssuerTrouble> {
        do throws(IssuerTrouble) {
            let location: String
            if let keySetURL {
                location = keySetURL
            } else {
                let document = try await documents.document(discoveryURL)
                location = try DiscoveryDocument.keySetURL(document, issuer: url)
            }
            return .success(try KeySet(document: try await documents.document(location)))
        } catch {
            return .failure(error)
        }
    }

    private func ended(_ result: Result<KeySet, IssuerTrouble>) {
        let (waiters, news) = core.withLock { core -> ([CheckedContinuation<Void, Never>], IssuerTrouble??) in
            guard !core.isWithdrawn else { return ([], nil) }
            let before = core.state.trouble
            core.flight = nil
            core.state.fetched(result, now: time.now())
            settle(&core)
            let now = core.state.trouble
            defer { core.waiters = [:] }
            // Each kind of trouble is told once, however often it comes.
            return (Array(core.waiters.values), before == now ? nil : .some(now))
        }
        if let news { tell(url, news) }
        for waiter in waiters { waiter.resume() }
    }

    /// After every event: what others see of the state, and when it is to be asked again.
    private func settle(_ core: inout Core) {
        generation.advance(to: core.state.generation)
        core.timer.set(to: core.state.wakeUp) { [weak self] in self?.wake() }
    }

    private func wake() {
        core.withLock { core in
            guard core.timer.fired(), !core.isWithdrawn else { return }
            if core.state.due(now: time.now()) == .fetch { launch(&core) }
            settle(&core)
        }
    }
}
