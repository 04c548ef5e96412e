// An HTTP client for tests that sends exactly the bytes it is given and tells exactly what came back: no library that
// would correct a test's mistakes. POSIX sockets; every blocking call runs on a thread of its own, never on the pool
// that the code under test needs, and ends with an error after a safety deadline.

import Glibc
import Synchronization

/// One connection to a server. Calls are made one after the other; any task may make them.
public final class RawClient: Sendable {
    /// The connection did not do what was waited for.
    public struct Trouble: Error, CustomStringConvertible {
        /// What happened.
        public let description: String

        /// Makes one; tests throw it, too.
        public init(description: String) { self.description = description }
    }

    /// How long a single call may block before it fails. Only there so that a hang fails a test.
    public static let safetyDeadline = 20

    let descriptor: Int32
    let inbox = Mutex(RawInbox())
    private let isClosed = Mutex(false)

    /// Connects to a TCP port; `host` is an IPv4 or IPv6 address.
    public convenience init(port: Int, host: String = "127.0.0.1") throws {
        if host.utf8.contains(UInt8(ascii: ":")) {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = in_port_t(UInt16(port).bigEndian)
            inet_pton(AF_INET6, host, &address.sin6_addr)
            try self.init(family: AF_INET6, &address)
        } else {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(UInt16(port).bigEndian)
            inet_pton(AF_INET, host, &address.sin_addr)
            try self.init(family: AF_INET, &address)
        }
    }

    /// Connects to a unix socket.
    public convenience init(unixPath: String) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path) - 1
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: unixPath.utf8.prefix(capacity)) }
        try self.init(family: AF_UNIX, &address)
    }

    private init<Address>(family: Int32, _ address: inout Address) throws {
        descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var limit = timeval(tv_sec: Self.safetyDeadline, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        let descriptor = descriptor
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard connected == 0 else {
            let problem = String(cString: strerror(errno))
            Glibc.close(descriptor)
            isClosed.withLock { $0 = true }
            throw Trouble(description: "cannot connect: \(problem)")
        }
    }

    deinit { close() }

    // MARK: Sending

    /// Sends text as it stands.
    public func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    /// Sends bytes, waiting for the peer to take them.
    public func send(_ bytes: [UInt8]) async throws {
        try await onThread { try self.sendBlocking(bytes) }
    }

    func sendBlocking(_ bytes: [UInt8]) throws {
        var offset = 0
        while offset < bytes.count {
            let count = bytes[offset...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Trouble(description: "the peer takes no bytes: errno \(errno)") }
            offset += count
        }
    }

    /// Sends until the peer has taken nothing for 300 ms; returns how much it took.
    public func sendWhatFits(_ bytes: [UInt8]) async throws -> Int {
        try await onThread {
            var sent = 0
            while sent < bytes.count {
                var polled = pollfd(fd: self.descriptor, events: Int16(POLLOUT), revents: 0)
                guard poll(&polled, 1, 300) > 0 else { break }
                let count = bytes[sent...].withUnsafeBytes {
                    Glibc.send(self.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
                }
                guard count > 0 else { throw Trouble(description: "the peer takes no bytes: errno \(errno)") }
                sent += count
            }
            return sent
        }
    }

    // MARK: Receiving

    /// Everything received on this connection so far, parsed or not.
    public var received: [UInt8] { inbox.withLock { $0.bytes } }

    /// Everything received on this connection so far, as text.
    public var receivedText: String { String(decoding: received, as: UTF8.self) }

    /// Reads once; false at the end of the stream, however it came.
    func receiveMore() throws -> Bool {
        try receiveMore(atMost: 256 << 10)
    }

    private func receiveMore(atMost most: Int) throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: most)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        let problem = errno
        if count > 0 {
            inbox.withLock { $0.bytes += buffer[..<count] }
            return true
        }
        if count == 0 {
            inbox.withLock { $0.ending = .closed }
            return false
        }
        guard problem != EAGAIN, problem != EWOULDBLOCK else {
            throw Trouble(description: "nothing came for \(Self.safetyDeadline) s; so far: \(receivedText.suffix(400))")
        }
        inbox.withLock { $0.ending = .reset }
        return false
    }

    /// Reads until the peer closes or resets, and returns what had not been taken by a response before.
    public func readToEnd() async throws -> [UInt8] {
        try await onThread {
            while try self.receiveMore() {}
            return self.inbox.withLock { inbox in
                defer { inbox.taken = inbox.bytes.count }
                return Array(inbox.bytes[inbox.taken...])
            }
        }
    }

    /// Reads so many bytes or some more, unless the stream ends; how many it were.
    public func readSome(atLeast count: Int) async throws -> Int {
        try await onThread {
            let before = self.received.count
            while self.received.count - before < count, try self.receiveMore(atMost: count) {}
            return self.received.count - before
        }
    }

    /// Whether the peer ended the connection with a reset; known once a read has seen the end.
    public var wasReset: Bool { inbox.withLock { $0.ending == .reset } }

    // MARK: Ending

    /// Sends the end of the stream; receiving goes on.
    public func closeWrite() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Drops the connection with a RST.
    public func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        close()
    }

    /// Closes both directions.
    public func close() {
        isClosed.withLock { isClosed in
            if !isClosed { Glibc.close(descriptor) }
            isClosed = true
        }
    }
}

/// What has been received on a connection.
struct RawInbox {
    enum Ending { case open, closed, reset }

    var bytes: [UInt8] = []
    /// How much of it belongs to responses that were handed out.
    var taken = 0
    var ending = Ending.open
}

/// Runs blocking work on a thread of its own and waits for it without blocking the caller's.
public func onThread<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        ScriptedOrigin.startThread { continuation.resume(with: Swift.Result(catching: work)) }
    }
}
