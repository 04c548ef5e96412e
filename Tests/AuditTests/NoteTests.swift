// Notes and keys by the words of C2SP, with the example of its reference implementation.

import Ground
import Testing

@testable import Audit

@Suite("Signed notes")
struct NoteTests {
    /// Of Go's golang.org/x/mod/sumdb/note, whose format C2SP signed-note describes.
    private static let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    private static let note = """
        If you think cryptography is the answer to your problem,
        then you don't know what your problem is.

        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=

        """

    @Test("the reference example is accepted, and refused after any change of one byte")
    func reference() throws {
        let key = try NoteVerifierKey(parsing: Self.key)
        #expect(key.name == "PeterNeumann" && key.description == Self.key)
        try SignedNote(parsing: Self.note).check(key)
        let bytes = Array(Self.note.utf8)
        for index in bytes.indices where bytes[index] < 0x80 {
            var changed = bytes
            changed[index] ^= 0x01
            guard let text = String(validating: changed, as: UTF8.self) else { continue }
            #expect(throws: NoteProblem.self, "byte \(index)") { try SignedNote(parsing: text).check(key) }
        }
    }

    @Test("what a key signs its verifier key accepts, beside signatures of others; no other key does")
    func roundTrip() throws {
        let key = NoteSigningKey(newFor: NoteName.origin("host a+b/c"))
        #expect(key.name == "clash-proxy/host-a-b/c")
        let checkpoint = Checkpoint(origin: key.name, tree: MerkleTree())
        let note = try #require(key.sign(checkpoint.text))
        let verifier = try NoteVerifierKey(parsing: "\(key.verifier)")
        #expect(try Checkpoint(parsing: note, key: verifier) == checkpoint)
        let witnessed = note + "\u{2014} witness.example AAAAAAECAwQ=\n"
        #expect(try Checkpoint(parsing: witnessed, key: verifier) == checkpoint)
        #expect(throws: NoteProblem.self) {
            try Checkpoint(parsing: note, key: NoteSigningKey(newFor: key.name).verifier)
        }
        #expect(throws: NoteProblem.self) {
            try Checkpoint(parsing: note, key: key.named("clash-proxy/other").verifier)
        }
        let foreign = try #require(key.sign(Checkpoint(origin: "clash-proxy/other", tree: MerkleTree()).text))
        #expect(throws: NoteProblem.self, "signed, but of another log") {
            try Checkpoint(parsing: foreign, key: verifier)
        }
    }

    @Test("a key's file is read back; what is none is refused, and shown nowhere")
    func keys() throws {
        let key = NoteSigningKey(newFor: "clash-proxy/a")
        let text = key.withText { $0 }
        #expect(text.hasPrefix("PRIVATE+KEY+clash-proxy/a+") && text.hasSuffix("\n"))
        #expect("\(try NoteSigningKey(parsing: text).verifier)" == "\(key.verifier)")
        #expect("\(key)" == "a signing key of clash-proxy/a")
        for wrong in ["", "x", "PRIVATE+KEY+a+b", String(text.dropLast(4)), text.replacing("proxy/a", with: "proxy/b")]
        {
            #expect(throws: NoteProblem.self, "\(wrong)") { try NoteSigningKey(parsing: wrong) }
        }
        for wrong in ["", "a+b", "a b+c74f20a3+ARpc", Self.key.replacing("c74f", with: "c74e"), Self.key + "AAAA"] {
            #expect(throws: NoteProblem.self, "\(wrong)") { try NoteVerifierKey(parsing: wrong) }
        }
    }

    @Test("keygen's file is its owner's alone, and never written over another")
    func file() throws {
        let folder = try LogFolder()
        let file = SigningKeyFile(path: folder.path + "/key")
        let verifier = try file.make(for: "clash-proxy/a")
        let bytes = try folder.read("key")
        #expect(try PosixFileSystem().status(folder.path + "/key")?.mode == 0o600)
        #expect("\(try NoteSigningKey(parsing: String(decoding: bytes, as: UTF8.self)).verifier)" == "\(verifier)")
        do {
            _ = try file.make(for: "clash-proxy/b")
            Issue.record("made a second key")
        } catch {
            #expect(error.description.contains("exists already") && error.description.contains("\(verifier)"))
        }
        #expect(try folder.read("key") == bytes)
    }
}
