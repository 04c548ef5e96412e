// What a process may ask of the kernel for itself, and the kernel's clock.

import Glibc

/// Limits of this process.
package enum ProcessSettings {
    /// As many open files as the hard limit allows; how many that is.
    package static func raiseOpenFiles() -> Int {
        var files = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files) == 0 {
            files.rlim_cur = files.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
        }
        return Int(clamping: files.rlim_cur)
    }

    /// No core files from now on.
    package static func forbidCoreFiles() {
        var core = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &core)
    }
}

/// CLOCK_MONOTONIC, for those outside who compare with it.
package enum KernelClock {
    /// Since some moment before this system started.
    package static var microseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }
}
