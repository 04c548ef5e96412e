// A fetch's life in steps: its turn, what upstream shows, and much later its end.

import HTTPTypes
import NIOCore
import TestSupport

@testable import Caching

extension CacheWorld {
    mutating func advance(_ index: Int) {
        switch fetches[index].phase {
        case .queued: send(index)
        case .sent: show(index)
        case .shown:
            let fetch = fetches.remove(at: index)
            land(fetch)
            if let ticket = fetch.ticket { store.end(ticket) }
        }
    }

    private mutating func send(_ index: Int) {
        let query = fetches[index].query
        fetches[index].flight.sent()
        fetches[index].ticket = store.begin(query.key)
        fetches[index].begun = step
        if case .expired(let old, _) = store.find(query.key, request: query.fields, now: clock.now),
            old.fields.contains(.eTag)
        {
            fetches[index].revalidating = old
        }
        fetches[index].phase = .sent
    }

    private mutating func show(_ index: Int) {
        let query = fetches[index].query
        fetches[index].phase = .shown
        guard random.next() % 6 != 0 else { return }
        fetches[index].shown = upstream.show(
            query.resource, partition: query.partition, language: query.language, now: clock.now)
        let buffer = Int.random(in: 1...2000, using: &random)
        if store.reserve(buffer, for: query.key) { fetches[index].reserved = buffer }
    }

    private mutating func land(_ fetch: Fetch) {
        let query = fetch.query
        if let shown = fetch.shown {
            let answer = answer(shown, query)
            let copy = copyBefore(query)
            if let old = fetch.revalidating, old.digest == shown.text {
                let reason = refresh(old, with: answer, fetch)
                note(reason, fetch, answer, shown, copy, isRefresh: true)
                if reason == nil, let page = answer.page { account.confirmed(answer, of: page, begun: fetch.begun) }
                fetchFirst(answer, reason, query)
            } else {
                let vary = shown.isVaried ? [StoreFixture.language] : []
                if let ticket = fetch.ticket {
                    let reason = store.store(
                        answer, under: query.key, vary: vary, request: query.fields, ticket: ticket, now: clock.now)
                    notePicture(reason, fetch, answer, copy)
                    note(reason, fetch, answer, shown, copy, isRefresh: false)
                    fetchFirst(answer, reason, query)
                }
            }
        }
        store.release(fetch.reserved, for: query.key)
        table.remove(fetch.flight, query.key)
        fetch.flight.end(0)
        for rider in fetch.riders {
            guard let shown = fetch.shown else {
                standIn(rider)
                continue
            }
            // Of a variant's flight only those have the answer who asked for that variant.
            if !shown.isVaried || rider.query.language == query.language { judgeFlown(shown, fetch, rider) }
        }
    }

    private func refresh(_ old: CachedAnswer, with new: CachedAnswer, _ fetch: Fetch) -> CacheReason? {
        guard let ticket = fetch.ticket else { return nil }
        return store.refresh(
            old, with: new, under: fetch.query.key, request: fetch.query.fields, ticket: ticket, now: clock.now)
    }

    /// The copy that a new one is compared with.
    private func copyBefore(_ query: Query) -> CachedAnswer? {
        switch store.find(query.key, request: query.fields, now: clock.now) {
        case .fresh(let answer, _), .expired(let answer, _): answer
        case .nothing: nil
        }
    }

    private mutating func answer(_ shown: Shown, _ query: Query) -> CachedAnswer {
        var freshness = Freshness(
            lifetime: .seconds([0, 5, 30, 600][Int(random.next() % 4)]),
            mustRevalidate: random.next() % 6 == 0)
        if random.next() % 4 == 0 { freshness.initialAge = .seconds(3) }
        if random.next() % 4 == 0 { freshness.staleIfError = .seconds(20) }
        if random.next() % 4 == 0 { freshness.staleWhileRevalidate = .seconds(4) }
        let fields: HTTPFields = query.resource.itwin == 1 ? [.eTag: "\"\(shown.text.count)\""] : [:]
        let itwin = query.resource.itwin
        let tags = shown.reports.map { "report:\($0)" } + ["itwin:\(itwin)"]
        var body = ByteBuffer(string: shown.text)
        if maxBytes > 10_000 { body.writeRepeatingByte(0x20, count: Int.random(in: 0...6000, using: &random)) }
        return CachedAnswer(
            status: .ok, fields: fields, body: SplicedBody(bytes: body),
            digest: shown.text, freshness: freshness, receivedAt: clock.now,
            tags: TagSet(query.page == nil ? tags : tags + ["reports-of:\(itwin)"]),
            objects: TagSet(shown.reports.map { "report:\($0)" }),
            page: query.page.map { ListPage(list: $0.list, isFirst: $0.isFirst, count: shown.count) })
    }

    /// The first page anew, where a later one shows that it is due.
    private mutating func fetchFirst(_ answer: CachedAnswer, _ reason: CacheReason?, _ query: Query) {
        guard reason == nil, let page = answer.page, store.takeWantOfFirst(for: page, now: clock.now) else { return }
        saw("first page wanted")
        let first = firstPage(of: query)
        if let flight = table.refresh(first.key, rank: 9) {
            fetches.append(Fetch(flight: flight, query: first, riders: []))
        }
    }

    // MARK: The account

    /// Where room is scarce, what is known of lists may be pushed out too.
    var forgetsLists: Bool { maxBytes < 1 << 20 }

    /// What became of it, and whether that is right.
    private mutating func note(
        _ reason: CacheReason?, _ fetch: Fetch, _ answer: CachedAnswer, _ shown: Shown, _ copy: CachedAnswer?,
        isRefresh: Bool
    ) {
        // Upstream may have changed its mind about variants in between: then it is another answer.
        let alike = copy.flatMap { $0.digest.contains("|any|") == !shown.isVaried ? $0 : nil }
        let lastBegun = alike.flatMap { account.stored[ObjectIdentifier($0)]?.begun } ?? 0
        let itwin = fetch.query.resource.itwin
        var tags = shown.reports.map { "report:\($0)" } + ["itwin:\(itwin)"]
        if fetch.query.page != nil { tags.append("reports-of:\(itwin)") }
        let isInvalidated = account.invalidated(tags) >= fetch.begun
        let isRemembered = shown.reports.contains { account.isRemembered($0, now: clock.now) }
        saw((isRefresh ? "refresh: " : "store: ") + (reason?.rawValue ?? "done"))
        switch reason {
        case nil:
            check(!isInvalidated, "stored although something was written since it was begun")
            check(!isRemembered, "stored although it shows a deleted report")
            check(lastBegun < fetch.begun, "stored in place of what was fetched later")
            let picture = fetch.revalidating.flatMap { old in
                isRefresh ? account.stored[ObjectIdentifier(old)]?.picture : nil
            }
            // A job that deletes, and a fetch that shows its report, may together outlast the memory of deletes.
            let forgotten = shown.lingering.filter { !account.isRemembered($0, now: clock.now) }
            account.stored[ObjectIdentifier(answer)] = CacheAccount.Stored(
                answer: answer, reports: Set(shown.reports).subtracting(forgotten), tags: tags,
                picture: picture ?? step, begun: fetch.begun, completed: step)
        case .noFirstPage:
            let isLater = answer.page.map { !$0.isFirst && $0.count == nil } ?? false
            check(isLater, "refused for want of a first page")
        case .deletedID: check(isRemembered, "refused for a report that nobody deleted")
        case .invalidated: check(isInvalidated, "refused for a write that was not")
        case .superseded:
            check(isRefresh || alike == nil || lastBegun > fetch.begun, "refused for an answer that is older")
        case .listChanged:
            check(forgetsLists || account.lastStored(fetch.query.page) >= fetch.begun, "refused for no change")
        // A shard of the smallest cache has room for little beside what is being fetched.
        case .noRoom: check(answer.cost > maxBytes / 128, "no room for so little")
        default: check(false, "refused for another reason: \(reason?.rawValue ?? "")")
        }
    }

    /// Whether the list has changed by this page.
    private mutating func notePicture(
        _ reason: CacheReason?, _ fetch: Fetch, _ answer: CachedAnswer, _ copy: CachedAnswer?
    ) {
        guard let page = answer.page, reason == nil || reason == .noRoom || reason == .noFirstPage else { return }
        check(
            forgetsLists || account.changed(page.list) < fetch.begun || account.shownBy(page.list) < fetch.begun,
            "stored although its list has changed since it was begun")
        if account.fetched(answer, of: page, copy: copy, begun: fetch.begun, step: step) { saw("list changed") }
    }
}
