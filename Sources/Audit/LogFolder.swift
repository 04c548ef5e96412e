// The names in a log's folder. `audit-<first seq, 20 digits>.jsonl` are the log, in order of their names;
// `audit-….torn-<n>` is what was set aside and is no part of the chain; `audit.lock` belongs to the one writer.

import Glibc

struct LogFolder: Sendable, Equatable {
    let path: String

    var lockPath: String { "\(path)/audit.lock" }

    func path(of name: String) -> String { "\(path)/\(name)" }

    /// The log's files by their first number, ascending.
    func files(in fileSystem: any FileSystem) throws(FileFailure) -> [LogFileName] {
        try fileSystem.list(path).compactMap(LogFileName.init).sorted { $0.first < $1.first }
    }

    /// The folder that holds this one.
    var parent: String {
        var path = Substring(path)
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

extension LogFolder {
    /// The path as seen from everywhere.
    var absolute: String {
        guard !path.hasPrefix("/"), let folder = unsafe getcwd(nil, 0) else { return path }
        defer { unsafe free(folder) }
        let here = unsafe String(cString: folder)
        return path == "." ? here : here + "/" + path
    }
}

extension FileFailure {
    /// The folder that did not let a folder be made, or be looked for, in it; nil where the failure is about the log's
    /// own folder or what is in it.
    var missedFolder: LogFolder? {
        guard operation == "create folder" || operation == "stat", !isOfLogFile else { return nil }
        return LogFolder(path: LogFolder(path: path).parent)
    }

    /// The log's folder, whether the failure is about that or about a file in it.
    var logFolder: LogFolder { isOfLogFile ? LogFolder(path: LogFolder(path: path).parent) : LogFolder(path: path) }

    private var isOfLogFile: Bool {
        guard let name = path.split(separator: "/").last else { return false }
        return name == "audit.lock" || name.hasPrefix("audit-") && (name.hasSuffix(".jsonl") || name.contains(".torn-"))
    }
}

/// `audit-00000000000000000001.jsonl`
struct LogFileName: Sendable, Hashable {
    /// The number of the first record in the file.
    let first: UInt64

    init(first: UInt64) {
        self.first = first
    }

    init?(_ name: String) {
        guard name.utf8.count == 32, name.hasPrefix("audit-"), name.hasSuffix(".jsonl") else { return nil }
        let digits = name.dropFirst(6).dropLast(6)
        guard digits.utf8.allSatisfy({ $0 &- 0x30 < 10 }), let first = UInt64(digits), first > 0 else { return nil }
        self.first = first
    }

    var text: String { stem + ".jsonl" }

    func torn(_ number: Int) -> String { "\(stem).torn-\(number)" }

    private var stem: String {
        let digits = String(first)
        return "audit-" + String(repeating: "0", count: 20 - digits.utf8.count) + digits
    }
}
