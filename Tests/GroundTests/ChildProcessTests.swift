// Programs that are run as children: what they get, and that they end with all that they have started.

import Glibc
import Ground
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1))) struct ChildProcessTests {
    /// A program of these lines.
    private func script(_ folder: TemporaryFolder, _ lines: String) throws -> String {
        let path = folder.path + "/program"
        try write("#!/bin/sh\ncd \(folder.path)\n\(lines)\n", to: path)
        #expect(chmod(path, 0o700) == 0)
        return path
    }

    private func write(_ text: String, to path: String) throws {
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
    }

    private func content(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("a program gets its input, its variables and nothing else, and says how it ended")
    func plain() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let lines = "cat >in; env >env; ls /proc/self/fd >fds; trap >traps; exit 3"
        let child = try ChildProcess(
            script(folder, lines), variables: ["A=b", "PATH=/usr/bin:/bin"], input: Array("hello".utf8))
        #expect(await OffThread.run { child.wait() } == .exited(3))
        child.killAll()
        #expect(content(folder.path + "/in") == "hello")
        let variables = content(folder.path + "/env").split(separator: "\n").filter { !$0.hasPrefix("_=") }
        #expect(
            Set(variables.map { String($0.prefix { $0 != "=" }) }).subtracting(["PWD", "SHLVL", "OLDPWD"]) == [
                "A", "PATH",
            ])
        // ls itself has the folder open.
        #expect(content(folder.path + "/fds").split(separator: "\n").count == 4)
    }

    @Test("what runs too long ends with all that it has started")
    func killed() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let child = try ChildProcess(
            script(folder, "sleep 1000 & echo $! >grandchild; echo $$ >child; wait"),
            variables: ["PATH=/usr/bin:/bin"], input: [])
        try await eventually("both run") { content(folder.path + "/child").hasSuffix("\n") }
        child.killAll()
        #expect(await OffThread.run { child.wait() } == .signalled(SIGKILL))
        for name in ["child", "grandchild"] {
            let text = content(folder.path + "/" + name)
            let pid = try #require(pid_t(text.dropLast()))
            try await eventually("\(name) is gone") { isGone(pid) }
        }
    }

    /// Dead ones whose new parent has not looked yet are gone as well.
    private func isGone(_ pid: pid_t) -> Bool {
        guard kill(pid, 0) == 0 else { return true }
        let status = content("/proc/\(pid)/stat")
        return status.isEmpty || status[(status.lastIndex(of: ")") ?? status.startIndex)...].hasPrefix(") Z")
    }

    @Test("what cannot be started says why")
    func missing() throws {
        #expect(throws: ChildProcess.Failure.self) {
            try ChildProcess("/nowhere/at/all", variables: [], input: [])
        }
        // Nobody waits for a pipe that is full.
        #expect(throws: ChildProcess.Failure.self) {
            try ChildProcess("/bin/cat", variables: [], input: [UInt8](repeating: 0x20, count: 1 << 20))
        }
    }
}
