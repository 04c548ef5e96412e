// Time on the curl thread: nanoseconds of CLOCK_MONOTONIC as a plain integer, cheap to keep and to compare.

import Glibc

/// Nanoseconds; as a point in time, of the monotonic clock.
typealias Nanoseconds = Int64

enum Monotonic {
    static func now() -> Nanoseconds {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

extension Duration {
    /// This duration in nanoseconds, within 0 and about 31 years, so that adding it to a point in time cannot overflow.
    var nanoseconds: Nanoseconds {
        let (seconds, attoseconds) = self.components
        if seconds < 0 || attoseconds < 0 { return 0 }
        return min(seconds, 1_000_000_000) * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
