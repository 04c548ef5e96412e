// `audit.keep` over time: looks every hour whether files of the log are old enough to go.

import Audit
import Ground
import Synchronization

/// Retires old files of one log. Usable from every thread.
final class AuditKeeper: Sendable {
    private static let interval = Duration.seconds(3600)

    private let log: AuditLog
    private let time: Time
    private let events: EventLog
    /// The newest record that everybody has who is to get copies.
    private let delivered: @Sendable () -> UInt64
    private let state = Mutex((keep: Duration?.none, task: Task<Void, Never>?.none))

    /// Retires nothing yet.
    init(_ log: AuditLog, time: Time, events: EventLog, delivered: @escaping @Sendable () -> UInt64) {
        (self.log, self.time, self.events, self.delivered) = (log, time, events, delivered)
    }

    /// From now on files are kept for so long; nil: for ever.
    func change(keep: Duration?) {
        state.withLock { state in
            guard state.keep != keep else { return }
            state.task?.cancel()
            state.keep = keep
            state.task = keep.map { keep in Task.detached { await self.run(keep) } }
        }
    }

    /// Retires no more.
    func end() { change(keep: nil) }

    private func run(_ keep: Duration) async {
        var told: String?
        while !Task.isCancelled {
            let now = time.wallTime()
            let limit = AuditTime(seconds: now.seconds, nanoseconds: now.nanoseconds).earlier(by: keep)
            let setting = "audit.keep \(keep.components.seconds / 3600)h"
            switch await log.retire(before: limit, upTo: delivered(), setting: setting) {
            case .nothing: told = nil
            case .files(let count, let last):
                told = nil
                events.retired(files: count, last: last)
            case .kept(let why):
                if told != why { events.notRetired(why) }
                told = why
            }
            try? await time.sleep(time.now() + Self.interval)
        }
    }
}

extension AuditTime {
    fileprivate func earlier(by span: Duration) -> AuditTime {
        AuditTime(microseconds: microseconds - span.clampedNanoseconds / 1_000)
    }
}
