// Which sockets libcurl has open, and which of them lie idle after a complete HTTP/1 exchange.
// libcurl 7.88 takes bytes that arrive on an idle connection for the answer to the next request, which may be somebody
// else's (fixed in 8.0.0), and does not notice that the server has closed it. So before new transfers run, every idle
// socket that has become readable is shut down; libcurl then finds it dead and discards it.

import Glibc

/// The local and remote end of a connection, as libcurl's pre-request callback tells them.
struct ConnectionKey: Equatable {
    private let addresses: UInt64
    private let ports: UInt64

    init(
        remoteAddress: UnsafePointer<CChar>?, localAddress: UnsafePointer<CChar>?, remotePort: Int32, localPort: Int32
    ) {
        self.addresses = unsafe Self.mixing(
            localAddress, into: Self.mixing(remoteAddress, into: 14_695_981_039_346_656_037))
        self.ports = UInt64(UInt32(bitPattern: remotePort)) << 32 | UInt64(UInt32(bitPattern: localPort))
    }

    /// FNV-1a; a collision would only leave one idle socket unwatched.
    private static func mixing(_ text: UnsafePointer<CChar>?, into start: UInt64) -> UInt64 {
        var hash = start
        if var byte = unsafe text {
            while unsafe byte.pointee != 0 {
                hash = unsafe (hash ^ UInt64(UInt8(bitPattern: byte.pointee))) &* 1_099_511_628_211
                unsafe byte += 1
            }
        }
        return hash &* 1_099_511_628_211
    }
}

/// libcurl's open sockets.
struct SocketLedger {
    private struct Entry {
        let descriptor: Int32
        let inode: UInt64
        var key: ConnectionKey?
        /// Who used it last; only that exchange's end makes it idle.
        var user: ObjectIdentifier?
        var isIdle = false
    }

    private var entries: [Entry] = []
    /// Who uses a connection whose socket is not known yet.
    private var newcomers: [(key: ConnectionKey, user: ObjectIdentifier)] = []
    private var polled: [pollfd] = []
    private var idleCount = 0

    var openCount: Int { self.entries.count }

    mutating func opened(_ descriptor: Int32) {
        self.entries.append(Entry(descriptor: descriptor, inode: Self.inode(of: descriptor) ?? 0))
    }

    mutating func closed(_ descriptor: Int32) {
        guard let index = self.entries.firstIndex(where: { $0.descriptor == descriptor }) else { return }
        if self.entries[index].isIdle { self.idleCount -= 1 }
        self.entries.swapAt(index, self.entries.count - 1)
        self.entries.removeLast()
    }

    /// Forgets sockets of failed connection attempts, which libcurl 7.88 closes without telling.
    mutating func dropClosed() {
        self.entries.removeAll { $0.key == nil && Self.inode(of: $0.descriptor) != $0.inode }
    }

    /// A request of `user` goes out on this connection.
    mutating func busy(_ key: ConnectionKey, user: ObjectIdentifier) {
        if let index = self.entries.firstIndex(where: { $0.key == key }) {
            if self.entries[index].isIdle { self.idleCount -= 1 }
            self.entries[index].isIdle = false
            self.entries[index].user = user
        } else {
            self.newcomers.removeAll { $0.key == key }
            self.newcomers.append((key, user))
        }
    }

    /// The exchange of `user` on this connection is over. libcurl may have given the connection to another exchange
    /// already, in the same turn; then it is not idle. The socket is asked for only once per connection.
    mutating func idle(_ key: ConnectionKey, user: ObjectIdentifier, descriptor: () -> Int32?) {
        defer { self.forget(user: user) }
        var found = self.entries.firstIndex(where: { $0.key == key })
        if found == nil {
            let newcomer = self.newcomers.firstIndex { $0.key == key }
            guard let descriptor = descriptor() else { return }
            found = self.entries.firstIndex(where: { $0.descriptor == descriptor })
            if let found {
                self.entries[found].key = key
                self.entries[found].user = newcomer.map { self.newcomers[$0].user }
            }
            if let newcomer { self.newcomers.remove(at: newcomer) }
        }
        guard let found, self.entries[found].user == user, !self.entries[found].isIdle else { return }
        self.entries[found].isIdle = true
        self.idleCount += 1
    }

    /// The exchange of `user` is over and leaves no idle connection behind.
    mutating func forget(user: ObjectIdentifier) {
        self.newcomers.removeAll { $0.user == user }
    }

    /// Shuts down idle sockets on which something has arrived, be it stray bytes or the end. Returns how many.
    mutating func discardUnclean() -> Int {
        if self.idleCount == 0 { return 0 }
        self.polled.removeAll(keepingCapacity: true)
        for entry in self.entries where entry.isIdle {
            self.polled.append(pollfd(fd: entry.descriptor, events: Int16(POLLIN), revents: 0))
        }
        guard unsafe poll(&self.polled, nfds_t(self.polled.count), 0) > 0 else { return 0 }
        var discarded = 0
        for polled in self.polled where polled.revents != 0 {
            Glibc.shutdown(polled.fd, Int32(SHUT_RDWR))
            discarded += 1
            // It stays in the ledger until libcurl closes it, but needs no second look.
            if let index = self.entries.firstIndex(where: { $0.descriptor == polled.fd }) {
                self.entries[index].isIdle = false
                self.idleCount -= 1
            }
        }
        return discarded
    }

    /// Tells a socket from a later one that got the same number.
    private static func inode(of descriptor: Int32) -> UInt64? {
        var status = stat()
        return unsafe fstat(descriptor, &status) == 0 ? UInt64(status.st_ino) : nil
    }
}
