// The built program, run to its end: what it prints and its exit code.

import FoundationEssentials
import Glibc
import Synchronization
import TestSupport

enum AuditProgram {
    struct Result: Sendable {
        let status: Int
        let output: String
        let errors: String
        var lines: [String] { output.split(separator: "\n").map(String.init) }
    }

    /// Runs `clash-proxy` with these arguments. Fails when it does not end within two minutes.
    static func run(_ arguments: [String]) async throws -> Result {
        try await run(Program.path, arguments)
    }

    /// In the folder `place` if one is given, with this environment in place of the test's own, and without the name that
    /// comes before all arguments if so told.
    static func run(
        _ path: String, _ arguments: [String], in place: String? = nil, environment: [String: String]? = nil,
        named: Bool = true
    ) async throws -> Result {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        var (file, words) = (path, (named ? [path] : []) + arguments)
        if let place {
            words = ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", place] + words
            file = "/bin/sh"
        }
        let child = try spawn(
            file, words, environment: environment, output: .file("\(folder.path)/out"),
            errors: .file("\(folder.path)/err"))
        let status = try await onThread {
            var status: Int32 = 0
            // Killed from here when it hangs, so that no process is left behind.
            let deadline = ContinuousClock.now + .seconds(120)
            while waitpid(child, &status, WNOHANG) == 0 {
                if ContinuousClock.now > deadline { kill(child, SIGKILL) }
                usleep(2_000)
            }
            return status
        }
        return Result(
            status: status & 0x7F == 0 ? Int(status >> 8) & 0xFF : -1, output: try text("\(folder.path)/out"),
            errors: try text("\(folder.path)/err"))
    }

    private static func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
    }
}
