// What the writer's thread sleeps on: a POSIX semaphore, because a wait on it can end at a time and a ring that comes
// before the wait is not lost.

import CAudit
import Glibc

final class Doorbell: Sendable {
    // Proof of safety: the semaphore is made before the object is shared and destroyed when nobody has it any more;
    // in between it is only passed to sem_post and sem_clockwait, which any thread may call at any time.
    private nonisolated(unsafe) let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() {
        sem_init(semaphore, 0, 0)
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func ring() {
        sem_post(semaphore)
    }

    /// Returns at a ring, after `duration` if there is one, or early for no reason.
    func wait(atMost duration: Duration?) {
        guard let duration else {
            sem_wait(semaphore)
            return
        }
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let (seconds, attoseconds) = max(.zero, min(duration, .seconds(3600))).components
        let nanoseconds = Int64(time.tv_nsec) + attoseconds / 1_000_000_000
        time.tv_sec += Int(seconds + nanoseconds / 1_000_000_000)
        time.tv_nsec = Int(nanoseconds % 1_000_000_000)
        _ = caudit_wait(semaphore, &time)
    }
}
