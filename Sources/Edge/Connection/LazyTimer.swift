// One scheduled task for all deadlines of a connection.

import NIOCore

/// Fires no later than the earliest moment that was asked for; who is told looks whether anything is due then. A deadline
/// that moves back, as it does with every request, costs a comparison. Confined to the connection's event loop.
final class LazyTimer {
    private var task: Scheduled<Void>?
    private var due = NIODeadline.distantFuture

    /// Whether it fires by then anyway.
    func covers(_ deadline: NIODeadline) -> Bool { task != nil && due <= deadline }

    func expect(by deadline: NIODeadline, on eventLoop: any EventLoop, _ fire: @escaping () -> Void) {
        if covers(deadline) { return }
        task?.cancel()
        due = deadline
        task = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in
            self?.task = nil
            fire()
        }
    }

    func cancel() {
        task?.cancel()
        task = nil
    }
}
