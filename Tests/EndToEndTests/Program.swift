// The built program as a child process, for what only a process of its own can show: its memory and its signals.

import Glibc
import Synchronization
import TestSupport

/// A running `clash-proxy`.
final class Program: Sendable {
    let process: pid_t
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

    /// - Parameters:
    ///   - output: where its standard output goes; nil: nowhere.
    ///   - closed: whether standard input and output are closed when it begins.
    ///   - variables: of its environment, besides this process's.
    init(
        _ arguments: [String], output: Int32? = nil, closed: Bool = false, variables: [String: String] = [:]
    ) throws {
        log = try CapturedLog()
        process = try spawn(
            Self.path, [Self.path] + arguments, environment: ownEnvironment().merging(variables) { $1 },
            input: closed ? .closed : .inherited,
            output: closed ? .closed : output.map { .descriptor($0) } ?? .nothing, errors: .descriptor(log.descriptor))
    }

    /// Its log so far.
    var lines: [String] { log.lines }

    /// Waits for a line of its log that has this in it.
    func logged(_ part: String) async throws -> String { try await log.line(with: part) }

    /// The port for tools, or the other, from the line that says where it listens.
    func port(_ listener: String = "tools") async throws -> Int {
        let line = try await log.line(with: "listening", "tools=")
        let address = line.split(separator: " ").first { $0.hasPrefix("\(listener)=") } ?? ""
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

    /// Whether SIGHUP has a handler (`SigCgt`).
    var catchesHangUp: Bool {
        guard let file = fopen("/proc/\(process)/status", "r") else { return false }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard text.hasPrefix("SigCgt:") else { continue }
            let mask = text.split(whereSeparator: \.isWhitespace).last.flatMap { UInt64($0, radix: 16) } ?? 0
            return mask & 1 << UInt64(SIGHUP - 1) != 0
        }
        return false
    }

    /// What its descriptors lead to.
    var descriptors: [Int: String] {
        guard let folder = opendir("/proc/\(process)/fd") else { return [:] }
        defer { closedir(folder) }
        var found: [Int: String] = [:]
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            var target = [CChar](repeating: 0, count: 4_096)
            guard let number = Int(name),
                readlink("/proc/\(process)/fd/\(name)", &target, target.count - 1) >= 0
            else { continue }
            found[number] = String(decoding: target.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        return found
    }

    /// Lets it open so many descriptors and no more.
    func limitDescriptors(to count: Int) async throws {
        let changed = try await AuditProgram.run("/usr/bin/prlimit", ["--pid", "\(process)", "--nofile=\(count):"])
        guard changed.status == 0 else { throw RawClient.Trouble(description: "prlimit: \(changed.errors)") }
    }

    /// The processor time it has used so far, in hundredths of a second.
    var processorTicks: Int {
        guard let file = fopen("/proc/\(process)/stat", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 1_024)
        guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // Behind the name, which may hold blanks: user and system time are fields 14 and 15.
        let words = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
        return words.count > 13 ? (Int(words[12]) ?? 0) + (Int(words[13]) ?? 0) : 0
    }

    /// SIGTERM, and on it goes.
    func signal() { Glibc.kill(process, SIGTERM) }

    /// SIGKILL, and on it goes.
    func kill() { Glibc.kill(process, SIGKILL) }

    /// SIGHUP: it reads its configuration anew.
    func hangUp() { Glibc.kill(process, SIGHUP) }

    /// Waits for a line of its log.
    func said(_ text: String) async throws { _ = try await log.line(with: text) }

    /// SIGTERM, then its exit status; -1 when it did not exit by itself.
    func end() async throws -> Int {
        Glibc.kill(process, SIGTERM)
        return try await exitStatus()
    }

    /// Waits for its end; -1 when it did not exit by itself.
    func exitStatus() async throws -> Int {
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
        Glibc.kill(process, SIGKILL)
        var status: Int32 = 0
        waitpid(process, &status, 0)
    }
}
