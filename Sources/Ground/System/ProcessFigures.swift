// What the kernel says about this process: proc(5).

import Glibc

/// Figures of this process at one time.
package struct ProcessFigures: Sendable, Equatable {
    /// Processor time in user and system mode, in seconds.
    package let cpuSeconds: Double
    /// Memory in use, in bytes.
    package let residentBytes: Int
    /// Address space, in bytes.
    package let virtualBytes: Int
    /// Open descriptors.
    package let openFiles: Int
    /// The soft limit of open descriptors.
    package let maxFiles: Int
    /// When it began, in seconds since 1970.
    package let startSeconds: Double

    /// Nil where there is no /proc. Reads a few small files.
    package static func now() -> ProcessFigures? {
        // The name in parentheses may hold blanks; what follows has one field each, the first of which is number 3.
        guard let stat = content("/proc/self/stat"), let end = stat.lastIndex(of: ")"),
            let boot = bootSeconds, case let ticks = Double(sysconf(Int32(_SC_CLK_TCK))), ticks > 0
        else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ").map(String.init)
        func field(_ number: Int) -> Double? { fields.count > number - 3 ? Double(fields[number - 3]) : nil }
        guard let user = field(14), let system = field(15), let started = field(22), let virtual = field(23),
            let pages = field(24)
        else { return nil }
        var files = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
        return ProcessFigures(
            cpuSeconds: (user + system) / ticks, residentBytes: Int(pages) * Int(sysconf(Int32(_SC_PAGESIZE))),
            virtualBytes: Int(virtual), openFiles: openFiles, maxFiles: Int(clamping: files.rlim_cur),
            startSeconds: Double(boot) + started / ticks)
    }

    /// All but the descriptor that the look itself needs.
    private static var openFiles: Int {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        // Two of the entries are the folder and its parent.
        while readdir(folder) != nil { count += 1 }
        return max(count - 3, 0)
    }

    private static let bootSeconds: Int? = {
        guard let stat = content("/proc/stat") else { return nil }
        let line = stat.split(separator: "\n").first { $0.hasPrefix("btime ") }
        return line.flatMap { Int($0.dropFirst("btime ".count)) }
    }()

    private static func content(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while case let count = read(descriptor, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}
