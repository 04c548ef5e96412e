// The built program as a child process, for what only a process of its own can show: its memory and its signals.

import Glibc
import Synchronization
import TestSupport

/// A running `clash-proxy`.
final class Program: Sendable {
    private let process: pid_t
    private let log: CapturedLog
    private let hasEnded = Mutex(false)

    /// The program lies beside the test bundle.
    static let path: String = {
        var buffer = [CChar](repeating: 0, count: 4_096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        let own = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let arguments = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? own
        return String(arguments.prefix(upTo: arguments.lastIndex(of: "/") ?? arguments.startIndex)) + "/clash-proxy"
    }()

    static var isBuilt: Bool { access(path, X_OK) == 0 }

    /// - Parameter output: where its standard output goes; nil: nowhere.
    init(_ arguments: [String], output: Int32? = nil) throws {
        log = try CapturedLog()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, log.descriptor, STDERR_FILENO)
        if let output {
            posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        } else {
            posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        }
        var argv: [UnsafeMutablePointer<CChar>?] = ([Self.path] + arguments).map { strdup($0) }
        defer { argv.forEach { free($0) } }
        argv.append(nil)
        var child = pid_t()
        let code = posix_spawn(&child, Self.path, &actions, nil, argv, environ)
        guard code == 0 else { throw RawClient.Trouble(description: "can not start \(Self.path): \(code)") }
        process = child
    }

    /// Waits for a line of its log that has this in it.
    func logged(_ part: String) async throws -> String { try await log.line(with: part) }

    /// The port for tools, from the line that says where it listens.
    func port() async throws -> Int {
        let line = try await log.line(with: "listening", "tools=")
        let address = line.split(separator: " ").first { $0.hasPrefix("tools=") } ?? ""
        guard let port = address.split(separator: ":").last.flatMap({ Int($0) }) else {
            throw RawClient.Trouble(description: "no port in \(line)")
        }
        return port
    }

    /// The largest resident size so far, in bytes (`VmHWM`).
    var peakMemory: Int {
        guard let file = fopen("/proc/\(process)/status", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if text.hasPrefix("VmHWM:") {
                return text.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }.map { $0 << 10 } ?? 0
            }
        }
        return 0
    }

    /// SIGTERM, and on it goes.
    func signal() { kill(process, SIGTERM) }

    /// Waits for a line of its log.
    func said(_ text: String) async throws { _ = try await log.line(with: text) }

    /// SIGTERM, then its exit status; -1 when it did not exit by itself.
    func end() async throws -> Int {
        kill(process, SIGTERM)
        let process = process
        let status = try await onThread {
            var status: Int32 = 0
            waitpid(process, &status, 0)
            return status
        }
        hasEnded.withLock { $0 = true }
        log.close()
        return status & 0x7F == 0 ? Int(status >> 8) & 0xFF : -1
    }

    /// A test that failed in between leaves no process behind.
    deinit {
        guard !hasEnded.withLock({ $0 }) else { return }
        kill(process, SIGKILL)
        var status: Int32 = 0
        waitpid(process, &status, 0)
    }
}
