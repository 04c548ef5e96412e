// When the process has no descriptor for another connection, asking the kernel again and again would burn a core: a
// listener waits instead. What is open goes on, and so do the other listeners.

import Logging
import NIOCore
import Synchronization

enum AcceptPause {
    /// Long enough to cost nothing, short enough for a health check.
    private static let length = TimeAmount.milliseconds(250)
    private static let logsOnceIn = TimeAmount.seconds(60)

    /// Stands first in the pipeline of a listening socket.
    ///
    /// - Parameter key: names the listener in the log.
    static func handler(key: String, logger: Logger) -> AcceptBackoffHandler {
        let quietUntil = Mutex(NIODeadline.uptimeNanoseconds(0))
        return AcceptBackoffHandler(shouldForwardIOErrorCaught: false) { error in
            let now = NIODeadline.now()
            let isNews = quietUntil.withLock { until in
                defer { if now >= until { until = now + logsOnceIn } }
                return now >= until
            }
            if isNews {
                logger.error(
                    "no new connections for now: raise the limit of open files (ulimit -n) or lower listen.max_connections",
                    metadata: ["listener": "\(key)", "error": "\(error)"])
            }
            return length
        }
    }
}
