// One accepted connection of a scripted origin, used by its script on a thread of its own.

import Glibc
import Synchronization

/// What a script does with its connection. Any method throws once the peer has gone, which ends the script.
public final class ScriptedConnection: Sendable {
    /// The peer closed, reset, or stayed silent for 20 seconds.
    public struct Ended: Error {
        /// What was waited for.
        public let expected: String
    }

    /// Counts connections of one origin from 0.
    public let index: Int
    let descriptor: Int32
    private let isClosed = Mutex(false)
    private let state = Mutex((received: [UInt8](), taken: 0))

    init(index: Int, descriptor: Int32) {
        self.index = index
        self.descriptor = descriptor
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Everything the peer has sent so far.
    public var received: [UInt8] { self.state.withLock { $0.received } }

    /// Everything the peer has sent so far, as text.
    public var receivedText: String { String(decoding: self.received, as: UTF8.self) }

    // MARK: Receiving

    /// Reads a message head, up to and including the blank line.
    @discardableResult
    public func readHead() throws -> String {
        try String(decoding: self.read(until: Array("\r\n\r\n".utf8)), as: UTF8.self)
    }

    /// Reads up to and including `mark`.
    public func read(until mark: [UInt8]) throws -> [UInt8] {
        while true {
            let found = self.state.withLock { state -> [UInt8]? in
                let open = state.received[state.taken...]
                guard let end = Self.end(of: mark, in: open) else { return nil }
                state.taken = end
                return Array(open[..<end])
            }
            if let found { return found }
            try self.receiveMore(expected: "mark")
        }
    }

    /// Reads exactly `count` bytes.
    @discardableResult
    public func read(exactly count: Int) throws -> [UInt8] {
        while true {
            let found = self.state.withLock { state -> [UInt8]? in
                guard state.received.count - state.taken >= count else { return nil }
                defer { state.taken += count }
                return Array(state.received[state.taken..<state.taken + count])
            }
            if let found { return found }
            try self.receiveMore(expected: "\(count) bytes")
        }
    }

    /// Reads until the peer has closed or reset. False if it did not within the time limit.
    @discardableResult
    public func readUntilClosed() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = recv(self.descriptor, &buffer, buffer.count, 0)
            if count == 0 { return true }
            if count < 0 { return errno != EAGAIN }
            self.state.withLock { $0.received += buffer[..<count] }
        }
    }

    // MARK: Sending

    /// Sends text as it stands.
    public func send(_ text: String) throws {
        try self.send(Array(text.utf8))
    }

    /// Sends bytes, waiting for the peer to take them.
    public func send(_ bytes: [UInt8]) throws {
        var offset = 0
        while offset < bytes.count {
            let count = bytes[offset...].withUnsafeBytes {
                Glibc.send(self.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Ended(expected: "room to send") }
            offset += count
        }
    }

    /// Sends what the socket takes at once, without waiting for the peer. Returns how much that was.
    public func sendNow(_ bytes: ArraySlice<UInt8>) throws -> Int {
        let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
        let count = bytes.withUnsafeBytes { Glibc.send(self.descriptor, $0.baseAddress, $0.count, flags) }
        if count >= 0 { return count }
        if errno == EAGAIN || errno == EWOULDBLOCK { return 0 }
        throw Ended(expected: "room to send")
    }

    /// Waits until the socket takes bytes again. False after `milliseconds`.
    public func waitForRoom(milliseconds: Int32) -> Bool {
        var polled = pollfd(fd: self.descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&polled, 1, milliseconds) > 0
    }

    // MARK: Ending

    /// Sends the end of the stream; receiving goes on.
    public func closeWrite() {
        shutdown(self.descriptor, Int32(SHUT_WR))
    }

    /// Drops the connection with a RST.
    public func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(self.descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        self.release(politely: false)
    }

    /// Closes the connection. The origin does it, too, when the script returns.
    public func close() {
        self.release(politely: true)
    }

    /// Wakes whatever the script is blocked in.
    func interrupt() {
        self.isClosed.withLock { isClosed in
            if !isClosed { shutdown(self.descriptor, Int32(SHUT_RDWR)) }
        }
    }

    // MARK: Inside

    private func release(politely: Bool) {
        self.isClosed.withLock { isClosed in
            if isClosed { return }
            isClosed = true
            // Reaches the peer even if a child process holds a copy of the descriptor.
            if politely { shutdown(self.descriptor, Int32(SHUT_RDWR)) }
            Glibc.close(self.descriptor)
        }
    }

    private func receiveMore(expected: String) throws {
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        let count = recv(self.descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { throw Ended(expected: expected) }
        self.state.withLock { $0.received += buffer[..<count] }
    }

    private static func end(of mark: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        guard bytes.count >= mark.count else { return nil }
        for start in bytes.startIndex...(bytes.endIndex - mark.count)
        where bytes[start..<start + mark.count].elementsEqual(mark) {
            return start + mark.count
        }
        return nil
    }
}
