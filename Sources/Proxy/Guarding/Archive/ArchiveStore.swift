// The archive of one process: its folder, what was kept lately, and whether it can be written.

import Audit
import Ground
import Synchronization

/// Usable from every thread.
final class ArchiveStore: Sendable {
    let folder: ArchiveFolder
    private let environment: Environment
    private let events: EventLog

    private struct State {
        /// What was kept lately, and maybe stands in no record yet.
        var fresh: [String: ContinuousClock.Instant] = [:]
        var trouble: String?
    }

    private let state = Mutex(State())

    /// From the last byte of an object to the record that names it no delete takes that long.
    private static let freshFor = Duration.seconds(2 * 3600)

    init(_ folder: ArchiveFolder, environment: Environment, events: EventLog) {
        (self.folder, self.environment, self.events) = (folder, environment, events)
    }

    /// A file for one object, and a thread that writes it.
    func begin() throws(ArchiveTrouble) -> ArchiveWriter {
        let (high, low) = environment.randomBits()
        return try ArchiveWriter(folder, number: String(high, radix: 36) + String(low, radix: 36)) { [self] file in
            let now = environment.now()
            state.withLock { state in
                state.fresh = state.fresh.filter { now - $0.value < Self.freshFor }
                state.fresh[file.path] = now
            }
        }
    }

    /// The folder of what is kept now.
    var year: String { String(RFC3339.text(environment.wallTime().seconds).prefix(4)) }

    /// Makes the folder and removes what a killed process has left unfinished. Blocks.
    ///
    /// - Parameter isRequired: whether nothing is deleted without it.
    func prepare(isRequired: Bool) {
        do throws(ArchiveTrouble) {
            try folder.make()
            let count = try folder.removeLeftovers()
            if count > 0 { events.archiveCleared(files: count) }
            worked()
        } catch {
            failed(error, isRequired: isRequired)
        }
    }

    /// It could not be written.
    func failed(_ trouble: ArchiveTrouble, isRequired: Bool) {
        let isNews = state.withLock { state in
            defer { state.trouble = trouble.description }
            return state.trouble == nil
        }
        if isNews { events.archive(trouble: trouble.description, isNeeded: isRequired) }
    }

    /// It was written.
    func worked() {
        let isNews = state.withLock { state in
            defer { state.trouble = nil }
            return state.trouble != nil
        }
        if isNews { events.archive(trouble: nil, isNeeded: false) }
    }

    /// Takes these away, but for what has been kept anew. Blocks.
    func remove(_ paths: [String]) throws(ArchiveTrouble) {
        for path in paths {
            // Under the lock: a file that gets its name now is looked for there first.
            let result = state.withLock { state in
                Result { () throws(ArchiveTrouble) in if state.fresh[path] == nil { try folder.remove(path) } }
            }
            try result.get()
        }
    }

    /// Whether it was kept lately.
    func isFresh(_ path: String) -> Bool { state.withLock { $0.fresh[path] != nil } }
}
