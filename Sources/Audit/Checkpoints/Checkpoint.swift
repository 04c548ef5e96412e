// C2SP tlog-checkpoint: what a log was at one moment, in three lines of a signed note. Later lines are extensions, of which we
// write none and read past any.

import Crypto
import Ground

/// So many records, and the root of the Merkle tree over their lines.
public struct Checkpoint: Sendable, Equatable {
    /// Which log.
    public let origin: String
    /// How many records.
    public let size: UInt64
    /// 32 bytes (RFC 6962 section 2.1).
    public let root: [UInt8]

    init(origin: String, tree: MerkleTree) {
        (self.origin, size, root) = (origin, tree.size, tree.root)
    }

    /// Reads a note and checks who signed it.
    ///
    /// - Parameter key: of the log's signer; its name must be the log's, too.
    public init(parsing note: String, key: NoteVerifierKey) throws(NoteProblem) {
        let signed = try SignedNote(parsing: note)
        let lines = signed.text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 4, let size = UInt64(lines[1]), String(size) == lines[1],
            let root = Base64.decode(lines[2].utf8), root.count == SHA256.byteCount
        else { throw NoteProblem("is no checkpoint") }
        try signed.check(key)
        guard lines[0] == key.name else {
            throw NoteProblem("is of the log \(lines[0]), and the key is that of \(key.name)")
        }
        (origin, self.size, self.root) = (String(lines[0]), size, root)
    }

    /// The three lines.
    var text: String { "\(origin)\n\(size)\n\(Base64.encode(root))\n" }
}
