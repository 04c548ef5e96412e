// A tool's read: at once from the store, stale while it is refreshed, or by a flight.

import TestSupport

@testable import Caching

extension CacheWorld {
    mutating func read(_ query: Query) {
        let rider = Rider(query: query, deletedBefore: account.deleted)
        switch store.find(query.key, request: query.fields, now: clock.now) {
        case .fresh(let answer, _):
            saw("fresh")
            judgeStored(answer, rider, bound: nil)
            // Now and then a tool wants something new all the same.
            if random.next() % 8 == 0 { board(rider, wantsNew: true) }
        case .expired(let answer, let staleness):
            check(
                forgetsLists || staleness == account.staleness(answer, now: clock.now), "a wrong staleness")
            guard store.limits.allowsWhileRevalidating(answer.freshness, staleness: staleness) else {
                return board(rider, wantsNew: false)
            }
            saw("stale while revalidating")
            let bound = answer.freshness.staleWhileRevalidate ?? store.limits.staleWhileRevalidate
            judgeStored(answer, rider, bound: min(bound, store.limits.staleWhileRevalidate))
            if let flight = table.refresh(query.key, rank: 9) {
                fetches.append(Fetch(flight: flight, query: query, riders: []))
            }
        case .nothing(let why):
            saw(why.rawValue)
            board(rider, wantsNew: false)
        }
    }

    private mutating func board(_ rider: Rider, wantsNew: Bool) {
        let deadline = clock.instant(.seconds(10_000_000))
        switch table.board(rider.query.key, rank: 0, deadline: deadline, wantsNew: wantsNew) {
        case .lead(let flight, _):
            fetches.append(Fetch(flight: flight, query: rider.query, riders: [rider]))
        case .follow(let flight, _):
            saw("follow")
            guard let index = fetches.firstIndex(where: { $0.flight === flight }) else {
                return check(false, "a flight that has ended was boarded")
            }
            check(!wantsNew || fetches[index].phase == .queued, "an old answer for one who wants a new one")
            fetches[index].riders.append(rider)
        case .alone: check(false, "nothing was uncacheable")
        }
    }

    /// In place of an error: what is stored, if it is not too old.
    mutating func standIn(_ rider: Rider) {
        switch store.find(rider.query.key, request: rider.query.fields, now: clock.now) {
        case .fresh(let answer, _): judgeStored(answer, rider, bound: nil)
        case .expired(let answer, let staleness):
            guard store.limits.allowsOnError(answer.freshness, staleness: staleness) else { return }
            saw("stale on error")
            let bound = answer.freshness.staleIfError ?? store.limits.staleIfError
            judgeStored(answer, rider, bound: min(bound, store.limits.staleIfError))
        case .nothing: return
        }
    }

    /// An answer from the store: of this tool's partition, resource and language, without what was deleted, not older
    /// than allowed, not of an old picture, and not purged.
    private mutating func judgeStored(_ answer: CachedAnswer, _ rider: Rider, bound: Duration?) {
        let query = rider.query
        guard let stored = account.stored[ObjectIdentifier(answer)] else {
            return check(false, "an answer that was refused is found")
        }
        let parts = answer.digest.split(separator: "|", omittingEmptySubsequences: false)
        check(parts[0] == query.partition, "another partition's answer")
        check(parts[1] == query.resource.target, "another request's answer")
        check(parts[2] == "any" || parts[2] == query.language, "another variant")
        check(rider.deletedBefore.isDisjoint(with: stored.reports), "a deleted report in \(answer.digest)")
        let staleness = account.staleness(answer, now: clock.now, knowsLists: !forgetsLists)
        check(bound.map { staleness <= $0 } ?? (staleness < .zero), "stale by \(staleness)")
        check(staleness < .zero || !answer.freshness.mustRevalidate, "stale although it must be revalidated")
        check(account.invalidated(stored.tags) < stored.picture, "a purged answer")
        if let page = answer.page {
            // Of a list that was forgotten in between only the count tells.
            let isForgiven = forgetsLists && !page.isFirst && page.count != nil
            check(
                isForgiven || stored.picture >= account.changed(page.list), "a page of an old picture: \(answer.digest)"
            )
            if !page.isFirst, !forgetsLists { judgeLater(answer, page, stored, rider) }
        }
    }

    /// A later page out of the store: one picture with the first page, should that come out of the store as well.
    private mutating func judgeLater(
        _ answer: CachedAnswer, _ page: ListPage, _ stored: CacheAccount.Stored, _ rider: Rider
    ) {
        let key = firstPage(of: rider.query).key
        if case .fresh(let first, _) = store.find(key, request: rider.query.fields, now: clock.now) {
            saw("hits of one walk")
            check(first.page?.count == page.count, "two hits of one walk count \(first.digest) and \(answer.digest)")
        }
        guard page.count == nil else { return }
        saw("a later page without a count")
        let first = account.first(page.list)
        check(first.map { $0.begun > stored.completed } ?? false, "no first page was fetched after \(answer.digest)")
    }

    /// An answer of a flight: as upstream was after the tool had asked.
    mutating func judgeFlown(_ shown: Shown, _ fetch: Fetch, _ rider: Rider) {
        let parts = shown.text.split(separator: "|", omittingEmptySubsequences: false)
        check(parts[0] == rider.query.partition && parts[1] == rider.query.resource.target, "another's flight")
        let deleted = rider.deletedBefore.intersection(shown.reports)
        check(deleted.isSubset(of: shown.lingering), "a report deleted before the request in \(shown.text)")
        if !deleted.isEmpty { saw("upstream still shows a deleted report") }
    }
}
