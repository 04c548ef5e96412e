// Lets tasks run on an event loop, so that a request's flow and its connection share one thread: no locks, no hops.

import NIOCore

/// A task executor over one event loop. Jobs run in the order in which they were enqueued.
package final class EventLoopExecutor: TaskExecutor {
    /// The loop that its jobs run on.
    package let eventLoop: any EventLoop

    /// An executor of `eventLoop`.
    package init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    /// See `TaskExecutor`.
    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
