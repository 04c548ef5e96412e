// One sink's work: reads the log behind its writer, sends, notes on disk how far it is. What has failed is tried again within
// five seconds, for ever; nobody else waits for it.

import Audit
import Ground
import Synchronization

/// How a sink is doing.
struct SinkState: Sendable, Equatable {
    /// Its name.
    let name: String
    /// The last record that was sent to it.
    var sent: UInt64
    /// The last record that it surely has.
    var position: UInt64
    /// Since when it has been failing; nil while it does not.
    var downSince: ContinuousClock.Instant?
    /// What it does, in words; nil while it is not down.
    var trouble: String?

    /// How many records of the log it has not been sent yet.
    func lag(behind head: AuditHead) -> Int { Int(clamping: head.seq - min(head.seq, sent)) }
}

/// Sends the records of one log to one sink. Usable from every thread.
final class SinkRunner: Sendable {
    private static let maxRecords = 200
    private static let maxBytes = 1 << 20
    /// How long a sink may hold up the end of the process.
    private static let farewell = Duration.milliseconds(900)

    let name: String
    let bell: SinkBell
    private let folder: String
    private let log: AuditLog
    private let place: SinkPosition
    private let wire: any SinkWire
    private let time: Time
    private let news: @Sendable (SinkNews) -> Void
    private let state: Mutex<(known: SinkState, isEnding: Bool)>
    private let task = Mutex<Task<Void, Never>?>(nil)
    private let ending = Mutex<Task<Void, Never>?>(nil)
    private let finished = AsyncStream.makeStream(of: Void.self)

    /// - Parameters:
    ///   - bell: rung when there is a new record, or news of the wire.
    ///   - news: told what is worth a line in the log; must not block.
    init(
        _ name: String, log: AuditLog, folder: String, wire: any SinkWire, bell: SinkBell, time: Time,
        news: @escaping @Sendable (SinkNews) -> Void
    ) {
        (self.name, self.log, self.folder, self.wire) = (name, log, folder, wire)
        (self.bell, self.time, self.news) = (bell, time, news)
        place = SinkPosition(folder: folder, sink: name)
        state = Mutex((SinkState(name: name, sent: 0, position: 0), false))
    }

    /// Begins. Once.
    ///
    /// - Parameters:
    ///   - former: of the same name, with another configuration: ends first.
    ///   - position: the last record that the sink has; asked on a thread of its own.
    func start(after former: SinkRunner?, at position: @escaping @Sendable () -> AuditHead) {
        let work = Task.detached {
            await former?.end()
            await self.run(SinkProgress(at: await OffThread.run(position)))
        }
        task.withLock { $0 = work }
    }

    /// How it is doing now.
    var known: SinkState { state.withLock { $0.known } }

    /// Sends what is left, if the sink takes it, and ends; within a second whatever the sink does. Any number of calls; each
    /// returns when it is over.
    func end() async {
        let ending = ending.withLock { ending in
            let task = ending ?? Task.detached { await self.finish() }
            ending = task
            return task
        }
        await ending.value
    }

    private func finish() async {
        state.withLock { $0.isEnding = true }
        bell.ring()
        // Real time: it is sockets of others that are waited for.
        let limit = Task.detached { [finished] in
            try? await Task.sleep(for: Self.farewell)
            finished.continuation.finish()
        }
        for await _ in finished.stream {}
        limit.cancel()
        task.withLock { $0 }?.cancel()
    }

    private func run(_ begun: SinkProgress) async {
        var (progress, follower) = (begun, LogFollower(folder: folder, after: begun.position.seq))
        var (batch, told) = (Self.maxRecords, false)
        while !Task.isCancelled {
            if let end = wire.takeEnd() { progress.ended(isClean: end == .clean) }
            let now = time.now()
            _ = progress.settle(now: now)
            follower.go(after: progress.sent.seq)
            await save(progress, &told)
            let isEnding = state.withLock { $0.isEnding }
            if let retryAt = progress.retryAt, now < retryAt {
                if isEnding { break }
                await bell.wait(until: retryAt, time)
                continue
            }
            let (records, next, trouble) = await read(follower, progress.isFragile ? 1 : batch)
            follower = next
            if let trouble {
                fail(&progress, trouble)
            } else if records.isEmpty {
                if isEnding { break }
                await bell.wait(until: nil, time)
            } else if await send(records, &progress, &batch) == false {
                await bell.wait(until: time.now() + .seconds(1), time)
            } else if progress.isFragile {
                try? await time.sleep(time.now() + SinkProgress.breath)
            }
        }
        if let end = await wire.close() { progress.ended(isClean: end == .clean) }
        await save(progress, &told)
        finished.continuation.finish()
    }

    /// False where the end of the connection has to be waited for.
    private func send(_ records: [FollowedRecord], _ progress: inout SinkProgress, _ batch: inout Int) async -> Bool {
        guard let last = records.last?.head else { return true }
        do throws(SinkTrouble) {
            guard let bytes = try await wire.send(records) else { return false }
            let wasDown = progress.downSince
            progress.delivered(last, bytes: bytes, isConfirmed: wire.isConfirming, now: time.now())
            batch = min(batch * 2, Self.maxRecords)
            publish(progress, trouble: nil)
            if let wasDown { news(.up(sink: name, after: wasDown.duration(to: time.now()))) }
        } catch {
            // A sink that chokes on many may take fewer.
            batch = max(1, batch / 2)
            if !Task.isCancelled { fail(&progress, error.text) }
        }
        return true
    }

    private func fail(_ progress: inout SinkProgress, _ trouble: String) {
        let isNews = progress.downSince == nil
        progress.failed(now: time.now())
        publish(progress, trouble: trouble)
        if isNews { news(.down(sink: name, trouble: trouble)) }
    }

    private func read(_ follower: LogFollower, _ count: Int) async -> ([FollowedRecord], LogFollower, String?) {
        let newest = log.status.head.seq
        guard follower.next <= newest else { return ([], follower, nil) }
        return await OffThread.run {
            var follower = follower
            do throws(AuditReadFailure) {
                let records = try follower.read(upTo: newest, maxRecords: count, maxBytes: Self.maxBytes)
                return (records, follower, nil)
            } catch {
                return ([], follower, "cannot be served: \(error)")
            }
        }
    }

    /// Notes the position on disk when it has moved.
    private func save(_ progress: SinkProgress, _ told: inout Bool) async {
        publish(progress, trouble: known.trouble)
        guard progress.position.seq != saved.withLock({ $0 }) else { return }
        let (place, position) = (place, progress.position)
        let failure = await OffThread.run { () -> AuditReadFailure? in
            do throws(AuditReadFailure) {
                try place.write(position)
                return nil
            } catch {
                return error
            }
        }
        if let failure {
            if !told { news(.positionUnwritten(sink: name, trouble: failure.description)) }
        } else {
            saved.withLock { $0 = position.seq }
        }
        told = failure != nil
    }

    /// The position on disk; nil before it was written.
    private let saved = Mutex<UInt64?>(nil)

    private func publish(_ progress: SinkProgress, trouble: String?) {
        state.withLock { state in
            state.known.sent = progress.sent.seq
            state.known.position = progress.position.seq
            state.known.downSince = progress.downSince
            state.known.trouble = progress.downSince == nil ? nil : trouble
        }
    }
}
