// The audit log's place in the flow: the intent before the first byte goes upstream, the outcome before the tool gets
// its answer, a denial where the proxy says no. No record, no delete.

import Audit
import ClashAPI
import Configuration
import CurlTransport
import HTTPTypes

/// An audited call that is on its way.
struct AuditEntry: Sendable {
    let receipt: AuditReceipt
    let call: AuditCall
    let match: OperationMatch
    let reading: Reading
    let began: ContinuousClock.Instant
    let caller: String
    /// When it was counted against its caller's budget of deletes; nil: it was not.
    let budgetTakenAt: ContinuousClock.Instant?
    /// What it uses up.
    let approval: ApprovalHold?
}

/// What the tool is told about an audited call that upstream did not answer.
enum SettledAnswer {
    /// It was carried out: a read has proved it.
    case done
    case failed(Failure)
}

/// Records what the flow does. Usable from every thread.
struct AuditTrail: Sendable {
    var policy: AuditPolicy
    let log: AuditLog
    let budget: DeleteBudget
    var reader: ObjectReader
    let environment: Environment
    let traffic: Traffic
    let events: EventLog

    // MARK: Before

    /// The call to record, or nil when its kind is not recorded.
    func call(_ match: OperationMatch, _ visit: Visit, _ caller: Caller?) -> AuditCall? {
        policy.records(match) ? policy.call(match, visit, caller) : nil
    }

    /// Counts a delete against its caller's budget; the moment it was counted at. Throws 429 when it is used up.
    func takeBudget(_ call: AuditCall, _ match: OperationMatch) async throws(FlowExit) -> ContinuousClock.Instant {
        let now = environment.now()
        do throws(Failure) {
            if match.operationClass == .delete {
                try budget.take(call.caller.id, now: now)
                try await budget.takeShared(call.caller.id, takenAt: now)
            }
        } catch {
            throw .failed(error)
        }
        return now
    }

    /// Why the delete would not be sent if it were asked for now, as far as the log and the budget have a say. Takes nothing.
    func refusal(of match: OperationMatch, _ visit: Visit) -> Failure? {
        if policy.settings.required, case .broken(let trouble) = log.status.health { return Failure(trouble) }
        let call = policy.call(match, visit, visit.admission.caller)
        return budget.refusal(call.caller.id, now: environment.now())
    }

    /// Whether what the call destroys is to be kept.
    func takesSnapshot(of match: OperationMatch) -> Bool {
        match.operationClass == .delete && policy.settings.snapshot
    }

    /// Puts back what `takeBudget` took: the call was never sent.
    func giveBackBudget(_ call: AuditCall, _ match: OperationMatch, takenAt taken: ContinuousClock.Instant) {
        if match.operationClass == .delete { budget.giveBack(call.caller.id, takenAt: taken) }
    }

    /// Makes the intent durable. Throws 503 when that of a delete cannot be recorded; nothing else waits for the log.
    ///
    /// - Parameter taken: when `takeBudget` counted it; nil: it did not, as the call goes nowhere.
    func begin(
        _ call: AuditCall, _ match: OperationMatch, _ reading: Reading, _ snapshot: [UInt8]?,
        budgetTakenAt taken: ContinuousClock.Instant?, guarded: GuardedDelete = GuardedDelete()
    ) async throws(FlowExit) -> AuditEntry? {
        let isDelete = match.operationClass == .delete
        do throws(AuditUnavailable) {
            let receipt = try await log.append(
                AuditIntent(
                    call: call, snapshot: snapshot, archive: guarded.archive, approval: guarded.approval?.member))
            guarded.approval?.commit()
            traffic.recorded("intent", "written")
            return AuditEntry(
                receipt: receipt, call: call, match: match, reading: reading, began: environment.now(),
                caller: call.caller.name,
                budgetTakenAt: isDelete ? taken : nil, approval: guarded.approval)
        } catch {
            if error.cause == .cancelled { throw .callerLeft }
            traffic.recorded("intent", "unwritten")
            // Only deletes must not go unrecorded; the rest is recorded as far as possible.
            // An approval is used up by its record alone.
            guard isDelete, policy.settings.required || guarded.approval != nil else { return nil }
            if let taken { giveBackBudget(call, match, takenAt: taken) }
            throw .failed(Failure(error))
        }
    }

    // MARK: After

    /// Upstream answered. A 5xx says little about what was done, so the object is looked at: true if it is gone, and the
    /// tool should hear of that.
    @discardableResult
    func answered(_ entry: AuditEntry, status: Int, attempts: Int) async -> Bool {
        if let result = entry.result(of: status) {
            await close(entry, result, status: status, attempts: attempts)
            return false
        }
        let fate = await fate(of: entry)
        await close(entry, fate.result, status: status, attempts: attempts)
        return fate == .gone
    }

    /// It was never sent, and costs its caller nothing.
    func notSent(_ entry: AuditEntry, attempts: Int) async {
        if let taken = entry.budgetTakenAt { budget.giveBack(entry.caller, takenAt: taken) }
        await close(entry, .notSent, status: nil, attempts: attempts)
    }

    /// A delete that was refused before its turn, as upstream cannot be reached: recorded all the same, as not sent.
    func notSent(_ call: AuditCall, _ match: OperationMatch, _ reading: Reading) async {
        guard match.operationClass == .delete,
            let entry = try? await begin(call, match, reading, nil, budgetTakenAt: nil)
        else { return }
        await notSent(entry, attempts: 0)
    }

    /// It was sent and nobody answered: the object says what became of it. Never a second delete.
    func unanswered(_ entry: AuditEntry, attempts: Int, otherwise: Failure) async -> SettledAnswer {
        let fate = await fate(of: entry)
        await close(entry, fate.result, status: nil, attempts: attempts)
        switch fate {
        case .gone: return .done
        case .there: return .failed(.stillThere(otherwise))
        case .unknown: return .failed(otherwise)
        }
    }

    /// A delete that waits for an approval: recorded by whoever asked for that, and shown as one that was denied.
    func showAsked(_ call: AuditCall) { traffic.deletes.addDenied(recent(call, "approval_asked")) }

    /// The proxy refused an audited call: 403, 428 or 429. The number of its record; nil where it is not durable.
    func denied(_ call: AuditCall, status: Int) async -> UInt64? {
        // A task of its own: a reload ends the one that waited, and the record is durable before its tool hears all the same.
        let written = await Task { [log] in await log.denied(call, status: status) }.value
        traffic.recorded("denied", "\(status)")
        // Of an unknown operation nothing but a delete is recorded.
        if Operation.named(call.operation).map({ $0.operationClass == .delete || !$0.isKnown }) ?? true {
            traffic.deletes.addDenied(recent(call, "denied"))
        }
        if case .durable(let seq) = written { return seq }
        return nil
    }

    private func fate(of entry: AuditEntry) async -> ObjectFate {
        guard entry.isDelete else { return .unknown }
        // The tool may have left, and its delete is to be settled all the same.
        return await reader.settling.run {
            await reader.settle(entry.match, objects: entry.match.objectIDs, entry.reading)
        }
    }

    /// The outcome of a call, however it was found out.
    func close(_ entry: AuditEntry, _ result: AuditResult, status: Int?, attempts: Int) async {
        await log.append(
            AuditOutcome(
                result: result, status: status, attempts: attempts, duration: environment.now() - entry.began),
            for: entry.receipt)
        // Not before that is on disk: a process that is killed here leaves an approval that was used.
        entry.approval?.settled(isSent: !AuditApproval.isKept(result: result.rawValue, status: status))
        traffic.recorded("outcome", result.rawValue)
        if result == .unknown { events.alerts?.unknownOutcome(entry.call) }
        if entry.isDelete { traffic.deletes.add(recent(entry.call, result.rawValue)) }
    }

    private func recent(_ call: AuditCall, _ result: String) -> RecentDelete {
        RecentDelete(
            time: environment.wallTime(), id: call.id, caller: call.caller.name, operation: call.operation,
            objects: call.objects, result: result, reason: call.reason.isEmpty ? nil : call.reason)
    }
}

extension AuditEntry {
    fileprivate var isDelete: Bool { match.operationClass == .delete }

    /// What an answer of upstream's says came of the call; nil where it says nothing.
    fileprivate func result(of status: Int) -> AuditResult? {
        let isStart = match.operation.countsAsRun && !isDelete
        switch status {
        case 200..<300: return isDelete ? .deleted : isStart ? .started : .done
        // What a start does not find is not what it was to make.
        case 404, 410: return isStart ? .refusedUpstream : .notFound
        case 400..<500: return .refusedUpstream
        default: return nil
        }
    }
}

extension ObjectFate {
    /// As the log says it. Only what is gone proves something: what is still there may be deleted yet.
    var result: AuditResult {
        switch self {
        case .gone: .deleted
        case .there, .unknown: .unknown
        }
    }
}
