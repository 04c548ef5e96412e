// The state file on a real disk: who is let in, who is kept out, and several sources on one file at once.

import Glibc
import Ground
import Synchronization
import TestSupport
import Testing

@testable import Tokens

@Suite("A state file on disk", .timeLimit(.minutes(8)))
struct PosixStateFilesTests {
    private let files = PosixStateFiles()

    private func inFolder(_ body: (String) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try await body(folder.path)
    }

    private func signIn(_ token: String = "R1") -> SignIn {
        SignIn(
            clientID: "c", tokenURL: "https://x/", scope: "", refreshToken: Hidden(token),
            obtainedAt: .seconds(1_800_000_000), access: nil)
    }

    private func mode(_ path: String) -> UInt32 {
        var status = stat()
        return stat(path, &status) == 0 ? UInt32(status.st_mode) & 0o7777 : 0
    }

    @Test("what is stored is read back; the file is its owner's alone, whatever the umask and the old file")
    func store() async throws {
        try await inFolder { folder in
            let file = SignInFile(path: folder + "/state.json")
            #expect(try file.read() == nil)
            try await file.store(signIn("R1"))
            #expect(try file.read() == signIn("R1"))
            #expect(mode(file.path) == 0o600)
            chmod(file.path, 0o644)
            #expect(throws: StateTrouble.self) { try file.read() }
            try await file.store(signIn("R2"))
            #expect(try files.read(file.path)?.bytes == SignInText(signIn("R2"), replaces: nil).bytes)
            #expect(mode(file.path) == 0o600)
            #expect(mode(file.path + ".lock") == 0o600)
            #expect(mode(file.path + ".new") == 0, "nothing is left")
        }
    }

    @Test("a corrupt file gives way to a new sign-in; a check of it leaves it alone")
    func corrupt() async throws {
        try await inFolder { folder in
            let file = SignInFile(path: folder + "/state.json")
            try files.write([1, 2, 3], to: try files.create(file.path))
            try await file.checkWritable()
            #expect(try files.read(file.path)?.bytes == [1, 2, 3])
            #expect(mode(file.path + ".new") == 0)
            try await file.store(signIn())
            #expect(try file.read() == signIn())
        }
    }

    @Test("a link, a folder and a pipe are told as what they are, at once")
    func strange() async throws {
        try await inFolder { folder in
            let real = SignInFile(path: folder + "/real")
            try await real.store(signIn())
            symlink(real.path, folder + "/link")
            mkdir(folder + "/folder", 0o700)
            mkfifo(folder + "/pipe", 0o600)
            for (name, text) in [
                ("link", "is a symbolic link"), ("folder", "is not a regular file"), ("pipe", "is not a regular file"),
            ] {
                let file = SignInFile(path: folder + "/" + name)
                let trouble = try #require(throws: StateTrouble.self) { try file.read() }
                #expect(trouble.message.contains(text))
                let failure = try await #require(throws: SignInFailure.self) { try await file.store(signIn("R2")) }
                #expect(failure.reason == .notSaved)
            }
            #expect(try real.read() == signIn())
        }
    }

    @Test("what is left beside it by somebody else is not followed and not kept")
    func left() async throws {
        try await inFolder { folder in
            let file = SignInFile(path: folder + "/state.json")
            let victim = folder + "/victim"
            try files.write([7], to: try files.create(victim))
            symlink(victim, file.path + ".new")
            try await file.store(signIn())
            #expect(try files.read(victim)?.bytes == [7])
            #expect(try file.read() == signIn())
        }
    }

    @Test("a new file is never one that was there, nor where a link leads")
    func exclusive() async throws {
        try await inFolder { folder in
            files.close(try files.create(folder + "/a"))
            symlink(folder + "/b", folder + "/link")
            for name in ["/a", "/link"] {
                #expect(throws: StateTrouble.self) { try files.create(folder + name) }
            }
            #expect(try files.read(folder + "/b") == nil)
        }
    }

    @Test("a folder that is missing says so")
    func noFolder() async throws {
        let file = SignInFile(path: "/nowhere/at/all/state.json")
        let failure = try await #require(throws: SignInFailure.self) { try await file.checkWritable() }
        #expect(failure.reason == .notSaved)
        #expect(failure.message.contains("/nowhere/at/all") && failure.message.contains("No such file"))
    }

    @Test("one holder of the lock at a time, within one process too")
    func lock() async throws {
        try await inFolder { folder in
            let file = SignInFile(path: folder + "/state.json")
            let other = SignInFile(path: folder + "/state.json")
            let lock = try #require(try file.lock())
            #expect(try other.lock() == nil)
            file.unlock(lock)
            let again = try #require(try other.lock())
            #expect(try file.lock() == nil)
            other.unlock(again)
        }
    }

    @Test("a login waits for a refresh that holds the lock")
    func loginWaits() async throws {
        try await inFolder { folder in
            let file = SignInFile(path: folder + "/state.json")
            let lock = try #require(try file.lock())
            let clock = TestClock()
            let storing = Task.immediate { try await file.store(signIn(), time: .hand(clock)) }
            try await clock.waitForSleeper(until: clock.instant(.milliseconds(100)))
            #expect(try file.read() == nil)
            file.unlock(lock)
            clock.advance(by: .milliseconds(100))
            try await storing.value
            #expect(try file.read() == signIn())
        }
    }

    @Test("blocking calls leave the thread that asks for them")
    func offThread() async {
        let caller = pthread_self()
        #expect(await OffThread.run { pthread_equal(pthread_self(), caller) } == 0)
    }

    // MARK: Several sources

    /// Answers as the issuer does.
    private struct Straight: TokenEndpoint {
        let issuer: RotatingIssuer

        func post(_ request: TokenRequest) async throws(TokenEndpointFailure) -> TokenEndpointAnswer {
            await Task.yield()
            return issuer.answer(request)
        }
    }

    private func source(_ path: String, _ issuer: RotatingIssuer, _ time: Time) -> TokenSource {
        TokenSource(
            configuration: .init(
                clientID: RotatingIssuer.clientID, clientSecret: nil,
                grant: .refreshToken(SignInFile(path: path), tokenURL: RotatingIssuer.url)),
            endpoint: Straight(issuer: issuer), time: time, log: { _ in })
    }

    @Test("eight sources that start at once on one file make one request and have one token")
    func eight() async throws {
        try await inFolder { folder in
            let issuer = RotatingIssuer()
            let path = folder + "/state.json"
            try await SignInFile(path: path).store(issuer.signIn(.system, withAccess: false))
            let sources = (0..<8).map { _ in source(path, issuer, .system) }
            let tokens = try await withThrowingTaskGroup(of: String.self) { group in
                for source in sources { group.addTask { @concurrent in try await source.current().headerValue } }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(tokens == ["Bearer A2"])
            #expect(issuer.requests == 1 && issuer.reuses == 0)
            for source in sources { await source.stop() }
        }
    }

    @Test("four sources under load through forty lifetimes: no refresh token is ever sent twice, no call fails")
    func lifetimes() async throws {
        try await inFolder { folder in
            // Ten seconds of life pass in fifty milliseconds.
            let start = ContinuousClock.now
            let base = Duration.seconds(1_800_000_000)
            let time = Time(
                now: { start + start.duration(to: .now) * 200 },
                sleep: { until in
                    let real = start + start.duration(to: until) / 200
                    try await Task.sleep(until: real, clock: .continuous)
                },
                random: { Double.random(in: 0..<1) },
                wallTime: { WallTime(sinceEpoch: base + start.duration(to: .now) * 200) })
            let issuer = RotatingIssuer(life: 10)
            let path = folder + "/state.json"
            try await SignInFile(path: path).store(issuer.signIn(time, withAccess: false), time: time)
            let sources = (0..<4).map { _ in source(path, issuer, time) }
            await withTaskGroup(of: Void.self) { group in
                for source in sources {
                    group.addTask { @concurrent in
                        while issuer.current < 40 {
                            do {
                                let token = try await source.current()
                                if Int.random(in: 0..<20) == 0 { _ = try await source.refused(token) }
                            } catch {
                                // Only what a machine that is too slow makes of ten seconds.
                                let failure = error as? TokenFailure
                                if failure?.reason != .endpointTimeout, failure?.reason != .stateLocked {
                                    Issue.record("a call failed: \(error)")
                                    return
                                }
                            }
                            try? await Task.sleep(for: .milliseconds(1))
                        }
                    }
                }
            }
            for source in sources { await source.stop() }
            #expect(issuer.reuses == 0 && !issuer.isRevoked)
            #expect(try SignInFile(path: path).read()?.refreshToken == Hidden("R\(issuer.current)"))
        }
    }
}
