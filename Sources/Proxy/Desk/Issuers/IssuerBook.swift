// The issuers' keys of the process: they outlive a configuration, and are withdrawn with their issuer.

import Configuration
import Ground
import Synchronization

/// The keys of all issuers that are configured. Usable from every thread.
final class IssuerBook: Sendable {
    private struct Place: Hashable {
        let url: IssuerURL
        let keySetURL: String?
    }

    private struct State {
        var keys: [Place: IssuerKeys] = [:]
        var hasStarted = false
    }

    private let documents: any IssuerDocuments
    private let time: Time
    private let tell: @Sendable (_ url: String, IssuerTrouble?) -> Void
    private let state = Mutex(State())

    /// - Parameter tell: see `IssuerKeys`.
    init(
        documents: any IssuerDocuments, time: Time,
        tell: @escaping @Sendable (_ url: String, IssuerTrouble?) -> Void
    ) {
        self.documents = documents
        self.time = time
        self.tell = tell
    }

    /// What judges tokens under this configuration; nil where it has no issuers. Keys that are known already are kept; those
    /// of issuers that it does not name are withdrawn.
    func judge(for issuers: [Config.Issuer]) -> TokenJudge? {
        let (made, withdrawn, begin) = state.withLock { state in
            var next: [Place: IssuerKeys] = [:]
            let made = issuers.compactMap { issuer -> Issuer? in
                guard let url = issuer.url else { return nil }
                let place = Place(url: url, keySetURL: issuer.jwksURL?.description)
                let keys =
                    next[place] ?? state.keys[place]
                    ?? IssuerKeys(
                        url, keySetURL: place.keySetURL, documents: documents, time: time, tell: tell)
                next[place] = keys
                return Issuer(issuer, keys: keys)
            }
            let withdrawn = state.keys.filter { next[$0.key] == nil }.map(\.value)
            state.keys = next
            return (made, withdrawn, state.hasStarted)
        }
        for keys in withdrawn { keys.withdraw() }
        if begin { for issuer in made { issuer.keys.start() } }
        return made.isEmpty ? nil : TokenJudge(made, wallTime: time.wallTime)
    }

    /// Begins to fetch.
    func start() {
        let all = state.withLock { state in
            state.hasStarted = true
            return Array(state.keys.values)
        }
        for keys in all { keys.start() }
    }

    /// Fetches no more.
    func stop() {
        let all = state.withLock { state in
            defer { state.keys = [:] }
            return Array(state.keys.values)
        }
        for keys in all { keys.withdraw() }
    }

    /// In no order.
    var all: [IssuerKeys] { state.withLock { Array($0.keys.values) } }

    /// The issuers whose keys cannot be fetched, and why.
    var troubles: [(url: String, trouble: IssuerTrouble)] {
        all.compactMap { keys in keys.trouble.map { (keys.url, $0) } }
    }
}
