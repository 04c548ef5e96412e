// `deletes.approval = "second"`, the rules as a value: which deletes wait for whose decision, and which decisions hold. No I/O,
// no clock, no chance. What is not on disk yet counts for nobody: an entry that is being recorded is seen by no approver, and
// a decision that is being recorded lets nothing through.

import Audit
import Ground

/// A delete that needs an approval.
struct AskedDelete: Sendable, Equatable {
    /// Who asks for what.
    let call: AuditCall
    /// The fields that go upstream with it and may change what is done, each as `name: value`; of those that nobody here knows,
    /// only a hash of the value, as it may be a secret.
    let fields: [String]
    /// What is to be sent.
    let body: [UInt8]
    /// A hash of all that a decision is about: the same call, of the same caller, has it again.
    let binding: String
}

/// All deletes that wait, and all decisions in force.
struct ApprovalBook {
    /// What bounds it.
    struct Limits: Sendable {
        var decision = Duration.seconds(3600)
        var approval = Duration.seconds(600)
        var denial = Duration.seconds(600)
        /// Deletes of all callers, decided ones included.
        var most = 256
        /// Of one caller.
        var mostOfCaller = 64
    }

    enum Phase: Sendable, Equatable {
        /// Its record is on its way to the disk.
        case recording
        case waiting
        /// A decision is on its way to the disk.
        case deciding
        case approved(by: AuditCaller)
        /// A call that it lets through is under way.
        case inUse(by: AuditCaller)
        case denied(by: AuditCaller, reason: String)
    }

    struct Entry: Sendable, Equatable {
        let id: String
        let delete: AskedDelete
        let asked: WallTime
        var phase: Phase
        /// When the phase is over.
        var until: ContinuousClock.Instant
    }

    /// What becomes of a delete that is asked for.
    enum Asked: Sendable, Equatable {
        /// It may be sent, once: it has the approval until that is given back or used up.
        case passes(id: String, by: AuditCaller)
        /// It waits for a decision; `isNew`: nobody has asked for it before.
        case waits(id: String, until: ContinuousClock.Instant, isNew: Bool)
        /// The one call that the approval is for is under way.
        case isUnderWay(id: String, until: ContinuousClock.Instant)
        case denied(by: AuditCaller, reason: String, until: ContinuousClock.Instant)
        /// Too many wait; there may be room then.
        case full(until: ContinuousClock.Instant)
    }

    /// Why a decision does not count.
    enum Refusal: Error, Sendable, Equatable {
        /// Nothing waits by that id: nothing ever did, it was decided, or its time is over.
        case unknown
        /// Nobody decides about deletes of one's own.
        case own
    }

    let limits: Limits
    private var entries: [String: Entry] = [:]
    private var ids: [String: String] = [:]

    init(limits: Limits = Limits()) { self.limits = limits }

    // MARK: Who asks

    /// What would become of the delete if it were asked for now. Changes nothing; of one that would wait, `id` is empty.
    func outlook(of delete: AskedDelete, now: ContinuousClock.Instant) -> Asked {
        var book = self
        return book.ask(delete, newID: "", wallTime: WallTime(seconds: 0), now: now)
    }

    /// A delete is asked for that nothing else speaks against.
    ///
    /// - Parameter newID: for one that waits from now on; not used before.
    mutating func ask(
        _ delete: AskedDelete, newID: String, wallTime: WallTime, now: ContinuousClock.Instant
    ) -> Asked {
        sweep(now: now)
        if let id = ids[delete.binding], let entry = entries[id] {
            switch entry.phase {
            case .recording, .waiting, .deciding: return .waits(id: id, until: entry.until, isNew: false)
            case .inUse: return .isUnderWay(id: id, until: entry.until)
            case .denied(let by, let reason): return .denied(by: by, reason: reason, until: entry.until)
            case .approved(let by):
                entries[id]?.phase = .inUse(by: by)
                return .passes(id: id, by: by)
            }
        }
        let own = entries.values.filter { $0.delete.call.caller.id == delete.call.caller.id }
        if own.count >= limits.mostOfCaller { return .full(until: Self.firstEnd(of: own) ?? now) }
        if entries.count >= limits.most { return .full(until: Self.firstEnd(of: Array(entries.values)) ?? now) }
        let until = now + limits.decision
        insert(Entry(id: newID, delete: delete, asked: wallTime, phase: .recording, until: until))
        return .waits(id: newID, until: until, isNew: true)
    }

    /// That it waits is on disk; false: it could not be written, and so it does not.
    mutating func recorded(_ id: String, _ isRecorded: Bool) {
        guard entries[id]?.phase == .recording else { return }
        if isRecorded { entries[id]?.phase = .waiting } else { remove(id) }
    }

    /// The call that the approval let through was surely not carried out: it may come again.
    mutating func giveBack(_ id: String, now: ContinuousClock.Instant) {
        guard let entry = entries[id], case .inUse(let by) = entry.phase else { return }
        if entry.until > now { entries[id]?.phase = .approved(by: by) } else { remove(id) }
    }

    /// The call that the approval let through may have been sent.
    mutating func spent(_ id: String) { if case .inUse? = entries[id]?.phase { remove(id) } }

    // MARK: Who decides

    /// What waits for a decision, the oldest first.
    mutating func waiting(now: ContinuousClock.Instant) -> [Entry] {
        sweep(now: now)
        return entries.values.filter { $0.phase == .waiting }.sorted { ($0.asked, $0.id) < ($1.asked, $1.id) }
    }

    /// What waits by this id; nil: nothing does.
    mutating func waiting(_ id: String, now: ContinuousClock.Instant) -> Entry? {
        sweep(now: now)
        return entries[id].flatMap { $0.phase == .waiting ? $0 : nil }
    }

    /// Somebody decides: nobody else may, until `decided` says what came of it.
    ///
    /// - Parameter decider: who it is, as `AuditCaller.id` tells callers apart.
    mutating func decide(
        _ id: String, by decider: String, now: ContinuousClock.Instant
    ) throws(Refusal) -> Entry {
        guard let entry = waiting(id, now: now) else { throw .unknown }
        if entry.delete.call.caller.id == decider { throw .own }
        entries[id]?.phase = .deciding
        return entry
    }

    /// A decision that is on disk holds from now on; until when. Nil as `isApproved`: it could not be written, and the delete waits on.
    @discardableResult
    mutating func decided(
        _ id: String, isApproved: Bool?, by: AuditCaller, reason: String, now: ContinuousClock.Instant
    ) -> ContinuousClock.Instant? {
        guard entries[id]?.phase == .deciding else { return nil }
        guard let isApproved else {
            entries[id]?.phase = .waiting
            return nil
        }
        let until = now + (isApproved ? limits.approval : limits.denial)
        entries[id]?.phase = isApproved ? .approved(by: by) : .denied(by: by, reason: reason)
        entries[id]?.until = until
        return until
    }

    // MARK: Inside

    private mutating func insert(_ entry: Entry) {
        entries[entry.id] = entry
        ids[entry.delete.binding] = entry.id
    }

    private mutating func remove(_ id: String) {
        guard let entry = entries.removeValue(forKey: id) else { return }
        if ids[entry.delete.binding] == id { ids[entry.delete.binding] = nil }
    }

    /// Forgets what is over. What is under way, or on its way to the disk, ends otherwise.
    private mutating func sweep(now: ContinuousClock.Instant) {
        for (id, entry) in entries where entry.until <= now {
            switch entry.phase {
            case .recording, .deciding, .inUse: continue
            case .waiting, .approved, .denied: remove(id)
            }
        }
    }

    private static func firstEnd(of entries: [Entry]) -> ContinuousClock.Instant? { entries.map(\.until).min() }
}

// MARK: A restart

extension ApprovalBook {
    /// Takes over what earlier processes have recorded.
    ///
    /// - Parameters:
    ///   - records: as `AuditReader.approvals` tells them, in the log's order.
    ///   - wallTime: of `now`.
    mutating func recall(_ records: [AuditRecord], wallTime: WallTime, now: ContinuousClock.Instant) {
        func instant(_ time: AuditTime?) -> ContinuousClock.Instant {
            guard let time else { return now }
            let wall = wallTime.sinceEpoch
            return now + (.microseconds(time.microseconds) - wall)
        }
        var users: [UInt64: String] = [:]
        for record in records {
            guard let approval = record.approval else {
                // It was not carried out, so it has used nothing up.
                guard let id = record.intent.flatMap({ users[$0] }), case .inUse(let by)? = entries[id]?.phase else {
                    continue
                }
                entries[id]?.phase = .approved(by: by)
                continue
            }
            let (id, until) = (approval.id, instant(approval.expires))
            switch record.event {
            case "approval_asked":
                guard entries[id] == nil, let body = approval.body, entries.count < limits.most else { continue }
                let delete = AskedDelete(
                    call: record.call, fields: approval.fields, body: body, binding: approval.binding)
                let asked = WallTime(sinceEpoch: .microseconds(record.time.microseconds))
                insert(Entry(id: id, delete: delete, asked: asked, phase: .waiting, until: until))
            case "approved", "approval_denied":
                guard entries[id] != nil, let by = approval.by else { continue }
                entries[id]?.phase =
                    record.event == "approved" ? .approved(by: by) : .denied(by: by, reason: approval.reason)
                entries[id]?.until = until
            case "intent":
                guard case .approved(let by)? = entries[id]?.phase else { continue }
                users[record.seq] = id
                entries[id]?.phase = .inUse(by: by)
            default: continue
            }
        }
        // What was under way in a process that is no more may have been sent.
        for id in users.values { spent(id) }
        sweep(now: now)
    }
}
