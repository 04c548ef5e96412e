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
            case .reloading: "RELOADING=1\nMONOTONIC_USEC=\(Self.microseconds)"
            case .stopping: "STOPPING=1"
            case .alive: "WATCHDOG=1"
            // A line end would begin another assignment.
            case .status(let line): "STATUS=" + line.split(whereSeparator: \.isNewline).joined(separator: " ")
            }
        }

        private static var microseconds: Int64 {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
        }
    }

    private let descriptor: CInt
    private let address: sockaddr_un
    private let length: socklen_t
    /// How often it wants to hear that all is well; nil: it does not.
    let watchdog: Duration?

    /// Nil where the environment names no socket, or none that can be sent to.
    ///
    /// - Parameter process: whose watchdog it is, where the environment says so.
    package init?(_ environment: [String: String], process: pid_t = getpid()) {
        guard let name = environment["NOTIFY_SOCKET"], let (address, length) = Self.address(name) else { return nil }
        (self.address, self.length) = (address, length)
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        watchdog = Self.watchdog(environment, process)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    private static func address(_ name: String) -> (sockaddr_un, socklen_t)? {
        var address = sockaddr_un()
        var bytes = Array(name.utf8)
        guard bytes.count > 1, bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        let isAbstract = bytes[0] == UInt8(ascii: "@")
        guard isAbstract || bytes[0] == UInt8(ascii: "/") else { return nil }
        // Of an abstract name the length counts, of a path its end.
        bytes[0] = isAbstract ? 0 : bytes[0]
        if !isAbstract { bytes.append(0) }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? MemoryLayout<sa_family_t>.size
        return (address, socklen_t(offset + bytes.count))
    }

    private static func watchdog(_ environment: [String: String], _ process: pid_t) -> Duration? {
        if let pid = environment["WATCHDOG_PID"], pid != String(process) { return nil }
        guard let span = environment["WATCHDOG_USEC"].flatMap({ Int64($0) }), span > 0 else { return nil }
        return .microseconds(span)
    }

    /// Sends at once or, where the manager does not keep up, not at all.
    func tell(_ news: News...) {
        let text = news.map(\.text).joined(separator: "\n")
        var address = address
        let bytes = Array(text.utf8)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL), $0, length)
            }
        }
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
            ) { manager.tell(.alive) }
            watchdog.withLock { $0 = dog }
        }
    }
}
