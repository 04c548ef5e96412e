// `file:`: the ledger of all processes of one host, in a file that outlives them.

import Ground
import Synchronization

/// Safe to use from any thread. SQLite is used on a thread of its own, so that a disk that hangs holds up no one but those who ask.
package final class FileLedger: FleetLedger, FleetPages {
    /// The store and its thread: the store is touched by jobs of that thread alone.
    private final class Worker: Sendable {
        let thread: WorkThread
        // Proof of safety: used only in jobs of `thread`, one after the other.
        nonisolated(unsafe) let store: FileStore

        init(_ thread: WorkThread, _ store: FileStore) { (self.thread, self.store) = (thread, store) }
    }

    package let engine: String
    private let worker: Worker
    private let time: Time
    /// What was mapped last.
    private let counters = Mutex<MappedCounters?>(nil)
    private let streams = Mutex<[FleetMemberID: AsyncStream<FleetNews>.Continuation]>([:])

    /// Throws what forbids to use a file there at all; whatever else is wrong with it is told when it is used.
    ///
    /// - Parameter path: absolute; its folder may be a link, itself it may not.
    package init(path: String, time: Time) throws(FleetError) {
        let path = try Self.resolved(path)
        engine = "file:" + path
        self.time = time
        // The same for all processes; where tests move time, they move it too.
        let machine: @Sendable () -> Int = {
            MachineClock.milliseconds() + ContinuousClock.now.duration(to: time.now()).wholeMilliseconds
        }
        let store = FileStore(path: path, wallTime: time.wallTime, machine: machine)
        do throws(NamedThread.Failure) {
            worker = Worker(try WorkThread("fleet-file"), store)
        } catch {
            throw .cut("the kernel gives no thread (errno \(error.code))")
        }
    }

    deinit { worker.thread.end() }

    /// The folder without links, because SQLite is told to follow none; refused on file systems where locks and mapped memory do
    /// not hold, and where something else lies at the path: before anything is made beside it.
    private static func resolved(_ path: String) throws(FleetError) -> String {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let folder = slash == path.startIndex ? "/" : String(path[..<slash])
        if let name = NetworkFileSystem.name(of: folder) {
            throw .unsafe(
                "\(path) lies on \(name), where locks and mapped memory do not hold between hosts: name a file on a local disk, or use Redis"
            )
        }
        let real = SharedFolder.real(folder) ?? folder
        let whole = (real == "/" ? "" : real) + "/" + path[path.index(after: slash)...]
        guard let there = FileStatus(path: whole, followsLinks: false) else { return whole }
        guard there.kind == .regular else {
            throw .foreign("\(whole) is a folder, a link or a device: name a file of its own in fleet.engine")
        }
        // SQLite keeps its log beside the name that it was opened by: under two names there would be two ledgers.
        guard there.names == 1 else {
            throw .foreign("\(whole) has more names (hard links): all members need the same one, so remove the others")
        }
        return whole
    }

    // MARK: Alone

    /// Milliseconds after the last word of trouble in which calls go by shares, and after which grants are given again: what was
    /// given before the one has gone before the other.
    private static let alone = 1_000
    private static let together = 2_000

    package var membersGoAlone: Bool {
        // Who could never map the counters hears of nobody.
        guard let mapped else { return true }
        let at = mapped.aloneAt
        return at > 0 && MachineClock.milliseconds() - at < Self.alone
    }

    /// One of the calls that give grants. While a member is in trouble nobody gets any; who is, says so at each try.
    private func granting<Answer: Sendable>(
        _ job: @escaping @Sendable (_ store: FileStore, _ server: String) throws(FleetError) -> Answer
    ) async throws(FleetError) -> Answer {
        try await perform { store throws(FleetError) in
            do throws(FleetError) {
                let at = store.counters?.aloneAt ?? 0
                if at > 0, MachineClock.milliseconds() - at < Self.together {
                    if store.isInTrouble { try store.change { _, _ in } }
                    throw .cut("a member cannot use \(store.path): all go by their shares until it can")
                }
                // Each time of trouble is followed by a new epoch, in which all report.
                return try job(store, "file \(at)")
            } catch {
                if store.isInTrouble { store.counters?.markAlone() }
                throw error
            }
        }
    }

    // MARK: Pages

    package var mayShow: Bool { mapped?.mayShow ?? false }
    package var pages: any FleetPages { self }

    package func moment() -> FleetMoment { mapped?.moment() ?? FleetMoment(any: 0, counters: []) }

    package func stamp(of tags: [UInt64], since moment: FleetMoment) -> FleetStamp? {
        mapped?.stamp(of: tags, since: moment)
    }

    package func isCurrent(_ stamp: inout FleetStamp, _ tags: () -> [UInt64]) -> Bool {
        mapped?.isCurrent(&stamp, tags) ?? false
    }

    private var mapped: MappedCounters? { counters.withLock { $0 } }

    package func invalidate(
        _ tags: [UInt64], everything: Bool, by member: FleetMemberID
    ) async throws(FleetError) -> String {
        // One that lies elsewhere is nobody's any more.
        if let mapped, mapped.isInPlace {
            mapped.bump(tags, everything: everything)
            return ""
        }
        try await perform { store throws(FleetError) in try store.change { _, _ in } }
        guard let mapped else { throw .cut("\(engine) has no counters of tags") }
        mapped.bump(tags, everything: everything)
        return ""
    }

    package func applied(_ id: String, by member: FleetMemberID) async throws(FleetError) {}

    package func awaitApplied(_ id: String, maxLag: Duration) async {
        // Who has an older file mapped looks at the path within that time.
        guard let youth = mapped?.youth(lag: maxLag.wholeMilliseconds), youth > 0 else { return }
        try? await time.sleep(time.now() + .milliseconds(youth))
    }

    package func news(for member: FleetMemberID) -> AsyncStream<FleetNews> {
        let (stream, continuation) = AsyncStream.makeStream(of: FleetNews.self, bufferingPolicy: .bufferingNewest(64))
        streams.withLock { $0[member] = continuation }
        return stream
    }

    // MARK: Calls

    package func join(_ hello: FleetHello) async throws(FleetError) -> FleetJoined {
        try await granting { store, server throws(FleetError) in try store.join(hello, server: server) }
    }

    package func acquire(
        _ asks: [FleetAsk], by member: FleetMemberID, seen: Int
    ) async throws(FleetError) -> FleetGrant {
        try await granting { store, server throws(FleetError) in
            try store.change(looksForDead: asks.isEmpty) { ledger, now throws(FleetError) in
                try ledger.acquire(asks, by: member, seen: seen, server: server, now: now)
            }
        }
    }

    package func report(
        _ report: FleetReport, by member: FleetMemberID, seen: Int
    ) async throws(FleetError) -> FleetView {
        try await granting { store, server throws(FleetError) in
            try store.change { ledger, now throws(FleetError) in
                try ledger.report(report, by: member, seen: seen, server: server, now: now)
            }
        }
    }

    package func pause(_ pause: FleetPause, by member: FleetMemberID) async throws(FleetError) {
        try await perform { store throws(FleetError) in
            try store.change { ledger, now in ledger.pause(pause, now: now) }
        }
    }

    package func spendDelete(
        of caller: UInt64, limit: Int, span: Int, log: UInt64, spent: [FleetCount], by member: FleetMemberID
    ) async throws(FleetError) -> Int? {
        try await perform { store throws(FleetError) in
            try store.changeExtras { extras, now in
                extras.spendDelete(of: caller, limit: limit, span: span, log: log, spent: spent, now: now)
            }
        }
    }

    package func returnDelete(of caller: UInt64, log: UInt64, by member: FleetMemberID) async throws(FleetError) {
        try await perform { store throws(FleetError) in
            try store.changeExtras { extras, _ in extras.returnDelete(of: caller, log: log) }
        }
    }

    package func witness(_ head: FleetHead, by member: FleetMemberID) async throws(FleetError) -> [FleetHead] {
        try await perform { store throws(FleetError) in try store.changeExtras { extras, _ in extras.witness(head) } }
    }

    package func takeSignIn(lease: Int, by member: FleetMemberID) async throws(FleetError) -> FleetSignIn {
        try await perform { store throws(FleetError) in
            try store.changeExtras { extras, now in extras.takeSignIn(lease: lease, by: member, now: now) }
        }
    }

    package func putSignIn(
        _ sealed: [UInt8], after generation: Int, by member: FleetMemberID
    ) async throws(FleetError) {
        try await perform { store throws(FleetError) in
            try store.changeExtras { extras, now throws(FleetError) in
                try extras.putSignIn(sealed, after: generation, by: member, now: now)
            }
        }
    }

    package func releaseSignIn(by member: FleetMemberID) async throws(FleetError) {
        try await perform { store throws(FleetError) in
            try store.changeExtras { extras, _ in extras.releaseSignIn(by: member) }
        }
    }

    package func claim(
        _ key: [UInt8], note: [UInt8], keep: Int, by member: FleetMemberID
    ) async throws(FleetError) -> FleetClaim {
        try await perform { store throws(FleetError) in try store.claim(key, note: note, keep: keep, by: member) }
    }

    package func settle(
        _ key: [UInt8], _ value: [UInt8], keep: Int, by member: FleetMemberID
    ) async throws(FleetError) {
        try await perform { store throws(FleetError) in try store.settle(key, value, keep: keep, by: member) }
    }

    package func members(asking member: FleetMemberID) async throws(FleetError) -> [FleetMember] {
        try await perform { store throws(FleetError) in
            try store.change(looksForDead: true) { ledger, now in ledger.roll(now: now) }
        }
    }

    package func leave(_ member: FleetMemberID) async {
        try? await perform { store throws(FleetError) in
            defer { store.close() }
            try store.change { ledger, _ in ledger.leave(member) }
        }
        streams.withLock { $0.removeValue(forKey: member) }?.finish()
    }

    // MARK: The thread

    private func perform<Answer: Sendable>(
        _ job: @escaping @Sendable (FileStore) throws(FleetError) -> Answer
    ) async throws(FleetError) -> Answer {
        let answer = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Answer, FleetError>, Never>) in
            let isTaken = worker.thread.submit { [worker] in
                let answer = Result { () throws(FleetError) in try job(worker.store) }
                self.counters.withLock { $0 = worker.store.counters }
                continuation.resume(returning: answer)
            }
            if !isTaken { continuation.resume(returning: .failure(.cut("\(engine) was left"))) }
        }
        return try answer.get()
    }
}
