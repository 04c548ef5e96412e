// The command itself: what it prints, what it takes from standard input, and its exit codes.

import FoundationEssentials
import Glibc
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)), .enabled(if: Program.isBuilt)) struct LoginProgramTests {
    @Test("over SSH: the address is printed, the redirect is pasted, nothing secret is shown, exit code 0")
    func pasted() async throws {
        try await withIssuer { simulator, arguments, folder in
            let program = try InteractiveProgram(["login"] + arguments)
            let url = try await program.line { $0.hasPrefix("http://") }
            let callback = try await redirect(url)
            try program.type("what shall I paste?\n")
            try program.type("\(callback)\n")
            #expect(try await program.exitStatus() == 0)
            let state = try StateFile(path: folder + "/sign-in.json").read()
            #expect(program.output.text.contains("Signed in. The sign-in is kept in \(folder)/sign-in.json"))
            #expect(program.output.text.contains("That was not it"))
            let code = callback.split(separator: "code=").last?.prefix { $0 != "&" } ?? "none"
            for secret in [state.refresh, state.access ?? "none", String(code), "demo-secret"] {
                #expect(!program.output.text.contains(secret))
            }
        }
    }

    @Test("a sign-in that is declined ends with 1, Ctrl-C ends with 1, a missing state file with 78")
    func failures() async throws {
        try await withIssuer { simulator, arguments, _ in
            simulator.inject(.signInDeclined, where: RequestFilter(target: "/connect/authorize"))
            let declined = try InteractiveProgram(["login"] + arguments)
            try declined.type("\(try await redirect(try await declined.line { $0.hasPrefix("http://") }))\n")
            #expect(try await declined.exitStatus() == 1)
            #expect(declined.output.text.contains("not signed in: the sign-in was declined"))

            let interrupted = try InteractiveProgram(["login"] + arguments)
            _ = try await interrupted.line { $0.hasPrefix("http://") }
            interrupted.interrupt()
            #expect(try await interrupted.exitStatus() == 1)
            #expect(interrupted.output.text.contains("given up"))

            let nowhere = try InteractiveProgram(["login"] + arguments + ["--set", "token.state_file="])
            #expect(try await nowhere.exitStatus() == 78)
            #expect(nowhere.output.text.contains("token.state_file"))
        }
    }

    /// What the browser does: signs in and is sent back.
    private func redirect(_ url: String) async throws -> String {
        let rest = url.dropFirst("http://".count)
        let port = Int(rest.prefix { $0 != "/" }.split(separator: ":").last ?? "") ?? 0
        let client = try RawClient(port: port)
        defer { client.close() }
        let answer = try await client.exchange("GET \(rest.drop { $0 != "/" }) HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return try #require(answer["Location"])
    }

    private func withIssuer(_ body: (Simulator, [String], String) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        var world = SimulatorConfiguration()
        world.bigReportClashes = 0
        let simulator = Simulator(world)
        let upstream = try await simulator.start()
        let settings = [
            "token.mode=refresh_token", "token.token_url=\(upstream.tokenURL)", "token.client_id=demo",
            "token.client_secret=demo-secret", "token.state_file=\(folder.path)/sign-in.json",
        ]
        do {
            try await body(simulator, ["--config", "/dev/null"] + settings.flatMap { ["--set", $0] }, folder.path)
        } catch {
            await simulator.stop()
            throw error
        }
        await simulator.stop()
    }
}

/// A program with somebody at its terminal.
private final class InteractiveProgram: Sendable {
    /// Standard output and standard error.
    let output: CapturedLog
    private let input: Int32
    private let process: pid_t

    init(_ arguments: [String]) throws {
        output = try CapturedLog()
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw RawClient.Trouble(description: "no pipe: errno \(errno)") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        input = ends[1]
        defer { close(ends[0]) }
        process = try spawn(
            Program.path, [Program.path] + arguments, input: .descriptor(ends[0]),
            output: .descriptor(output.descriptor), errors: .descriptor(output.descriptor))
    }

    func type(_ text: String) throws {
        let bytes = Array(text.utf8)
        guard write(input, bytes, bytes.count) == bytes.count else {
            throw RawClient.Trouble(description: "nobody reads")
        }
    }

    func interrupt() { kill(process, SIGINT) }

    /// The first line of its output that is meant.
    func line(_ isMeant: (String) -> Bool) async throws -> String {
        var found: String?
        try await eventually("a line in:\n\(output.text)") {
            found = output.lines.first(where: isMeant)
            return found != nil
        }
        return found ?? ""
    }

    /// Waits for its end, by itself within 20 s; its exit code, or -1.
    func exitStatus() async throws -> Int {
        let process = process
        let status = try await onThread {
            var status: Int32 = 0
            let deadline = ContinuousClock.now + .seconds(20)
            while waitpid(process, &status, WNOHANG) == 0 {
                if ContinuousClock.now > deadline { kill(process, SIGKILL) }
                usleep(2_000)
            }
            return status
        }
        close(input)
        output.close()
        return status & 0x7F == 0 ? Int(status >> 8) & 0xFF : -1
    }
}
