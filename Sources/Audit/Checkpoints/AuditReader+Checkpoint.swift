// The log against a checkpoint that was noted elsewhere, of today or of years ago.

/// What a log says to a checkpoint.
public enum CheckpointVerdict: Sendable, Equatable {
    /// Its first records are those that were signed.
    case holds
    /// They are others, or not all of them are there.
    case differs
    /// It has only so many records.
    case tooShort(records: UInt64)
    /// Records up to this one were retired, so that it cannot be told.
    case retired(upTo: UInt64)
}

extension AuditReader {
    /// Builds the tree over the log's lines up to the checkpoint's size and compares the roots. Whether the lines are whole
    /// records is `verify`'s to say.
    public func verify(_ checkpoint: Checkpoint) throws(AuditReadFailure) -> CheckpointVerdict {
        try AuditReadFailure.wrapping { () throws(FileFailure) in
            let scan = LogScan(folder: folder, fileSystem: fileSystem)
            let isCut = try folder.files(in: fileSystem).first.map { $0.first > 1 } ?? false
            let retired = isCut ? try scan.retired() : nil
            if let last = retired?.last.seq, checkpoint.size < last { return .retired(upTo: last) }
            var tree = LogTree(after: retired)
            if tree.tree.size < checkpoint.size {
                try scan.run { line in
                    tree.take(line)
                    return tree.tree.size < checkpoint.size
                }
            }
            guard tree.tree.size == checkpoint.size else { return .tooShort(records: tree.tree.size) }
            return tree.tree.root == checkpoint.root ? .holds : .differs
        }
    }
}
