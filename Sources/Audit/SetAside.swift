// Bytes that are no part of the chain are never thrown away: they move to a file of their own beside the log. The copy
// is durable before the original is cut; a crash in between leaves both, and the next start copies once more.

struct SetAside {
    let folder: LogFolder
    let fileSystem: any FileSystem

    /// Copies what stands from `offset` on into a new `.torn` file and cuts it off; returns that file's name.
    func tail(of name: LogFileName, from offset: Int64) throws(FileFailure) -> String {
        let source = try fileSystem.open(folder.path(of: name.text), .append)
        defer { fileSystem.close(source) }
        let (target, torn) = try createTorn(name)
        defer { fileSystem.close(target) }
        try copy(source, from: offset, to: target)
        try fileSystem.sync(target)
        try fileSystem.syncFolder(folder.path)
        try fileSystem.truncate(source, to: offset)
        try fileSystem.sync(source)
        return torn
    }

    /// Renames a whole file to a `.torn` file; returns its new name.
    func whole(_ name: LogFileName) throws(FileFailure) -> String {
        for number in 1... {
            let torn = name.torn(number)
            if try fileSystem.status(folder.path(of: torn)) == nil {
                try fileSystem.rename(folder.path(of: name.text), to: folder.path(of: torn))
                try fileSystem.syncFolder(folder.path)
                return torn
            }
        }
        return name.text
    }

    private func createTorn(_ name: LogFileName) throws(FileFailure) -> (FileHandle, String) {
        var number = 1
        while try fileSystem.status(folder.path(of: name.torn(number))) != nil { number += 1 }
        let torn = name.torn(number)
        return (try fileSystem.open(folder.path(of: torn), .create), torn)
    }

    private func copy(_ source: FileHandle, from start: Int64, to target: FileHandle) throws(FileFailure) {
        var offset = start
        while true {
            let bytes = try fileSystem.bytes(of: source, at: offset, count: 1 << 16)
            if bytes.isEmpty { return }
            try fileSystem.writeAll(target, bytes)
            offset += Int64(bytes.count)
        }
    }
}

extension FileSystem {
    /// Up to `count` bytes; fewer at the end of the file.
    func bytes(of file: FileHandle, at offset: Int64, count: Int) throws(FileFailure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let start = filled
            let result = unsafe bytes.withUnsafeMutableBytes { buffer -> Result<Int, FileFailure> in
                Result { () throws(FileFailure) in
                    let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[start...])
                    return try unsafe self.read(file, at: offset + Int64(start), into: rest)
                }
            }
            let added = try result.get()
            if added == 0 { break }
            filled += added
        }
        bytes.removeLast(count - filled)
        return bytes
    }

    func writeAll(_ file: FileHandle, _ bytes: [UInt8]) throws(FileFailure) {
        let result = unsafe bytes.withUnsafeBytes { buffer -> Result<Void, FileFailure> in
            Result { () throws(FileFailure) in
                var rest = unsafe buffer[...]
                while unsafe !rest.isEmpty {
                    let count: Int = try unsafe self.write(file, UnsafeRawBufferPointer(rebasing: rest))
                    unsafe rest = rest.dropFirst(count)
                }
            }
        }
        try result.get()
    }
}
