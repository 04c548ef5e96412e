// The certificates of the listeners while the process runs: looked at by themselves, reloaded, and how long they last.

import Configuration
import Edge
import Ground
import Logging
import Synchronization

/// Usable from every thread.
final class Certificates: Sendable {
    let tls: ServerTLS
    private let environment: Environment
    private let logger: Logger
    private let watching = Mutex<Task<Void, Never>?>(nil)
    private let expiry = Mutex(ExpiryNews())
    /// The connections of tools.
    private let activity = Mutex<Activity?>(nil)
    private let alerts = Mutex<Alerts?>(nil)

    /// DESIGN promises a minute.
    private static let interval = Duration.seconds(20)

    /// Nil where no certificate is configured. Throws `TLSFileError`.
    init?(_ config: Config.Listen, environment: Environment, logger: Logger) throws {
        guard let files = TLSFiles(config) else { return nil }
        (self.environment, self.logger) = (environment, logger)
        tls = try ServerTLS(files, wallTime: environment.wallTime)
    }

    /// Tells what is in force, and looks after it until `end`; the connections that `activity` counts hear of another authority.
    func start(_ activity: Activity, _ alerts: Alerts) {
        self.activity.withLock { $0 = activity }
        self.alerts.withLock { $0 = alerts }
        tellExpiry()
        watching.withLock {
            $0 = Task.detached { [weak self, environment] in
                while true {
                    try? await environment.sleep(environment.now() + Self.interval)
                    guard !Task.isCancelled, let self else { return }
                    await OffThread.run { self.look() }
                }
            }
        }
    }

    func end() { watching.withLock { $0 }?.cancel() }

    /// Looks at the files now. Blocks for as long as the disk takes.
    func look() {
        switch tls.look() {
        case .nothing: break
        case .taken(let changed): taken(changed)
        case .refused(let error): tellRefused(error)
        }
        tellExpiry()
    }

    /// Seconds until the first certificate of the chain ends.
    var secondsLeft: Int64 { tls.firstToEnd.end - environment.wallTime().seconds }

    // MARK: Reload

    /// What a reload of the configuration does to TLS, once the rest of it is found to be good.
    enum Plan {
        case take(ServerTLS.Prepared)
        /// One of the files may still be the old one: what is in force stays, and they are looked at again.
        case keep(TLSFiles, TLSFileError)
        /// Turned on or off: that is for a new process.
        case restart
    }

    /// Judges the files of another configuration; nothing changes yet. Blocks for as long as the disk takes. Throws what makes
    /// that configuration a mistake.
    func plan(_ config: Config.Listen) throws(TLSFileError) -> Plan {
        guard let files = TLSFiles(config) else { return .restart }
        do throws(TLSFileError) {
            return .take(try ServerTLS.prepare(files, now: environment.wallTime()))
        } catch {
            guard error.reason == .mismatch else { throw error }
            return .keep(files, error)
        }
    }

    /// Does it. Returns the keys whose files hold something new that is in force now.
    func carryOut(_ plan: Plan) -> [String] {
        switch plan {
        case .take(let prepared):
            let changed = tls.take(prepared)
            taken(changed)
            tellExpiry()
            return changed.map(\.key)
        case .keep(let files, let error):
            tls.watch(files)
            tellRefused(error)
            return []
        case .restart: return []
        }
    }

    private func taken(_ changed: [TLSFiles.Kind]) {
        guard !changed.isEmpty else { return }
        tellTaken(changed)
        if changed.contains(.clientCA) { activity.withLock { $0 }?.authorityChanged(tls) }
    }

    // MARK: Log

    private func tellTaken(_ changed: [TLSFiles.Kind]) {
        logger.notice(
            "TLS certificate taken",
            metadata: [
                "ends": "\(RFC3339.text(tls.firstToEnd.end))",
                "changed": "\(changed.map(\.key).joined(separator: ","))",
            ])
        expiry.withLock { $0 = ExpiryNews() }
    }

    private func tellRefused(_ error: TLSFileError) {
        logger.error(
            "TLS files cannot be used: the former ones stay in force, and these are tried again",
            metadata: ["key": "\(error.file.key)", "error": "\(error)", "remedy": "\(error.remedy)"])
    }

    private func tellExpiry() {
        let left = secondsLeft
        alerts.withLock { $0 }?.certificate(ends: tls.firstToEnd.end, secondsLeft: left)
        guard let level = expiry.withLock({ $0.level(secondsLeft: left) }) else { return }
        let (number, end) = tls.firstToEnd
        logger.log(
            level: level, left < 0 ? "TLS certificate has expired" : "TLS certificate ends",
            metadata: ["number": "\(number)", "ends": "\(RFC3339.text(end))", "days": "\(left / 86_400)"])
    }
}

/// When the end of a certificate is worth a line: at the start, and as it comes near. A value.
struct ExpiryNews {
    private static let warningDays: [Int64] = [14, 7, 3, 2, 1, 0]

    /// How many of the days have been told; nil: nothing has.
    private var told: Int?

    /// The level of the line that is due now; nil: none is.
    mutating func level(secondsLeft: Int64) -> Logger.Level? {
        let passed = Self.warningDays.count { secondsLeft < $0 * 86_400 }
        guard told.map({ passed > $0 }) ?? true else { return nil }
        told = passed
        return passed == 0 ? .info : secondsLeft < 0 ? .error : .warning
    }
}
