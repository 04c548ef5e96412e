// Tells the service manager that started this process how it stands: sd_notify(3), datagrams to the socket that
// NOTIFY_SOCKET names, by its path or in the abstract namespace (@).

import Glibc
import Ground
import Synchronization

/// A service manager that wants to hear of this process. Usable from every thread.
package final class ServiceManager: Sendable {
    enum News {
        /// It serves, or has taken or refused another configuration.
        case ready
        /// A configuration is being read.
        case reloading
        /// It ends.
        case stopping
        /// All parts answer.
        case alive
        /// One line for people.
        case status(String)

        var text: String {
            switch self {
            case .ready: "READY=1"
            // The manager pairs it with the READY=1 that follows by the time of this.
            case .reloading: "RELOADING=1\nMONOTONIC_USEC=\(KernelClock.microseconds)"
            case .stopping: "STOPPING=1"
            case .alive: "WATCHDOG=1"
            // A line end would begin another assignment.
            case .status(let line): "STATUS=" + line.split(whereSeparator: \.isNewline).joined(separator: " ")
            }
        }
    }

    private let descriptor: CInt
    private let address: UnixAddress
    /// How often it wants to hear that all is well; nil: it does not.
    let watchdog: Duration?

    /// Nil where the environment names no socket, or none that can be sent to.
    ///
    /// - Parameter process: whose watchdog it is, where the environment says so.
    package init?(_ environment: [String: String], process: pid_t = getpid()) {
        guard let name = environment["NOTIFY_SOCKET"], let address = UnixAddress(pathOrAbstract: name) else {
            return nil
        }
        self.address = address
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        SocketTimeout.set(sending: 1, on: descriptor)
        watchdog = Self.watchdog(environment, process)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    private static func watchdog(_ environment: [String: String], _ process: pid_t) -> Duration? {
        if let pid = environment["WATCHDOG_PID"], pid != String(process) { return nil }
        guard let span = environment["WATCHDOG_USEC"].flatMap({ Int64($0) }), span > 0 else { return nil }
        return .microseconds(span)
    }

    /// Sends; where the manager does not keep up, waits a second at most for it to take what it would wait for in vain.
    func tell(_ news: News...) { send(news, waits: true) }

    /// Says that all parts answer, at once or, where the manager does not keep up, not at all: it has enough of these to read.
    func beat() { send([.alive], waits: false) }

    private func send(_ news: [News], waits: Bool) {
        let bytes = Array(news.map(\.text).joined(separator: "\n").utf8)
        let flags = Int32(MSG_NOSIGNAL) | (waits ? 0 : Int32(MSG_DONTWAIT))
        _ = address.withAddress { sendto(descriptor, bytes, bytes.count, flags, $0, $1) }
    }
}

extension Sidecar {
    /// It listens: from now on the service manager hears how it stands.
    func tellManager(_ addresses: Addresses) {
        guard let manager = surroundings.manager else { return }
        manager.tell(.ready, .status("listening on \(addresses.tools)"))
        if let span = manager.watchdog {
            let dog = Watchdog(
                parts.group, parts.transport, round: span / 2, time: environment.time, logger: logger
            ) { manager.beat() }
            watchdog.withLock { $0 = dog }
        }
    }
}
