// The shell of `WatchdogState`: asks event loops and the upstream thread, and tells the service manager.

import CurlTransport
import Ground
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Runs from when it is made until `end`. Usable from every thread.
final class Watchdog: Sendable {
    private let state: Mutex<WatchdogState>
    private let loops: [any EventLoop]
    private let transport: CurlTransport
    private let beat: @Sendable () -> Void
    private let logger: Logger
    private let task = Mutex<Task<Void, Never>?>(nil)

    /// - Parameters:
    ///   - round: from one question to the next; half of what the service manager waits.
    ///   - beat: tells it; called on any thread, must not wait.
    init(
        _ group: MultiThreadedEventLoopGroup, _ transport: CurlTransport, round: Duration, time: Time, logger: Logger,
        beat: @escaping @Sendable () -> Void
    ) {
        loops = Array(group.makeIterator())
        self.transport = transport
        self.logger = logger
        self.beat = beat
        state = Mutex(WatchdogState(parts: loops.count + 1))
        let rounds = Task.detached { [weak self] in
            while !Task.isCancelled {
                self?.tick()
                try? await time.sleep(time.now() + round)
            }
        }
        task.withLock { $0 = rounds }
    }

    func end() { task.withLock { $0 }?.cancel() }

    private func tick() {
        for action in state.withLock({ $0.tick() }) {
            switch action {
            case .ask(let part): ask(part)
            case .beat: beat()
            case .late(let parts):
                let names = parts.map { $0 < loops.count ? "event loop \($0)" : "upstream thread" }
                logger.critical("does not answer: \(names.joined(separator: ", "))")
            }
        }
    }

    private func ask(_ part: Int) {
        if part < loops.count { return loops[part].execute { [weak self] in self?.answered(part) } }
        // While the process ends the thread does before the loops, and is missed no more.
        if !transport.ping({ [weak self] in self?.answered(part) }) { answered(part) }
    }

    private func answered(_ part: Int) {
        if state.withLock({ $0.answered(part) }) == .beat { beat() }
    }
}
