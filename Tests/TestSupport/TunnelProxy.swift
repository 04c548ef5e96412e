// An HTTP proxy that knows CONNECT and nothing else (RFC 9110 section 9.3.6): it keeps what it is asked, and what goes through
// it, and can say no.

import Glibc
import Synchronization

/// A proxy on 127.0.0.1 with a port of the system's choice.
public final class TunnelProxy: Sendable {
    private struct State {
        var heads: [String] = []
        var seen: [UInt8] = []
    }

    private final class Shared: Sendable {
        let state = Mutex(State())
    }

    private let server: ScriptedOrigin
    private let shared: Shared

    /// - Parameters:
    ///   - refusal: the whole answer to the n-th CONNECT (from 1); nil: a tunnel.
    ///   - silence: whether the CONNECT with this head is never answered.
    public init(
        refusal: @escaping @Sendable (Int, String) -> String? = { _, _ in nil },
        silence: @escaping @Sendable (String) -> Bool = { _ in false }
    ) {
        let shared = Shared()
        self.shared = shared
        server = ScriptedOrigin { connection in
            let head = try connection.readHead()
            let number = shared.state.withLock { state in
                state.heads.append(head)
                return state.heads.count
            }
            if silence(head) {
                _ = connection.readUntilClosed()
                return
            }
            if let answer = refusal(number, head) {
                try connection.send(answer)
                _ = connection.readUntilClosed()
                return
            }
            let words = head.split(separator: " ")
            guard words.count > 1, words[0] == "CONNECT", let colon = words[1].lastIndex(of: ":"),
                let port = Int(words[1][words[1].index(after: colon)...]),
                let there = try? RawClient(port: port, host: String(words[1][..<colon]))
            else { return try connection.send("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n") }
            try connection.send("HTTP/1.1 200 Connection established\r\nX-Of-The-Proxy: 1\r\n\r\n")
            Self.relay(connection.descriptor, there.descriptor) { bytes in
                shared.state.withLock { $0.seen += bytes }
            }
            there.close()
        }
    }

    /// `http://127.0.0.1:PORT`
    public var url: String { server.url }
    /// Where it listens.
    public var port: Int { server.port }
    /// The heads of all CONNECTs so far.
    public var heads: [String] { shared.state.withLock { $0.heads } }
    /// All bytes that went through it, both ways.
    public var seen: String { shared.state.withLock { String(decoding: $0.seen, as: UTF8.self) } }

    /// Listens no more; tunnels end.
    public func stop() { server.stop() }

    private static func relay(_ left: Int32, _ right: Int32, _ note: (ArraySlice<UInt8>) -> Void) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            var ends = [
                pollfd(fd: left, events: Int16(POLLIN), revents: 0),
                pollfd(fd: right, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&ends, 2, Int32(RawClient.safetyDeadline * 1_000)) > 0 else { return }
            for (from, to) in [(0, right), (1, left)] where ends[from].revents != 0 {
                let count = recv(ends[from].fd, &buffer, buffer.count, 0)
                guard count > 0 else { return }
                note(buffer[..<count])
                var sent = 0
                while sent < count {
                    let more = buffer[sent..<count].withUnsafeBytes {
                        send(to, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                    }
                    guard more > 0 else { return }
                    sent += more
                }
            }
        }
    }
}
