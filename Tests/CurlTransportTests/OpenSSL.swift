// The openssl command as a certificate authority and as a TLS server, for the tests that need either.

import Glibc
import Synchronization
import TestSupport
import Testing

/// A child process with pipes to its standard input and from its standard output.
final class ChildProcess: Sendable {
    private let process: pid_t
    private let input: Int32
    private let output: Int32
    private let text = Mutex([UInt8]())

    init(_ arguments: [String]) throws {
        var (inputEnds, outputEnds): ([Int32], [Int32]) = ([0, 0], [0, 0])
        guard pipe(&inputEnds) == 0, pipe(&outputEnds) == 0 else { throw TestTrouble(description: "no pipe") }
        // Other children must not keep our ends open.
        for end in inputEnds + outputEnds { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer {
            close(inputEnds[0])
            close(outputEnds[1])
        }
        self.process = try spawn(
            arguments[0], arguments, input: .descriptor(inputEnds[0]), output: .descriptor(outputEnds[1]))
        (self.input, self.output) = (inputEnds[1], outputEnds[0])
    }

    deinit {
        kill(self.process, SIGKILL)
        waitpid(self.process, nil, 0)
        close(self.input)
        close(self.output)
    }

    func send(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { write(self.input, $0.baseAddress, $0.count) }
    }

    /// Reads standard output until `isEnough` accepts it; blocks.
    func output(until isEnough: (String) -> Bool) throws -> String {
        String(decoding: try self.bytes { isEnough(String(decoding: $0, as: UTF8.self)) }, as: UTF8.self)
    }

    /// Reads standard output until `isEnough` accepts it; blocks.
    func bytes(until isEnough: ([UInt8]) -> Bool) throws -> [UInt8] {
        while true {
            let bytes = self.text.withLock { $0 }
            if isEnough(bytes) { return bytes }
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = read(self.output, &buffer, buffer.count)
            guard count > 0 else {
                throw TestTrouble(description: "the process ended: \(String(decoding: bytes, as: UTF8.self))")
            }
            self.text.withLock { $0 += buffer[..<count] }
        }
    }
}

/// A folder with a self-signed certificate for 127.0.0.1.
final class Certificate: Sendable {
    let folder: String
    var file: String { self.folder + "/cert.pem" }
    var keyFile: String { self.folder + "/key.pem" }

    private let temporary: TemporaryFolder

    init() throws {
        temporary = try TemporaryFolder()
        self.folder = temporary.path
        let command = try ChildProcess([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2",
            "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.folder + "/key.pem", "-out",
            self.folder + "/cert.pem",
        ])
        _ = try? command.output { _ in false }
        guard access(self.file, R_OK) == 0 else { throw TestTrouble(description: "no certificate was made") }
    }

    deinit { temporary.remove() }
}

/// `openssl s_server` on a free loopback port.
final class TLSServer: Sendable {
    let process: ChildProcess
    let url: String

    init(_ certificate: Certificate, _ arguments: String...) throws {
        self.process = try ChildProcess(
            ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", certificate.file, "-key", certificate.keyFile]
                + arguments)
        let text = try self.process.output { $0.contains("ACCEPT") && $0.last == "\n" }
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("ACCEPT") }),
            let port = line.split(separator: ":").last
        else { throw TestTrouble(description: "no port: \(text)") }
        self.url = "https://127.0.0.1:\(port)"
    }
}
