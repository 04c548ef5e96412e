// Where a configuration is read from: one file at most, the environment, and flags. Finding and reading
// the file is the only part that touches the file system, so that loading itself is a pure function.

import Glibc

/// What a configuration is made of. Holds secrets in the clear, so it has no printed form.
package struct ConfigSources: Sendable, CustomStringConvertible, CustomReflectable {
    /// A configuration file that was read.
    package struct File: Sendable, CustomStringConvertible, CustomReflectable {
        /// As messages name it.
        package var name: String
        /// Its text.
        package var text: String

        /// A file of this name and text.
        package init(name: String, text: String) {
            self.name = name
            self.text = text
        }

        /// The name alone.
        package var description: String { name }
        /// A mirror without children.
        package var customMirror: Mirror { Mirror(self, children: []) }
    }

    /// nil: defaults, environment and flags only.
    package var file: File?
    /// The process environment; used for `CLASH_PROXY_SECTION_KEY` and for `${NAME}`.
    package var environment: [String: String]
    /// `section.key=value`, as given to `--set`; of two for one key the later counts.
    package var flags: [String]

    /// From parts that are already at hand.
    package init(file: File? = nil, environment: [String: String] = [:], flags: [String] = []) {
        self.file = file
        self.environment = environment
        self.flags = flags
    }

    /// Where relative paths of the file begin; empty for the working directory.
    var folder: String { file.map { FilePath.folder(of: $0.name) } ?? "" }

    /// The file's name alone.
    package var description: String { "configuration from \(file?.name ?? "environment and flags")" }
    /// A mirror without children.
    package var customMirror: Mirror { Mirror(self, children: []) }

    /// Where a configuration is looked for when no `--config` is given, in this order.
    package static let searchPath = ["./proxy.conf", "/etc/clash-proxy/proxy.conf"]

    /// Finds and reads the file: `path` if given, else the first of `searchPath` that exists, else none.
    /// Throws one mistake if the file is there but cannot be read, or if `path` is not there. Blocks on the file system.
    package static func read(
        config path: String?, environment: [String: String], flags: [String], searchPath: [String] = searchPath
    ) throws(ConfigMistakes) -> ConfigSources {
        if path == "" {
            throw ConfigMistakes([
                ConfigMistake(place: .builtIn, problem: "--config names no file", remedy: "name one, or leave it out")
            ])
        }
        var sources = ConfigSources(environment: environment, flags: flags)
        for candidate in path.map({ [$0] }) ?? searchPath {
            // Messages say proxy.conf, as one would.
            let name = candidate.hasPrefix("./") ? String(candidate.dropFirst(2)) : candidate
            do throws(ReadFailure) {
                sources.file = File(name: name, text: try readText(candidate))
                return sources
            } catch {
                if error.isMissing, path == nil { continue }
                throw ConfigMistakes([
                    ConfigMistake(place: .file(name: name, line: nil), problem: error.problem, remedy: error.remedy)
                ])
            }
        }
        return sources
    }

    /// Why the file at `path` is not what a key needs; nil if it is. For `ConfigLoader`'s checks. Blocks on the file system.
    package static func problem(_ path: String, _ content: FileContent) -> String? {
        do throws(ReadFailure) {
            switch content {
            case .any:
                close(try open(path))
                return nil
            case .program:
                // Run, not read.
                var status = stat()
                guard stat(path, &status) == 0 else { throw ReadFailure(problem: "there is no such file") }
                try check(status)
                return access(path, X_OK) == 0 ? nil : "may not be run by this user"
            case .certificates, .credential, .userAndPassword, .signingKey: return content.problem(try readBytes(path))
            }
        } catch {
            return error.problem
        }
    }
}

private struct ReadFailure: Error {
    var problem: String
    var remedy: String?
    var isMissing = false
}

extension ConfigSources {
    /// Far above any real configuration; keeps a wrong path (a device, a log) from filling the memory.
    private static let maxFileBytes = 4 << 20

    /// - Parameter mayStream: whether it may also be what the shell handed over.
    private static func open(_ path: String, mayStream: Bool = false) throws(ReadFailure) -> Int32 {
        // Else opening a pipe would wait for its writer.
        let file = Glibc.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else {
            switch errno {
            case ENOENT, ENOTDIR: throw ReadFailure(problem: "there is no such file", isMissing: true)
            case EACCES: throw ReadFailure(problem: "the file may not be read by this user")
            default: throw ReadFailure(problem: "the file cannot be opened: \(String(cString: strerror(errno)))")
            }
        }
        var status = stat()
        do throws(ReadFailure) {
            guard fstat(file, &status) == 0 else { throw ReadFailure(problem: "the file cannot be read") }
            try check(status, isStream: mayStream && (path.hasPrefix("/dev/") || path.hasPrefix("/proc/")))
        } catch {
            close(file)
            throw error
        }
        _ = fcntl(file, F_SETFL, O_RDONLY)
        return file
    }

    /// - Parameter isStream: it was handed over as one: `/dev/stdin`, `/dev/fd/63`, `/dev/null`.
    private static func check(_ status: stat, isStream: Bool = false) throws(ReadFailure) {
        switch status.st_mode & S_IFMT {
        case S_IFREG: return
        case S_IFDIR: throw ReadFailure(problem: "is a folder, not a file")
        case S_IFIFO, S_IFCHR: if isStream { return }
        default: break
        }
        throw ReadFailure(problem: "is no regular file")
    }

    private static func readText(_ path: String) throws(ReadFailure) -> String {
        guard let text = String(validating: try readBytes(path, mayStream: true), as: UTF8.self) else {
            throw ReadFailure(problem: "is not UTF-8 text", remedy: "save it as UTF-8")
        }
        return text
    }

    private static func readBytes(_ path: String, mayStream: Bool = false) throws(ReadFailure) -> [UInt8] {
        let file = try open(path, mayStream: mayStream)
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw ReadFailure(problem: "the file cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            bytes += chunk[..<count]
            if bytes.count > maxFileBytes { throw ReadFailure(problem: "is larger than 4 MiB, so no configuration") }
        }
        return bytes
    }
}
