// The clock and the logs of a rig.

import Glibc
import Logging
import Proxy
import Synchronization
import TestSupport

/// Real time plus a distance that a test sets: tokens age at once, while timeouts on sockets stay real.
final class ShiftedClock: Sendable {
    private let shift = Mutex(Duration.zero)

    /// Moves the clock forward for everybody who asks it.
    func advance(by duration: Duration) { shift.withLock { $0 += duration } }

    /// Time since 1970, for the simulator.
    var wall: Duration {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec)) + shift.withLock { $0 }
    }

    /// The proxy's outside world on this clock. With `movesTimers` a sleeper wakes when the clock is moved past its
    /// deadline.
    func environment(movesTimers: Bool = false) -> Environment {
        var environment = Environment.system
        environment.now = { ContinuousClock.now + self.shift.withLock { $0 } }
        let now = environment.now
        environment.sleep = { deadline in
            while movesTimers, now() < deadline {
                try await Task.sleep(for: min(now().duration(to: deadline), .milliseconds(5)))
            }
            try await Task.sleep(until: deadline - self.shift.withLock { $0 }, clock: .continuous)
        }
        environment.wallTime = {
            let (seconds, attoseconds) = self.wall.components
            return WallTime(seconds: seconds, nanoseconds: Int32(attoseconds / 1_000_000_000))
        }
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
        try await eventually("a log line with \(parts) in:\n\(text)") {
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

/// Waits until a condition that others bring about holds; the deadline only fails a hang.
func eventually(_ what: @autoclosure () -> String, _ condition: () throws -> Bool) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + .seconds(20)
    while try !condition() {
        guard clock.now < deadline else { throw RawClient.Trouble(description: "never happened: \(what())") }
        try await Task.sleep(for: .milliseconds(3))
    }
}
