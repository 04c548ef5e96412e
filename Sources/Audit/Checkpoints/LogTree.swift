// The Merkle tree of a log as it stands on disk, by one pass over its lines. Where files were retired it begins with what their
// record holds of the tree.

import Ground

/// The part of a log that `audit.keep` took away.
struct RetiredPart: Sendable, Equatable {
    /// Its last record.
    var last: AuditHead
    /// The tree over it.
    var tree: MerkleTree
}

struct LogTree: Sendable, Equatable {
    private(set) var tree: MerkleTree
    /// Up to this number records are in the tree already.
    private let covered: UInt64
    private var isBehind: Bool

    init(after retired: RetiredPart? = nil) {
        tree = retired?.tree ?? MerkleTree()
        covered = retired?.last.seq ?? 0
        isBehind = retired == nil
    }

    /// Takes the log's next line.
    mutating func take(_ line: Span<UInt8>) {
        if !isBehind {
            // A crash may have left files that were retired: their removal is made good at the next start.
            guard let frame = LineFrame(line), frame.seq > covered else { return }
            isBehind = true
        }
        tree.append(line)
    }
}

extension LogScan {
    /// What the newest `retired` record tells; nil where the log is as it began.
    func retired() throws(FileFailure) -> RetiredPart? {
        var found: RetiredPart?
        try run { line in
            if let start = LineStart(line), start.event == .retired, let part = RetiredPart(line) { found = part }
            return true
        }
        return found
    }
}

extension RetiredPart {
    /// Reads the member of a `retired` record.
    init?(_ line: Span<UInt8>) {
        guard var members = JSONMembers(line) else { return nil }
        while let member = members.next(in: line) {
            guard line.text(member.key) == "retired" else { continue }
            guard let part = JSON(Array(line.text(member.value).utf8)),
                let seq = part["seq"]?.number.flatMap({ UInt64(exactly: $0) }), let hash = part["hash"]?.string,
                let peaks = part["tree"]?.array?.map({ $0.string.flatMap { Hex.bytes($0) } ?? [] }),
                let tree = MerkleTree(size: seq, peaks: peaks)
            else { return nil }
            self.init(last: AuditHead(seq: seq, hash: hash), tree: tree)
            return
        }
        return nil
    }

    /// `,"retired":{…}`
    var encoded: [UInt8] {
        var out: [UInt8] = []
        out.append(#","retired":{"seq":"#)
        out.append(decimal: last.seq)
        out.append(#","hash":""#)
        out += last.hash.utf8
        out.append(#"","tree":["#)
        for (index, peak) in tree.peaks.enumerated() {
            if index > 0 { out.append(0x2C) }
            out.append(0x22)
            for byte in peak { Hex.append(byte, to: &out) }
            out.append(0x22)
        }
        out.append("]}")
        return out
    }
}
