// What checkpoints need of the log when it is opened: its name, its tree, and whether the checkpoint that was written last is
// still true. One that is not is kept under another name: it is the proof.

import Ground

struct CheckpointStart {
    let folder: LogFolder
    let options: AuditOptions

    /// Gives the log its name if it has none yet. Without any, nothing is signed.
    func signer() throws(AuditOpenFailure) -> NoteSigningKey? {
        guard let wanted = options.signingKey?.name ?? options.name else { return nil }
        let name = try AuditOpenFailure.wrapping { () throws(FileFailure) in
            try LogName(folder: folder, fileSystem: options.fileSystem).fix(wanted)
        }
        return options.signingKey?.named(name)
    }

    /// The log's file for it.
    var file: AtomicFile { AtomicFile(path: folder.path(of: "checkpoint"), fileSystem: options.fileSystem) }

    /// The newest checkpoint of an earlier process, if this key has signed it.
    func former(_ signer: NoteSigningKey) throws(FileFailure) -> Checkpoint? {
        guard let note = try file.read() else { return nil }
        return try? Checkpoint(parsing: note, key: signer.verifier)
    }

    /// Names of the checkpoints that were put aside, and are still there.
    var disputed: [String] {
        get throws(FileFailure) {
            try options.fileSystem.list(folder.path).filter { $0.hasPrefix("checkpoint.disputed-") }.sorted()
        }
    }

    /// Puts a checkpoint aside that the log contradicts; what to tell of it.
    func dispute(_ checkpoint: Checkpoint) throws(FileFailure) -> String {
        var number = 1
        while try options.fileSystem.status(file.path + ".disputed-\(number)") != nil { number += 1 }
        let name = "checkpoint.disputed-\(number)"
        try options.fileSystem.rename(file.path, to: folder.path(of: name))
        try options.fileSystem.syncFolder(folder.path)
        return "the first \(checkpoint.size) records are not those of the last checkpoint, which is now \(name)"
    }
}

/// Builds the tree line by line, and holds it against a checkpoint on its way.
struct TreeBuilder {
    private(set) var tree: LogTree
    private let former: Checkpoint?
    private var isTrue: Bool

    init(after retired: RetiredPart?, former: Checkpoint?) {
        let begun = LogTree(after: retired)
        (tree, self.former) = (begun, former)
        // Of what was retired nothing can be told any more.
        isTrue = former.map { $0.size < begun.tree.size } ?? true
        compare()
    }

    mutating func take(_ line: Span<UInt8>) {
        tree.take(line)
        compare()
    }

    private mutating func compare() {
        if let former, tree.tree.size == former.size { isTrue = tree.tree.root == former.root }
    }

    /// The checkpoint that the lines contradict.
    var disputed: Checkpoint? { isTrue ? nil : former }
}
