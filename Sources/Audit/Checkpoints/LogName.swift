// The name of a log, which its checkpoints bear: fixed when the log begins (or is first opened by a version that names logs),
// in a file of its own in the folder, so that another host's name changes nothing.

import Ground

struct LogName {
    let folder: LogFolder
    let fileSystem: any FileSystem

    /// Nil where none is fixed yet.
    func fixed() throws(FileFailure) -> String? {
        guard let text = try file.read() else { return nil }
        let name = String(text.prefix { $0 != "\n" })
        return name.hasPrefix(NoteName.prefix) && NoteName.isUsable(name) ? name : nil
    }

    /// The log's name, which is `name` if it had none.
    func fix(_ name: String) throws(FileFailure) -> String {
        if let fixed = try fixed() { return fixed }
        try file.replace(with: name + "\n")
        return name
    }

    private var file: AtomicFile { AtomicFile(path: folder.path(of: "name"), fileSystem: fileSystem) }
}

extension AuditReader {
    /// The log's name, `clash-proxy/…`, if it is fixed already.
    public func name() throws(AuditReadFailure) -> String? {
        try AuditReadFailure.wrapping { () throws(FileFailure) in
            guard try fileSystem.status(folder.path) != nil else { return nil }
            return try LogName(folder: folder, fileSystem: fileSystem).fixed()
        }
    }
}
