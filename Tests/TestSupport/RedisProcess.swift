// A real redis-server for tests, on a free port of loopback, without anything on disk.

import Glibc
import Synchronization

/// A started redis-server. Ends with `end`, or with the test's process at the latest by `deinit`.
public final class RedisProcess: Sendable {
    /// For `enabled(if:)`.
    public static let isInstalled = path != nil

    /// Another server can be tested by naming it in `CLASH_TEST_REDIS`.
    private static let path: String? = [
        ownEnvironment()["CLASH_TEST_REDIS"] ?? "", "/usr/bin/redis-server", "/usr/local/bin/redis-server",
    ].first {
        (place: String) in
        access(place, X_OK) == 0
    }

    /// Where it listens, in the clear or with TLS.
    public let port: Int
    private let password: String?
    private let process: Mutex<pid_t>

    /// Starts it and waits until it listens.
    ///
    /// - Parameters:
    ///   - port: one that another had before; 0: a free one.
    ///   - options: as on its command line, behind those that keep it off the disk.
    ///   - isTLS: it listens with TLS alone, by `options`.
    ///   - password: by which `say` enters.
    public init(port: Int = 0, _ options: [String] = [], isTLS: Bool = false, password: String? = nil) async throws {
        guard let path = Self.path else { throw RawClient.Trouble(description: "redis-server is not installed") }
        self.password = password
        var attempt = 0
        while true {
            let number = port == 0 ? try Self.freePort() : port
            let ports = isTLS ? ["--port", "0", "--tls-port", "\(number)"] : ["--port", "\(number)"]
            let words =
                [path] + ports + [
                    "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp", "--daemonize", "no",
                    "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", "--repl-diskless-load", "swapdb",
                ] + options
            let process = try spawn(path, words)
            var hasEnded = false
            try await eventually("redis-server listens on \(number)") {
                var status: Int32 = 0
                hasEnded = waitpid(process, &status, WNOHANG) == process
                return hasEnded || (try? RawClient(port: number)) != nil
            }
            if !hasEnded {
                self.port = number
                self.process = Mutex(process)
                return
            }
            // Somebody else was quicker to take the port.
            attempt += 1
            if attempt == 5 { throw RawClient.Trouble(description: "redis-server ends at once: \(words)") }
        }
    }

    deinit { end() }

    /// Sends it a signal.
    public func signal(_ number: Int32) { process.withLock { if $0 > 0 { _ = kill($0, number) } } }

    /// Kills it and waits for its end.
    public func end() {
        process.withLock { process in
            guard process > 0 else { return }
            kill(process, SIGKILL)
            var status: Int32 = 0
            waitpid(process, &status, 0)
            process = 0
        }
    }

    /// What it answers to a command, as it comes over the wire. Only in the clear.
    @discardableResult
    public func say(_ command: String) async throws -> String {
        let client = try RawClient(port: port)
        defer { client.close() }
        let entry = password.map { "AUTH \($0)\r\n" } ?? ""
        try await client.send("\(entry)\(command)\r\nQUIT\r\n")
        var text = String(decoding: try await client.readToEnd(), as: UTF8.self)
        if !entry.isEmpty, text.hasPrefix("+OK\r\n") { text.removeFirst(4) }
        if text.hasSuffix("+OK\r\n") { text = String(text.unicodeScalars.dropLast(5)) }
        return text
    }

    /// A port that was free a moment ago.
    public static func freePort() throws -> Int {
        let (descriptor, port) = ScriptedOrigin.listen(backlog: 1)
        close(descriptor)
        return port
    }
}
