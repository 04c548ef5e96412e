// Writes in two halves: upstream does them, and some time later their answer is here.

import TestSupport

@testable import Caching

extension CacheWorld {
    mutating func beginWrite() {
        let itwin = Int.random(in: 0..<Self.itwins, using: &random)
        let id = upstream.anyReport(itwin, using: &random)
        let kind: Write.Kind =
            switch Int.random(in: 0..<8, using: &random) {
            case 0..<2: .create
            case 2..<4: id.map { .update($0) } ?? .create
            case 4..<7: id.map { .delete($0) } ?? .create
            default: .unknown
            }
        let outcome: Write.Outcome =
            switch Int.random(in: 0..<8, using: &random) {
            case 0: .refused
            case 1: .noAnswer
            default: .done
            }
        let lingers = random.next() % 3 == 0 ? Duration.seconds(Int.random(in: 1...200, using: &random)) : .zero
        writes.append(Write(kind: kind, itwin: itwin, outcome: outcome, lingers: lingers))
    }

    mutating func advanceWrite(_ index: Int) {
        guard writes[index].isApplied else {
            writes[index].isApplied = true
            return apply(writes[index])
        }
        answered(writes.remove(at: index))
    }

    private mutating func apply(_ write: Write) {
        // Of those without an answer half are done.
        if write.outcome == .refused || (write.outcome == .noAnswer && Bool.random(using: &random)) { return }
        switch write.kind {
        case .create: upstream.create(write.itwin)
        case .update(let id): upstream.update(id, write.itwin)
        case .delete(let id): upstream.delete(id, write.itwin, goneAt: clock.now + write.lingers)
        case .unknown: if let id = upstream.anyReport(write.itwin, using: &random) { upstream.update(id, write.itwin) }
        }
    }

    /// As the proxy does it before the tool has its answer.
    private mutating func answered(_ write: Write) {
        if write.outcome == .refused { return saw("write refused") }
        var tags = ["reports-of:\(write.itwin)"]
        var deleted: [Int] = []
        switch write.kind {
        case .create: break
        case .update(let id): tags.append("report:\(id)")
        case .delete(let id):
            tags.append("report:\(id)")
            deleted = [id]
        case .unknown: tags = ["itwin:\(write.itwin)"]
        }
        if write.outcome == .noAnswer { tags = ["itwin:\(write.itwin)"] }
        store.invalidate(
            .tagged(TagSet(tags)), deleted: TagSet(deleted.map { "report:\($0)" }), now: clock.now)
        table.detachSent()
        account.invalidate(tags, step: step)
        for id in deleted { account.delete(id, isAnswered: write.outcome == .done, now: clock.now) }
        saw("write answered")
    }

    /// Somebody else writes, of whom the proxy knows nothing: only lifetimes bound what is answered then.
    mutating func changeElsewhere() {
        let itwin = Int.random(in: 0..<Self.itwins, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: upstream.create(itwin)
        case 1: upstream.varies[itwin].toggle()
        case 2: if let id = upstream.anyReport(itwin, using: &random) { upstream.update(id, itwin) }
        default:
            if let id = upstream.anyReport(itwin, using: &random) { upstream.delete(id, itwin, goneAt: clock.now) }
        }
    }

    mutating func purge() {
        if random.next() % 3 == 0 {
            store.invalidate(.everything, now: clock.now)
            account.invalidateAll(step: step)
        } else {
            let tag = "itwin:\(Int.random(in: 0..<Self.itwins, using: &random))"
            store.invalidate(.tagged(TagSet([tag])), now: clock.now)
            account.invalidate([tag], step: step)
        }
        table.detachSent()
        check(store.statistics.entries <= account.stored.count, "more entries than were stored")
    }
}
