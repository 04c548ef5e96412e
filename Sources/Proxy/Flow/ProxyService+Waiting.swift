// Reads that wait for a change, between their connections and the pages that are watched for them. Such a read holds no task, no
// turn and no place; it is answered on its connection's event loop.

import Caching
import ClashAPI
import Edge
import HTTPTypes
import NIOCore

extension ProxyService {
    /// Answers at once where the tool's copy is not the page as it is; else lets it wait.
    func forward(_ visit: Visit, _ query: PageQuery, waiting wait: Duration, _ reads: CachedReads) {
        let isList = visit.admission.route.operation.isList
        var fresh: (answer: CachedAnswer, lasts: Duration)?
        if let reply = reads.atOnce(visit, query), reply.isFresh {
            guard PageWriter.isKnownToTool(reply.answer, query.base, visit.fields) else {
                return give(reply.waited, visit)
            }
            fresh = (reply.answer, reads.lasts(reply.answer, query, isList: isList))
        }
        let loop = visit.wire.executor.eventLoop
        let bound = NIOLoopBound(visit, eventLoop: loop)
        let entry = enter(visit, bound)
        let deadline = environment.now() + wait + wait / 16 * environment.random()
        let (fields, base) = (visit.fields, query.base)
        let waiter = PageWaiter(
            deadline: deadline,
            has: { PageWriter.isKnownToTool($0, base, fields) },
            look: { tell in
                loop.execute {
                    Task(executorPreference: bound.value.wire.executor) {
                        tell(await reads.look(bound.value, query))
                    }
                }
            },
            end: { end in loop.execute { self.waitEnded(end, bound.value, query, entry) } })
        guard let ticket = reads.cache.watches.join(waiter, query.key, fresh: fresh) else {
            if let entry { self.waiting.leave(entry) }
            return start(visit)
        }
        visit.wire.onLeaving = { [self] in
            reads.cache.watches.leave(ticket)
            // It may have been told already.
            guard visit.isWaiting else { return }
            visit.isWaiting = false
            if let entry { waiting.leave(entry) }
            Task(executorPreference: visit.wire.executor) { [self] in
                await flow.giveUp(bound.value, .callerLeft)
                activity.exchangeEnded()
            }
        }
        visit.isWaiting = true
    }

    private func waitEnded(_ end: PageWaitEnd, _ visit: Visit, _ query: PageQuery, _ entry: WaitingCalls.ID?) {
        guard visit.isWaiting else { return }
        visit.isWaiting = false
        visit.wire.onLeaving = nil
        if let entry { waiting.leave(entry) }
        switch end {
        case .changed(let answer): give(StoredReply(waited: answer, now: environment.now()), visit)
        case .unchanged(let answer?) where PageWriter.isKnownToTool(answer, query.base, visit.fields):
            give(StoredReply(waited: answer, now: environment.now()), visit)
        case .unchanged: start(visit)
        }
    }
}
