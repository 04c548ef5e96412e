// Stored pages and the fleet: a write through one member ends them at all, before its tool gets the answer.

import Caching
import ClashAPI
import Fleet

/// This process's pages among those of others. Usable from every thread.
struct SharedPages: Sendable {
    let seat: FleetSeat
    /// `fleet.max_lag`.
    let maxLag: Duration

    /// As the store asks for it.
    var freshness: any SharedFreshness { Freshness(pages: seat.ledger.pages) }

    /// Tells all that what this concerns is not true any more, or may not be soon. Returns what can be waited for; nil: the
    /// engine could not be told.
    func tell(_ invalidation: CacheInvalidation) async -> String? {
        do throws(FleetError) {
            switch invalidation {
            case .everything: return try await seat.ledger.invalidate([], everything: true, by: seat.id)
            case .tagged(let tags):
                return try await seat.ledger.invalidate(tags.hashes, everything: false, by: seat.id)
            }
        } catch {
            return nil
        }
    }

    /// Returns when no member can show any more what was told; where it could not be, when none has heard the engine lately
    /// enough.
    func settle(_ told: String?) async {
        guard let told else { return await seat.wait(maxLag) }
        await seat.ledger.awaitApplied(told, maxLag: maxLag)
    }

    private struct Freshness: SharedFreshness {
        let pages: any FleetPages

        var mayShow: Bool { pages.mayShow }

        func moment() -> SharedMoment {
            let moment = pages.moment()
            return SharedMoment(any: moment.any, counters: moment.counters)
        }

        func stamp(of tags: [UInt64], since moment: SharedMoment) -> SharedStamp? {
            pages.stamp(of: tags, since: FleetMoment(any: moment.any, counters: moment.counters)).map {
                SharedStamp(any: $0.any, own: $0.own)
            }
        }

        func isCurrent(_ stamp: inout SharedStamp, _ tags: () -> [UInt64]) -> Bool {
            var known = FleetStamp(any: stamp.any, own: stamp.own)
            guard pages.isCurrent(&known, tags) else { return false }
            stamp.any = known.any
            return true
        }
    }
}

extension PageCache {
    /// A write is about to be sent: what is fetched from now on, and before its outcome is told, no member keeps for longer.
    func willWrite(_ match: OperationMatch) async {
        guard let shared, let reach = Self.reach(of: match.invalidationOfUnknownOutcome()) else { return }
        _ = await shared.tell(reach)
    }

    /// The same as `invalidate`, for all members. A delete's answer waits until none can show what is gone.
    @discardableResult
    func invalidateEverywhere(after match: OperationMatch, status: Int?) async -> StartedRuns.Token? {
        let run = invalidate(after: match, status: status)
        guard let shared, !Self.wasRefused(status),
            let reach = Self.reach(
                of: status == nil ? match.invalidationOfUnknownOutcome() : match.invalidation())
        else { return run }
        let told = await shared.tell(reach)
        if match.operationClass == .delete { await shared.settle(told) }
        return run
    }

    /// What another member said.
    func heard(_ tags: [UInt64], everything: Bool) {
        let invalidation: CacheInvalidation = everything ? .everything : .tagged(TagSet([], hashes: tags))
        store.invalidate(invalidation, now: environment.now())
        flights.detachSent()
        watches.poke()
    }
}
