// One thread that does one thing after the other, for work that blocks.

import Ground
import Synchronization

/// Safe to use from any thread.
final class WorkThread: Sendable {
    private struct Queue {
        var jobs: [@Sendable () -> Void] = []
        var isOver = false
    }

    private let queue = Mutex(Queue())
    private let bell = Doorbell()

    /// Starts it. Throws where the kernel gives no thread.
    init(_ name: String) throws(NamedThread.Failure) {
        try NamedThread().start(name) { self.work() }
    }

    /// False: it is over, and the job is not done.
    func submit(_ job: @escaping @Sendable () -> Void) -> Bool {
        let isOver = queue.withLock { queue in
            if !queue.isOver { queue.jobs.append(job) }
            return queue.isOver
        }
        if !isOver { bell.ring() }
        return !isOver
    }

    /// Ends it after what was submitted before.
    func end() {
        queue.withLock { $0.isOver = true }
        bell.ring()
    }

    private func work() {
        while true {
            bell.wait()
            let (jobs, isOver) = queue.withLock { queue in
                defer { queue.jobs = [] }
                return (queue.jobs, queue.isOver)
            }
            for job in jobs { job() }
            if isOver { return }
        }
    }
}
