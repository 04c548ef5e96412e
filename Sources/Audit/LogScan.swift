// All lines of all files, in order, in constant memory.

struct LogScan {
    let folder: LogFolder
    let fileSystem: any FileSystem

    /// Calls `body` with each line until it returns false. A torn last line is left out.
    func run(from first: UInt64 = 0, _ body: (Span<UInt8>) -> Bool) throws(FileFailure) {
        let files = try folder.files(in: fileSystem)
        for (index, name) in files.enumerated() {
            if index + 1 < files.count, files[index + 1].first <= first { continue }
            let file = try fileSystem.open(folder.path(of: name.text), .read)
            defer { fileSystem.close(file) }
            var reader = LineReader(file, in: fileSystem, size: try fileSystem.status(file).size)
            while let line = try reader.next() {
                guard line.isTerminated else { continue }
                guard reader.with(line, body) else { return }
            }
        }
    }
}
