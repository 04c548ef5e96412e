// What a thread sleeps on: a POSIX semaphore, because a wait on it can end at a time and a ring that comes before the
// wait is not lost.

import CGround
import Glibc

/// Wakes a thread. Any thread may ring and wait at any time; each ring ends one wait.
package final class Doorbell: Sendable {
    // Proof of safety: the semaphore is made before the object is shared and destroyed when nobody has it any more;
    // in between it is only passed to sem_post, sem_wait and sem_clockwait, which any thread may call at any time.
    private nonisolated(unsafe) let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    /// A bell that has not been rung.
    package init() {
        sem_init(semaphore, 0, 0)
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    /// Ends a wait, or the next one. Never blocks.
    package func ring() {
        sem_post(semaphore)
    }

    /// Blocks until a ring, and by the monotonic clock no longer than `duration` (at most a century) if there is one.
    /// False if the time was over before.
    @discardableResult
    package func wait(atMost duration: Duration? = nil) -> Bool {
        guard let duration else {
            while sem_wait(semaphore) != 0 && errno == EINTR {}
            return true
        }
        var until = timespec()
        clock_gettime(CLOCK_MONOTONIC, &until)
        let nanoseconds = Int64(until.tv_nsec) + max(duration, .zero).clampedNanoseconds
        until.tv_sec += Int(nanoseconds / 1_000_000_000)
        until.tv_nsec = Int(nanoseconds % 1_000_000_000)
        while cground_wait(semaphore, &until) != 0 {
            if errno != EINTR { return false }
        }
        return true
    }
}
