// `deletes.archive_keep` over time: looks at start and every hour whether archived files are old enough to go. What a younger
// record names stays. First the record that tells it is durable, then they are removed.

import Audit
import Ground
import Synchronization

/// Removes old files of one archive. Usable from every thread.
final class ArchiveKeeper: Sendable {
    private static let interval = Duration.seconds(3600)
    /// As many as one record names.
    private static let batch = 500

    private let store: ArchiveStore
    private let log: AuditLog
    private let auditFolder: String
    private let time: Time
    private let events: EventLog
    private let state = Mutex((keep: Duration?.none, task: Task<Void, Never>?.none))

    /// Removes nothing yet.
    init(_ store: ArchiveStore, _ log: AuditLog, in auditFolder: String, time: Time, events: EventLog) {
        (self.store, self.log, self.auditFolder, self.time, self.events) = (store, log, auditFolder, time, events)
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

    /// Removes no more.
    func end() { change(keep: nil) }

    private func run(_ keep: Duration) async {
        var told: String?
        while !Task.isCancelled {
            let trouble = await removeOld(keep)
            if let trouble, trouble != told { events.archiveNotRemoved(trouble) }
            told = trouble
            try? await time.sleep(time.now() + Self.interval)
        }
    }

    /// Returns what went wrong.
    private func removeOld(_ keep: Duration) async -> String? {
        let limit = time.wallTime() + (.zero - keep)
        let planned = await OffThread.run { [self] in Result { try plan(before: limit) } }
        let old: [ArchivedFile]
        switch planned {
        case .success(let files): old = files
        case .failure(let error): return "\(error)"
        }
        for start in stride(from: 0, to: old.count, by: Self.batch) {
            let files = Array(old[start..<min(start + Self.batch, old.count)])
            let setting = "deletes.archive_keep \(keep.components.seconds / 3600)h"
            do throws(AuditUnavailable) {
                try await log.archiveRemoved(files.map { .file($0) }, setting: setting)
            } catch {
                return error.detail
            }
            let removed = await OffThread.run { [store] in
                Result { () throws(ArchiveTrouble) in try store.remove(files.map(\.path)) }
            }
            if case .failure(let trouble) = removed { return trouble.description }
            events.archiveRemoved(files: files.count)
        }
        return nil
    }

    /// The files that no record since then names; what no record names at all goes by its own age.
    private func plan(before limit: WallTime) throws -> [ArchivedFile] {
        let files = try store.folder.files()
        if files.isEmpty { return [] }
        let named = try AuditReader(folder: auditFolder).archived()
        return files.compactMap { path, changed in
            let record = named[path]
            let time = record.map { $0.named.microseconds / 1_000_000 } ?? changed
            guard time < limit.seconds, !store.isFresh(path) else { return nil }
            let sha256 = path.split(separator: "/").last?.split(separator: ".").first.map(String.init) ?? ""
            return record?.file ?? ArchivedFile(path: path, sha256: sha256, bytes: 0)
        }
    }
}
