// The clock and the logs of a rig.

import Glibc
import Ground
import Logging
import Proxy
import Synchronization
import TestSupport

/// Real time plus a distance that a test sets: tokens and waits age at once, while timeouts on sockets stay real.
/// A frozen clock moves only when it is told to, so that a test's times are exact whatever the machine does.
final class ShiftedClock: Sendable {
    private struct State {
        var shift = Duration.zero
        /// What it showed when it was frozen; nil while it runs.
        var frozenAt: (now: ContinuousClock.Instant, wall: Duration)?
        var sleepers: [Int: Task<Void, Never>] = [:]
        var lastSleeper = 0

        var now: ContinuousClock.Instant { (frozenAt?.now ?? ContinuousClock.now) + shift }
    }

    private let state = Mutex(State())

    init(isFrozen: Bool = false) {
        if isFrozen { state.withLock { $0.frozenAt = (ContinuousClock.now, Self.realTime) } }
    }

    /// Moves the clock forward for everybody who asks it, or sleeps by it.
    func advance(by duration: Duration) { change { $0.shift += duration } }

    /// Lets a frozen clock run on.
    func thaw() {
        change { state in
            guard let frozenAt = state.frozenAt else { return }
            state.shift += frozenAt.now - ContinuousClock.now
            state.frozenAt = nil
        }
    }

    /// Monotonic time.
    var now: ContinuousClock.Instant { state.withLock { $0.now } }

    /// Time since 1970, for the simulator.
    var wall: Duration { state.withLock { ($0.frozenAt?.wall ?? Self.realTime) + $0.shift } }

    /// Suspends until the clock shows `deadline`, by itself or because it was moved.
    func sleep(until deadline: ContinuousClock.Instant) async throws {
        while true {
            let nap = state.withLock { state -> (id: Int, task: Task<Void, Never>)? in
                let rest = deadline - state.now
                guard rest > .zero else { return nil }
                let length = state.frozenAt == nil ? rest : .seconds(3600)
                let task = Task<Void, Never> { try? await Task.sleep(for: length) }
                state.lastSleeper += 1
                state.sleepers[state.lastSleeper] = task
                return (state.lastSleeper, task)
            }
            guard let nap else { return try Task.checkCancellation() }
            await withTaskCancellationHandler {
                await nap.task.value
            } onCancel: {
                nap.task.cancel()
            }
            state.withLock { $0.sleepers[nap.id] = nil }
            try Task.checkCancellation()
        }
    }

    private func change(_ change: (inout State) -> Void) {
        let sleepers = state.withLock { state in
            change(&state)
            return Array(state.sleepers.values)
        }
        // They look at the clock again, and those whose time has not come go on sleeping.
        for sleeper in sleepers { sleeper.cancel() }
    }

    private static var realTime: Duration {
        let time = Environment.system.time.wallTime()
        return .seconds(time.seconds) + .nanoseconds(Int64(time.nanoseconds))
    }

    /// The proxy's outside world on this clock.
    var environment: Environment {
        var environment = Environment.system
        environment.time.now = { self.now }
        environment.time.sleep = { try await self.sleep(until: $0) }
        environment.time.wallTime = { WallTime(sinceEpoch: self.wall) }
        return environment
    }
}

/// Lines written to a pipe, or by a logger, kept for a test to look at.
final class CapturedLog: Sendable {
    private final class Storage: Sendable {
        let bytes = Mutex([UInt8]())
    }

    /// Where to write.
    let descriptor: Int32
    private let storage = Storage()
    private let isClosed = Mutex(false)

    init() throws {
        var ends: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutablePointer(to: &ends) {
            $0.withMemoryRebound(to: Int32.self, capacity: 2) { pipe($0) }
        }
        guard made == 0 else { throw RawClient.Trouble(description: "no pipe: errno \(errno)") }
        let (readEnd, writeEnd) = ends
        for end in [readEnd, writeEnd] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        descriptor = writeEnd
        let storage = storage
        Task.detached {
            try await onThread {
                var buffer = [UInt8](repeating: 0, count: 65_536)
                while true {
                    let count = read(readEnd, &buffer, buffer.count)
                    guard count > 0 else { break }
                    storage.bytes.withLock { $0 += buffer[..<count] }
                }
                Glibc.close(readEnd)
            }
        }
    }

    var text: String { storage.bytes.withLock { String(decoding: $0, as: UTF8.self) } }
    var lines: [String] { text.split(separator: "\n").map(String.init) }

    func append(_ line: String) { storage.bytes.withLock { $0 += (line + "\n").utf8 } }

    /// Waits for the first line that has all of these parts.
    func line(with parts: String...) async throws -> String {
        var found: String?
        try await eventually("a log line with \(parts)", seen: { " in:\n\(self.text)" }) {
            found = self.lines.first { line in parts.allSatisfy { line.contains($0) } }
            return found != nil
        }
        return found ?? ""
    }

    /// Closes the end that is written to; nobody may write any more.
    func close() {
        isClosed.withLock { isClosed in
            if !isClosed { Glibc.close(descriptor) }
            isClosed = true
        }
    }

    deinit { close() }
}

/// Keeps everything that the proxy logs, at every level.
struct CapturingHandler: LogHandler {
    let log: CapturedLog
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]

    init(log: CapturedLog) { self.log = log }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        log.append("\(event.level) \(event.message) \(event.metadata ?? [:])")
    }
}
