// Ed25519 keys in the text forms of C2SP signed-note, which Go's `sumdb/note` and other verifiers read. A key has a name, and
// its id is made of both, so that a key under another name is another key.

import Crypto
import Ground

/// Why a key, a note or a checkpoint is none; to be read after what it is said of.
public struct NoteProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// A part of a sentence.
    public let description: String

    init(_ description: String) { self.description = description }
}

/// Tells whether a note was signed by somebody.
public struct NoteVerifierKey: Sendable, CustomStringConvertible {
    /// Whose it is.
    public let name: String
    let id: [UInt8]
    private let key: Curve25519.Signing.PublicKey

    private static let algorithm: UInt8 = 1

    init(name: String, key: Curve25519.Signing.PublicKey) {
        (self.name, self.key) = (name, key)
        id = Self.id(name, key)
    }

    /// Reads `<name>+<hash>+<key>`.
    public init(parsing text: String) throws(NoteProblem) {
        let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, NoteName.isUsable(String(parts[0])), let id = Hex.bytes(String(parts[1])),
            id.count == 4,
            let data = Base64.decode(parts[2].utf8)
        else { throw NoteProblem("is no verifier key of the form <name>+<hash>+<key>, as `audit keygen` prints it") }
        guard data.first == Self.algorithm, data.count == 33,
            let key = try? Curve25519.Signing.PublicKey(rawRepresentation: data.dropFirst())
        else { throw NoteProblem("is no Ed25519 key") }
        self.init(name: String(parts[0]), key: key)
        guard self.id == id else { throw NoteProblem("has a hash that does not belong to its name and key") }
    }

    /// `<name>+<hash>+<key>`
    public var description: String {
        "\(name)+\(Hex.text(id))+\(Base64.encode([Self.algorithm] + key.rawRepresentation))"
    }

    func isSignature(_ signature: [UInt8], of text: String) -> Bool {
        key.isValidSignature(signature, for: Array(text.utf8))
    }

    private static func id(_ name: String, _ key: Curve25519.Signing.PublicKey) -> [UInt8] {
        Array(SHA256.hash(data: Array(name.utf8) + [0x0A, algorithm] + key.rawRepresentation).prefix(4))
    }
}

/// Signs notes. Has no printed form.
public struct NoteSigningKey: Sendable, CustomStringConvertible {
    /// Whose it is.
    public let name: String
    private let key: Curve25519.Signing.PrivateKey

    private static let prefix = "PRIVATE+KEY+"

    /// A new key.
    ///
    /// - Parameter name: without blanks and `+`.
    public init(newFor name: String) {
        (self.name, key) = (name, Curve25519.Signing.PrivateKey())
    }

    private init(name: String, key: Curve25519.Signing.PrivateKey) { (self.name, self.key) = (name, key) }

    /// Reads `PRIVATE+KEY+<name>+<hash>+<key>`, with or without a line end.
    public init(parsing text: some StringProtocol) throws(NoteProblem) {
        var text = String(text)
        while text.unicodeScalars.last == "\n" || text.unicodeScalars.last == "\r" { text.unicodeScalars.removeLast() }
        let wrong = NoteProblem("holds no signing key of `audit keygen`")
        guard text.hasPrefix(Self.prefix) else { throw wrong }
        let parts = text.dropFirst(Self.prefix.count).split(
            separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, NoteName.isUsable(String(parts[0])), let data = Base64.decode(parts[2].utf8),
            data.count == 33,
            data[0] == 1, let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: data.dropFirst())
        else { throw wrong }
        self.init(name: String(parts[0]), key: key)
        guard Hex.bytes(String(parts[1])) == verifier.id else {
            throw NoteProblem("holds a signing key whose hash does not belong to its name and key")
        }
    }

    /// The other half, which anybody may have.
    public var verifier: NoteVerifierKey { NoteVerifierKey(name: name, key: key.publicKey) }

    /// The same key under another name.
    func named(_ name: String) -> NoteSigningKey { NoteSigningKey(name: name, key: key) }

    /// Nothing of the key.
    public var description: String { "a signing key of \(name)" }

    /// What a file of it holds.
    func withText<R>(_ body: (String) -> R) -> R {
        let data = Base64.encode([1] + key.rawRepresentation)
        return body("\(Self.prefix)\(name)+\(Hex.text(verifier.id))+\(data)\n")
    }

    /// The note with its one signature.
    func sign(_ text: String) -> String? {
        guard let signature = try? key.signature(for: Array(text.utf8)) else { return nil }
        return "\(text)\n\u{2014} \(name) \(Base64.encode(verifier.id + signature))\n"
    }
}

/// Names of logs and keys, as a note can have them.
package enum NoteName {
    /// What every log of this program is named, before its own name.
    static let prefix = "clash-proxy/"

    /// The name of a log's keys and the origin of its checkpoints.
    ///
    /// - Parameter name: a host's, or what somebody made up; what a note cannot have becomes `-`.
    package static func origin(_ name: String) -> String {
        var safe = String.UnicodeScalarView()
        for scalar in name.unicodeScalars { safe.append(isUsable(scalar) ? scalar : "-") }
        return prefix + (safe.isEmpty ? "log" : String(safe))
    }

    static func isUsable(_ name: String) -> Bool { !name.isEmpty && name.unicodeScalars.allSatisfy(isUsable) }

    private static func isUsable(_ scalar: Unicode.Scalar) -> Bool {
        scalar != "+" && !scalar.properties.isWhitespace && scalar.properties.generalCategory != .control
    }
}
