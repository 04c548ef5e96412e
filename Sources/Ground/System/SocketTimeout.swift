import Glibc

/// Bounds on how long calls on a blocking socket take.
package enum SocketTimeout {
    /// Sending fails with EAGAIN when there was no room for so long.
    package static func set(sending seconds: Int, on descriptor: CInt) {
        var timeout = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }
}
