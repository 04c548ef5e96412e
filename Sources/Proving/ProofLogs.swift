// What the proxy under proof writes, and where: a folder that goes with the proof, and lines in memory.

import Glibc
import Logging
import Synchronization

/// A folder for one proof that only this user can enter. Removed with everything in it.
struct ProofFolder: Sendable {
    let path: String

    struct Unusable: Error, CustomStringConvertible { let description: String }

    /// Below `parent`.
    init(in parent: String) throws(Unusable) {
        var template = Array("\(parent)/clash-proxy-prove-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw Unusable(
                description: "no temporary folder can be made in \(parent): \(String(cString: strerror(errno)))")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// A new file to write, for this user's eyes only; its descriptor.
    func create(_ name: String) throws(Unusable) -> Int32 {
        let descriptor = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Unusable(description: "\(path)/\(name) cannot be made") }
        return descriptor
    }

    func remove() { Self.remove(path) }

    private static func remove(_ path: String) {
        for name in names(in: path) {
            let inside = "\(path)/\(name)"
            if unlink(inside) != 0 { remove(inside) }
        }
        rmdir(path)
    }

    /// What a folder holds.
    static func names(in path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// What a file holds; empty where it cannot be read.
    static func text(of path: String) -> String {
        guard let file = fopen(path, "re") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The application log in memory, at every level. Usable from every thread.
final class ProofLog: Sendable {
    private let lines = Mutex("")

    var text: String { lines.withLock { $0 } }

    var logger: Logger { Logger(label: "prove") { _ in Handler(log: self) } }

    private struct Handler: LogHandler {
        let log: ProofLog
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        init(log: ProofLog) { self.log = log }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let line = "\(event.level) \(event.message) \(event.metadata ?? [:])\n"
            log.lines.withLock { $0 += line }
        }
    }
}
