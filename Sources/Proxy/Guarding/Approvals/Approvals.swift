// The shell of the approval book: a lock around it, the log in front of each change that others may rely on.

import Audit
import ClashAPI
import Configuration
import Ground
import HTTPTypes
import Synchronization

/// The approvals of one process, whatever its configuration becomes. Usable from every thread.
final class Approvals: Sendable {
    private let book = Mutex(ApprovalBook())
    private let isRecalled = Mutex(false)
    private let log: AuditLog
    private let environment: Environment
    private let events: EventLog
    private let traffic: Traffic

    init(_ log: AuditLog, environment: Environment, events: EventLog, traffic: Traffic) {
        (self.log, self.environment, self.events, self.traffic) = (log, environment, events, traffic)
    }

    /// Takes over what earlier processes have recorded; the first time only. Blocks on the file system.
    func recall(from folder: String) throws {
        try isRecalled.withLock { isRecalled in
            guard !isRecalled else { return }
            let (wallTime, now) = (environment.wallTime(), environment.now())
            let limits = ApprovalBook.Limits()
            let oldest = wallTime + (.zero - limits.decision - limits.approval)
            var records: [AuditRecord] = []
            try AuditReader(folder: folder).approvals(since: AuditTime(oldest)) { records.append($0) }
            book.withLock { $0.recall(records, wallTime: wallTime, now: now) }
            isRecalled = true
        }
    }

    // MARK: Who asks

    /// What the delete would be refused with if it were asked for now; nil: an approval lets it through.
    func refusal(of delete: AskedDelete) -> Failure? {
        let now = environment.now()
        switch book.withLock({ $0.outlook(of: delete, now: now) }) {
        case .passes: return nil
        case .waits(let id, let until, _): return .approvalRequired(id: id.isEmpty ? nil : id, wallTime(of: until, now))
        case .isUnderWay(let id, let until): return .approvalInUse(id, wallTime(of: until, now))
        case .denied(let by, let reason, let until): return .approvalDenied(by, reason, until - now)
        case .full(let until): return .tooManyWait(until - now)
        }
    }

    /// Takes the approval that lets the delete through, or throws what it is refused with: that it waits for one is on disk by then.
    func take(_ delete: AskedDelete) async throws(Failure) -> ApprovalHold {
        let (now, wallTime) = (environment.now(), environment.wallTime())
        let newID = newID
        switch book.withLock({ $0.ask(delete, newID: newID, wallTime: wallTime, now: now) }) {
        case .passes(let id, let by):
            return ApprovalHold(AuditApproval(id: id, by: by)) { [self] isSpent in
                book.withLock { isSpent ? $0.spent(id) : $0.giveBack(id, now: environment.now()) }
            }
        case .isUnderWay(let id, let until):
            let expires = self.wallTime(of: until, now)
            try await record(delete, id, expires, isNew: false)
            throw .approvalInUse(id, expires)
        case .denied(let by, let reason, let until): throw .approvalDenied(by, reason, until - now)
        case .full(let until): throw .tooManyWait(until - now)
        case .waits(let id, let until, let isNew):
            let expires = self.wallTime(of: until, now)
            try await record(delete, id, expires, isNew: isNew)
            throw .approvalRequired(id: id, expires)
        }
    }

    /// Each time that it is asked for has a record of its own, whole, so that none needs another.
    private func record(
        _ delete: AskedDelete, _ id: String, _ expires: WallTime, isNew: Bool
    ) async throws(Failure) {
        let approval = AuditApproval(
            id: id, binding: delete.binding, expires: AuditTime(expires), fields: delete.fields, body: delete.body)
        // A task of its own: its tool may leave, and what is on its way to the disk is waited for all the same.
        let result = await Task { [log] in
            await Result { () async throws(AuditUnavailable) in
                try await log.asked(approval, of: delete.call, status: 428)
            }
        }.value
        if isNew { book.withLock { $0.recorded(id, (try? result.get()) != nil) } }
        do throws(AuditUnavailable) {
            try result.get()
        } catch {
            traffic.recorded("approval_asked", "unwritten")
            throw Failure(error)
        }
        traffic.recorded("approval_asked", "428")
        if isNew { events.approvalAsked(id, delete.call) }
    }

    // MARK: Who decides

    /// What waits and `caller` may see: what it may decide about, and what is its own.
    func waiting(for caller: Caller) -> [JSONObject] {
        let now = environment.now()
        return book.withLock { $0.waiting(now: now) }.compactMap { entry in
            let isOwn = entry.delete.call.caller.id == caller.id
            guard isOwn || caller.allow.contains(.approve) && entry.delete.refusal(for: caller) == nil else {
                return nil
            }
            return json(of: entry, state: "waiting", expires: wallTime(of: entry.until, now), isOwn: isOwn)
        }
    }

    /// Decides about what waits by this id. When this returns the decision is on disk, and holds.
    ///
    /// - Parameters:
    ///   - caller: who decides, from `address`.
    /// - Returns: the delete, with its state, for the answer.
    func decide(
        _ id: String, isApproved: Bool, reason: String, by caller: Caller, address: String
    ) async throws(Failure) -> JSONObject {
        guard caller.allow.contains(.approve) else { throw .mayNotApprove(caller) }
        let now = environment.now()
        // Its scope comes first, so that nobody holds up a decision that is not theirs.
        if let entry = book.withLock({ $0.waiting(id, now: now) }), let refusal = entry.delete.refusal(for: caller) {
            throw refusal
        }
        let entry: ApprovalBook.Entry
        do throws(ApprovalBook.Refusal) {
            entry = try book.withLock { book throws(ApprovalBook.Refusal) in
                try book.decide(id, by: caller.id, now: now)
            }
        } catch {
            throw error == .own ? .ownDelete : .nothingWaits
        }
        let by = AuditCaller(caller, address: address)
        let limits = ApprovalBook.Limits()
        let expires = environment.wallTime() + (isApproved ? limits.approval : limits.denial)
        let approval = AuditApproval(id: id, expires: AuditTime(expires), by: by, reason: reason)
        let event: StaticString = isApproved ? "approved" : "approval_denied"
        let result = await Task { [log] in
            await Result { () async throws(AuditUnavailable) in
                try await log.decided(approval, isApproved: isApproved, of: entry.delete.call)
            }
        }.value
        do throws(AuditUnavailable) {
            try result.get()
        } catch {
            book.withLock { _ = $0.decided(id, isApproved: nil, by: by, reason: reason, now: environment.now()) }
            traffic.recorded(event, "unwritten")
            throw Failure(error)
        }
        book.withLock { _ = $0.decided(id, isApproved: isApproved, by: by, reason: reason, now: environment.now()) }
        traffic.recorded(event, "written")
        events.approvalDecided(id, entry.delete.call, isApproved: isApproved, by: by)
        return json(of: entry, state: isApproved ? "approved" : "denied", expires: expires, isOwn: false)
    }

    // MARK: Inside

    private var newID: String {
        let (high, low) = environment.randomBits()
        return Hex.text(
            withUnsafeBytes(of: high.bigEndian) { Array($0) } + withUnsafeBytes(of: low.bigEndian) { Array($0) })
    }

    private func wallTime(of instant: ContinuousClock.Instant, _ now: ContinuousClock.Instant) -> WallTime {
        environment.wallTime() + (instant - now)
    }

    private func json(of entry: ApprovalBook.Entry, state: String, expires: WallTime, isOwn: Bool) -> JSONObject {
        let (delete, call) = (entry.delete, entry.delete.call)
        var caller = JSONObject()
        caller.add("name", call.caller.name)
        caller.add("via", call.caller.via)
        if !call.caller.issuer.isEmpty {
            caller.add("issuer", call.caller.issuer)
            caller.add("subject", call.caller.subject)
        }
        var object = JSONObject()
        object.add("id", entry.id)
        object.add("state", state)
        object.add("asked", RFC3339.text(entry.asked.seconds))
        object.add("expires", RFC3339.text(expires.seconds))
        object.add("caller", caller)
        object.add("own", isOwn)
        object.add("operation", call.operation)
        object.add("itwin", call.itwin.isEmpty ? nil : call.itwin)
        object.add("objects", call.objects)
        object.add("reason", call.reason.isEmpty ? nil : call.reason)
        object.add("method", call.method)
        object.add("target", call.target)
        object.add("fields", delete.fields)
        if let text = String(validating: delete.body, as: UTF8.self) {
            object.add("body", text)
        } else {
            object.add("bodyBase64", Base64.encode(delete.body))
        }
        return object
    }
}

extension Result where Success == Void, Failure: Sendable {
    /// What an async closure came to.
    fileprivate init(_ body: () async throws(Failure) -> Void) async {
        do throws(Failure) {
            self = .success(try await body())
        } catch {
            self = .failure(error)
        }
    }
}

extension AuditTime {
    /// What is finer than a microsecond is cut off.
    fileprivate init(_ time: WallTime) { self.init(seconds: time.seconds, nanoseconds: time.nanoseconds) }
}
