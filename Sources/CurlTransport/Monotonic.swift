// Time on the curl thread: nanoseconds of CLOCK_MONOTONIC as a plain integer, cheap to keep and to compare.

import Glibc
import Ground

/// Nanoseconds of the monotonic clock.
enum Monotonic {
    static func now() -> Nanoseconds {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

extension Duration {
    /// This duration in nanoseconds, within 0 and about 31 years, so that adding it to a point in time cannot overflow.
    var nanoseconds: Nanoseconds { min(max(self, .zero).clampedNanoseconds, 1_000_000_000_000_000_000) }
}
