// A server on loopback that does exactly what a script says, byte by byte, on raw sockets: no HTTP library that would
// be polite where a test needs rudeness. Each connection runs its script on a thread of its own.

import Glibc
import Synchronization

/// A scripted TCP server on 127.0.0.1 with a port of the system's choice.
public final class ScriptedOrigin: Sendable {
    /// What to do with a connection. Throwing ends it like returning does.
    public typealias Script = @Sendable (ScriptedConnection) throws -> Void

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private struct State {
        var connections: [ScriptedConnection] = []
        var isStopped = false
        var isClosed = false
        /// A socket that has the port when nobody listens any more.
        var placeholder: Int32 = -1
    }

    private final class Shared: Sendable {
        let state = Mutex(State())

        deinit { state.withLock { if $0.placeholder >= 0 { Glibc.close($0.placeholder) } } }
    }

    /// The port it listens on.
    public let port: Int
    private let listener: Int32
    private let shared = Shared()

    /// Listens and runs `script` for every connection that comes in. `port`: one that another origin had before, or 0.
    public init(port: Int = 0, _ script: @escaping Script) {
        (self.listener, self.port) = Self.listen(backlog: 512, port: port)
        let (listener, port, shared) = (self.listener, self.port, self.shared)
        Self.startThread {
            while true {
                let descriptor = accept(listener, nil, nil)
                if descriptor < 0 {
                    if errno == EINTR || errno == ECONNABORTED { continue }
                    break
                }
                // A child process of some test must not keep the connection open.
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
                let connection = shared.state.withLock { state -> ScriptedConnection? in
                    if state.isStopped { return nil }
                    let connection = ScriptedConnection(index: state.connections.count, descriptor: descriptor)
                    state.connections.append(connection)
                    return connection
                }
                guard let connection else {
                    Glibc.close(descriptor)
                    break
                }
                Self.startThread {
                    try? script(connection)
                    connection.close()
                }
            }
            // Bound and not listening, it refuses connections: nobody else's server gets the port meanwhile.
            let placeholder = Self.bind(port: port).descriptor
            Glibc.close(listener)
            shared.state.withLock {
                $0.placeholder = placeholder
                $0.isClosed = true
            }
        }
    }

    deinit {
        self.stop()
    }

    /// `http://127.0.0.1:PORT`
    public var url: String { "http://127.0.0.1:\(self.port)" }

    /// The connections so far, in the order in which they were accepted.
    public var connections: [ScriptedConnection] { self.shared.state.withLock { $0.connections } }

    /// How many connections were accepted.
    public var acceptCount: Int { self.connections.count }

    /// Whether `stop()` has taken effect: connecting is refused from then on.
    public var isClosed: Bool { self.shared.state.withLock { $0.isClosed } }

    /// Everything received on all connections, as text.
    public var receivedText: String { self.connections.map(\.receivedText).joined() }

    /// Stops listening and interrupts all scripts.
    public func stop() {
        let connections = self.shared.state.withLock { state -> [ScriptedConnection] in
            if state.isStopped { return [] }
            state.isStopped = true
            shutdown(self.listener, Int32(SHUT_RDWR))
            return state.connections
        }
        for connection in connections { connection.interrupt() }
    }

    // MARK: Inside

    static func listen(backlog: Int32, port: Int = 0) -> (descriptor: Int32, port: Int) {
        let bound = bind(port: port)
        precondition(Glibc.listen(bound.descriptor, backlog) == 0, "nobody can listen at \(bound.port): \(errno)")
        return bound
    }

    private static func bind(port: Int) -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        // Also where nobody listened before, so that somebody may after it.
        var isReused: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &isReused, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_port = UInt16(port).bigEndian
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                Glibc.bind(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
            }
        }
        precondition(isBound, "no loopback port: \(errno)")
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }

    static func startThread(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let work = Unmanaged.passRetained(Work(body))
        let code = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, work.toOpaque())
        precondition(code == 0, "no thread")
        pthread_detach(thread)
    }
}
