// What is made of the files of a listener: which pairs are good, why others are not, and what a look at them brings.

import Ground
import TestCertificates
import TestSupport
import Testing

@testable import Edge

@Suite struct TLSFilesTests {
    private static let now = WallTime.ofMachine().seconds

    /// Why the chain and key cannot be used; nil when they can.
    private func reason(
        _ chain: [TestCertificate], key: TestCertificate, clientCA: String? = nil, now: Int64 = now
    ) -> TLSFileError.Reason? {
        let bytes = TLSFileBytes(
            certificate: Array(chain.map(\.pem).joined().utf8), key: Array(key.keyPEM.utf8),
            clientCA: clientCA.map { Array($0.utf8) })
        do throws(TLSFileError) {
            _ = try TLSMaterial(bytes, now: now)
            return nil
        } catch {
            return error.reason
        }
    }

    @Test("a chain counts from the key's certificate on, each signed by the next, with or without the root")
    func chains() throws {
        let root = try TestCertificate("root", isAuthority: true)
        let middle = try TestCertificate("middle", issuer: root, isAuthority: true)
        let leaf = try TestCertificate("leaf", issuer: middle)
        #expect(reason([leaf], key: leaf) == nil)
        #expect(reason([leaf, middle], key: leaf) == nil)
        #expect(reason([leaf, middle, root], key: leaf) == nil)
        #expect(reason([root], key: root) == nil)
        #expect(reason([leaf, root], key: leaf) == .wrongOrder)
        #expect(reason([middle, leaf], key: leaf) == .wrongOrder)
        #expect(reason([leaf, root, middle], key: leaf) == .wrongOrder)
        #expect(reason([leaf, leaf], key: leaf) == .wrongOrder)
        #expect(reason([middle, root], key: leaf) == .mismatch)
        #expect(reason([], key: leaf) == .unusable)
        #expect(reason([leaf], key: leaf, clientCA: root.pem + middle.pem) == nil)
        #expect(reason([leaf], key: leaf, clientCA: "nothing") == .unusable)
    }

    @Test("every certificate of the chain must be valid now; the first that ends is the one that counts")
    func dates() throws {
        let root = try TestCertificate("root", days: (-10, 5), isAuthority: true)
        let leaf = try TestCertificate("leaf", issuer: root, days: (-1, 30))
        #expect(reason([leaf, root], key: leaf) == nil)
        #expect(reason([leaf, root], key: leaf, now: Self.now + 6 * 86_400) == .expired)
        #expect(reason([leaf], key: leaf, now: Self.now + 6 * 86_400) == nil)
        #expect(reason([leaf, root], key: leaf, now: Self.now - 2 * 86_400) == .notYetValid)
        let bytes = TLSFileBytes(
            certificate: Array((leaf.pem + root.pem).utf8), key: Array(leaf.keyPEM.utf8), clientCA: nil)
        let first = try TLSMaterial(bytes, now: Self.now).firstToEnd
        #expect(first.number == 2)
        #expect(abs(first.end - (Self.now + 5 * 86_400)) < 120)
    }

    @Test("a key may stand behind its parameters; what is no key, or encrypted, is told apart")
    func keys() throws {
        let leaf = try TestCertificate("leaf")
        func message(_ key: String) -> String? {
            let bytes = TLSFileBytes(certificate: Array(leaf.pem.utf8), key: Array(key.utf8), clientCA: nil)
            do throws(TLSFileError) {
                _ = try TLSMaterial(bytes, now: Self.now)
                return nil
            } catch {
                return "\(error)"
            }
        }
        let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        #expect(message(parameters + leaf.keyPEM) == nil)
        #expect(message(leaf.pem)?.contains("no PEM key") == true)
        #expect(
            message("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")?.contains(
                "encrypted") == true)
        #expect(message("")?.contains("no PEM key") == true)
    }

    @Test("a look takes what is new and good, refuses what is not once, and goes back to nothing")
    func looks() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let files = TLSFiles(
            certificate: "\(folder.path)/c.pem", key: "\(folder.path)/k.pem", clientCA: nil)
        func put(_ certificate: TestCertificate, key: TestCertificate) throws {
            try TestCertificate.write(certificate.pem, to: files.certificate)
            try TestCertificate.write(key.keyPEM, to: files.key)
        }
        let first = try TestCertificate("first", days: (-1, 10))
        try put(first, key: first)
        let tls = try ServerTLS(files) { WallTime(seconds: Self.now) }
        #expect(tls.look() == .nothing)
        let second = try TestCertificate("second", days: (-1, 20))
        try put(second, key: first)
        guard case .refused(let error) = tls.look() else { return #expect(Bool(false), "a mismatch was not refused") }
        #expect(error.reason == .mismatch && error.file == .key)
        #expect(tls.look() == .nothing)
        try put(second, key: second)
        #expect(tls.look() == .taken([.certificate, .key]))
        #expect(abs(tls.firstToEnd.end - (Self.now + 20 * 86_400)) < 120)
        #expect(tls.look() == .nothing)
        try put(second, key: first)
        guard case .refused = tls.look() else { return #expect(Bool(false), "a second mismatch was not refused") }
        try put(second, key: second)
        #expect(tls.look() == .nothing)
        try put(second, key: first)
        guard case .refused = tls.look() else { return #expect(Bool(false), "a third mismatch was not refused") }
    }

    @Test("what cannot be read is told with its reason: missing, a folder, a pipe, larger than 1 MiB")
    func unreadable() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let leaf = try TestCertificate("leaf")
        let certificate = "\(folder.path)/c.pem"
        try TestCertificate.write(leaf.pem, to: certificate)
        func message(_ key: String) -> String? {
            do throws(TLSFileError) {
                _ = try TLSFiles(certificate: certificate, key: key, clientCA: nil).read()
                return nil
            } catch {
                return error.reason == .unreadable && error.file == .key ? "\(error)" : "\(error.reason)"
            }
        }
        #expect(message("\(folder.path)/none") == "cannot be read: No such file or directory")
        #expect(message(folder.path) == "is no regular file")
        let large = "\(folder.path)/large"
        try TestCertificate.write(String(repeating: "x", count: (1 << 20) + 1), to: large)
        #expect(message(large) == "is larger than 1 MiB")
    }

    @Test("the names of a client are its common name and its DNS, URI, e-mail and IP names, in this order")
    func names() throws {
        let client = try TestCertificate(
            "CN of it", names: ["DNS:a.example", "URI:spiffe://a/b", "email:ada@a.example", "IP:10.1.2.3"])
        #expect(
            CertificateNames.of(client.der) == [
                "CN of it", "a.example", "spiffe://a/b", "ada@a.example", "10.1.2.3",
            ])
        #expect(CertificateNames.of(try TestCertificate("alone").der) == ["alone"])
        #expect(CertificateNames.of([0x30, 0x00]) == [])
        #expect(CertificateNames.of([]) == [])
    }
}
