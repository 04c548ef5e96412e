// How long an answer is fresh where upstream does not say: by its operation and by what its body shows.

import ClashAPI
import Configuration

/// The TTLs of the configuration.
struct PageLifetimes: Sendable {
    let list: Duration
    let inProgress: Duration
    let terminal: Duration
    let stable: Duration

    init(_ cache: Config.Cache) {
        list = cache.ttlList
        inProgress = cache.ttlInProgress
        terminal = cache.ttlTerminal
        stable = cache.ttlStable
    }

    /// Before the body is known; nil where only upstream's word counts.
    func expected(_ operation: Operation) -> Duration? {
        switch operation.cachePolicy {
        case .list, .item: list
        case .terminal: terminal
        case .stable: stable
        case .never: nil
        }
    }

    /// With the body. A run that has not ended makes everything that shows it short-lived; a list in the short form that
    /// shows no status at all is a list like others. Nil for `rows`: the body could not be read. `mayChange`: a run goes
    /// on that it does not show yet. `life`: of what it shows under way; nil: as usual.
    func settled(_ operation: Operation, _ rows: ResponseRows?, mayChange: Bool, life: Duration? = nil) -> Duration? {
        guard let expected = expected(operation) else { return nil }
        guard let rows, !mayChange else { return min(expected, inProgress) }
        let showsNoStatus = operation.isList && rows.statuses.isEmpty
        return rows.allTerminal || showsNoStatus ? expected : min(expected, life ?? inProgress)
    }
}
