// C2SP signed-note: a text that ends with a line end, an empty line, and a line for each signature. Signatures of others
// (witnesses) may stand beside ours and are left alone.

import Ground

struct SignedNote: Sendable, Equatable {
    struct Signature: Sendable, Equatable {
        var name: String
        /// The first four bytes tell the key.
        var bytes: [UInt8]
    }

    /// With its line end.
    let text: String
    let signatures: [Signature]

    init(parsing note: String) throws(NoteProblem) {
        let bytes = Array(note.utf8)
        guard bytes.allSatisfy({ $0 >= 0x20 || $0 == 0x0A }), bytes.last == 0x0A,
            let gap = note.ranges(of: "\n\n").last
        else { throw NoteProblem("is no signed note") }
        text = note[..<gap.lowerBound] + "\n"
        let lines = note[gap.upperBound...].split(separator: "\n")
        var found: [Signature] = []
        for line in lines {
            let parts = line.split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0] == "\u{2014}", NoteName.isUsable(String(parts[1])),
                let bytes = Base64.decode(parts[2].utf8), bytes.count > 4
            else { throw NoteProblem("has a signature line that is none") }
            found.append(Signature(name: String(parts[1]), bytes: bytes))
        }
        guard !found.isEmpty else { throw NoteProblem("has no signature") }
        signatures = found
    }

    /// Throws unless this key has signed it.
    func check(_ key: NoteVerifierKey) throws(NoteProblem) {
        let own = signatures.filter { $0.name == key.name && $0.bytes.prefix(4).elementsEqual(key.id) }
        guard !own.isEmpty else {
            let others = signatures.map { "\($0.name)+\(Hex.text(Array($0.bytes.prefix(4))))" }.joined(separator: ", ")
            throw NoteProblem("is not signed by \(key.name)+\(Hex.text(key.id)), but by \(others)")
        }
        guard own.allSatisfy({ key.isSignature(Array($0.bytes.dropFirst(4)), of: text) }) else {
            throw NoteProblem("has a wrong signature: it, or the key, is not what was issued")
        }
    }
}
