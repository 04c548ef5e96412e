// What the process asks of the kernel before it serves.

import Glibc

enum ProcessLimits {
    /// As many open files as the hard limit allows: the usual soft limit of 1024 is far below listen.max_connections.
    /// No core files: memory holds tokens and the client secret.
    static func apply() {
        var files = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files) == 0 {
            files.rlim_cur = files.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
        }
        var core = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &core)
    }
}
