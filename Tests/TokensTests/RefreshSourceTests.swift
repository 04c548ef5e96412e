// The source on a state file: what is saved before what is given out, and who refreshes when several processes could.

import Dispatch
import Ground
import Synchronization
import TestSupport
import Testing

@testable import Tokens

@Suite("A source on a state file", .timeLimit(.minutes(8)))
struct RefreshSourceTests: RefreshTesting {
    let clock = TestClock()
    let disk = MemoryDisk()
    let issuer = RotatingIssuer()

    // MARK: Saved before used

    @Test("a refresh sends the token of the file, and the one it brings is in the file before anybody has the other")
    func rotation() async throws {
        signIn(withAccess: false)
        let rig = process()
        let token = try await rig.source.current()
        #expect(token.headerValue == "Bearer A2")
        #expect(disk.signIn(at: path)?.refreshToken == Hidden("R2"))
        #expect(disk.names == [path], "nothing is left beside it")
        #expect(disk.node(at: path)?.mode == 0o600)
        disk.cutPower(namesSurvive: false)
        #expect(disk.signIn(at: path)?.refreshToken == Hidden("R2"), "and it is durable")
        await rig.source.stop()
    }

    @Test(
        "what cannot be saved afterwards is not given out; it is kept, nobody else may refresh, and it is saved later")
    func savingFails() async throws {
        signIn(withAccess: false)
        let rig = processByHand()
        let caller = Task.immediate { try await rig.source.current() }
        let request = try await rig.endpoint.next()
        rig.files.fail("write", times: 2)
        request.answer(.success(issuer.answer(request.request)))
        let failure = try await #require(throws: TokenFailure.self) { try await caller.value }
        #expect(failure.reason == .stateUnavailable)
        #expect(failure.message.contains("could not be saved"))
        #expect(disk.signIn(at: path)?.refreshToken == Hidden("R1"))

        // A second process would burn the sign-in; it is kept out.
        #expect(try SignInFile(path: path, files: MemoryFiles(disk)).lock() == nil)

        _ = try await rig.log.nextFailure()
        try await tryAgain(rig)
        try await tryAgain(rig)
        let token = try await rig.source.current()
        #expect(token.headerValue == "Bearer A2")
        #expect(disk.signIn(at: path)?.refreshToken == Hidden("R2"))
        #expect(rig.endpoint.requestCount == 1)
        #expect(!disk.isLocked)
        await rig.source.stop()
    }

    @Test("a stop is the last chance to save what could not be saved")
    func savedAtTheEnd() async throws {
        signIn(withAccess: false)
        let rig = processByHand()
        let caller = Task.immediate { try await rig.source.current() }
        let request = try await rig.endpoint.next()
        rig.files.fail("sync folder", times: 1)
        request.answer(.success(issuer.answer(request.request)))
        await #expect(throws: TokenFailure.self) { try await caller.value }
        await rig.source.stop()
        disk.cutPower(namesSurvive: false)
        #expect(disk.signIn(at: path)?.refreshToken == Hidden("R2"))
        #expect(!disk.isLocked)
    }

    @Test(
        "a disk that takes no file is found out before the endpoint is asked",
        arguments: ["create", "write", "sync", "sync folder"])
    func fullDisk(step: String) async throws {
        signIn(withAccess: false)
        let rig = process()
        rig.files.fail(step, times: 2)
        let failure = try await #require(throws: TokenFailure.self) { try await rig.source.current() }
        #expect(failure.reason == .stateUnavailable)
        #expect(issuer.requests == 0)
        _ = try await rig.log.nextFailure()
        try await tryAgain(rig)
        try await tryAgain(rig)
        #expect(try await rig.source.current().headerValue == "Bearer A2")
        await rig.source.stop()
    }

    @Test("a stop in the middle of a request waits for it and saves what it brings; nobody is given it")
    func stopped() async throws {
        signIn(withAccess: false)
        let rig = processByHand()
        let caller = Task.immediate { try await rig.source.current() }
        let request = try await rig.endpoint.next()
        let stopping = Task.immediate { await rig.source.stop() }
        await #expect(throws: TokenFailure.stopped) { try await caller.value }
        request.answer(.success(issuer.answer(request.request)))
        await stopping.value
        #expect(disk.signIn(at: path)?.refreshToken == Hidden("R2"))
        #expect(rig.source.currentIfUsable() == nil)
        #expect(!disk.isLocked)
    }

    @Test("a stop before the request was sent keeps it from being sent")
    func stoppedBefore() async throws {
        signIn(withAccess: false)
        let rig = process()
        let reaching = Task.immediate { await rig.files.heldAtCreate() }
        let caller = Task.immediate { try await rig.source.current() }
        let held = await reaching.value
        let stopping = Task.immediate { await rig.source.stop() }
        await #expect(throws: TokenFailure.stopped) { try await caller.value }
        held.signal()
        await stopping.value
        #expect(issuer.requests == 0)
        #expect(disk.names == [path] && !disk.isLocked)
    }

    @Test("a request that was given up is saved when its answer comes after all, and the next try finds it")
    func givenUp() async throws {
        signIn(withAccess: false)
        let rig = processByHand(heedsCancellation: false)
        let caller = Task.immediate { try await rig.source.current() }
        let request = try await rig.endpoint.next()
        try await clock.waitForSleeper(until: clock.instant(.seconds(30)))
        clock.advance(by: .seconds(30))
        let failure = try await #require(throws: TokenFailure.self) { try await caller.value }
        #expect(failure.reason == .endpointTimeout)
        request.answer(.success(issuer.answer(request.request)))
        await rig.files.moved()
        _ = try await rig.log.nextFailure()
        try await tryAgain(rig)
        #expect(rig.source.currentIfUsable()?.headerValue == "Bearer A2")
        #expect(issuer.requests == 1)
        #expect(rig.endpoint.requestCount == 1)
        await rig.source.stop()
    }

    // MARK: Shared

    @Test("a process that starts uses the token of the file and renews it when it is due, counted from its birth")
    func restart() async throws {
        signIn(age: .seconds(3000))
        let rig = process()
        let token = try await rig.source.current()
        #expect(token.headerValue == "Bearer A1")
        #expect(issuer.requests == 0)
        #expect(clock.now.duration(to: token.expiresAt) == .seconds(600))
        #expect(rig.source.status.counters.shared == 1)
        try await clock.waitForSleeper(until: clock.instant(.seconds(285)))
        clock.advance(by: .seconds(285))
        try await rig.log.fetched(generation: 2)
        await rig.source.stop()
        #expect(issuer.requests == 1 && issuer.reuses == 0)
    }

    @Test("a token of the file that is past its renewal is used at once, and renewed at once")
    func restartLate() async throws {
        signIn(age: .seconds(3500))
        let rig = process()
        #expect(try await rig.source.current().headerValue == "Bearer A1")
        try await rig.log.fetched(generation: 2)
        #expect(try await rig.source.current().headerValue == "Bearer A2")
        await rig.source.stop()
        #expect(issuer.requests == 1)
    }

    @Test("a token of the file that has run out is not used", arguments: [3600, 100_000])
    func tooOld(age: Int) async throws {
        signIn(age: .seconds(age))
        let rig = process()
        #expect(try await rig.source.current().headerValue == "Bearer A2")
        await rig.source.stop()
    }

    @Test("the process that comes second waits for the first one's refresh and uses its token")
    func loser() async throws {
        signIn(withAccess: false)
        let winner = processByHand()
        let first = Task.immediate { try await winner.source.current() }
        let request = try await winner.endpoint.next()

        let loser = process()
        let second = Task.immediate { try await loser.source.current() }
        // It looks every 150 ms.
        try await clock.waitForSleeper(until: clock.instant(.milliseconds(150)))
        clock.advance(by: .milliseconds(150))
        try await clock.waitForSleeper(until: clock.instant(.milliseconds(300)))
        request.answer(.success(issuer.answer(request.request)))
        #expect(try await first.value.headerValue == "Bearer A2")
        clock.advance(by: .milliseconds(150))
        #expect(try await second.value.headerValue == "Bearer A2")
        #expect(issuer.requests == 1)
        await winner.source.stop()
        await loser.source.stop()
    }

    @Test("a lock that another process keeps is said after longer than a request takes, and is waited for again")
    func lockedOut() async throws {
        signIn(withAccess: false)
        let other = SignInFile(path: path, files: MemoryFiles(disk))
        let lock = try #require(try other.lock())
        let rig = process()
        let caller = Task.immediate { try await rig.source.current() }
        let failing = Task.immediate { try await rig.log.nextFailure() }
        while clock.elapsed < .seconds(25) {
            let next = clock.instant(clock.elapsed + .milliseconds(150))
            try await clock.waitForSleeper(until: next)
            clock.advance(to: next)
        }
        let failure = try await failing.value
        #expect(failure.reason == .stateLocked)
        await #expect(throws: failure) { try await caller.value }
        #expect(issuer.requests == 0)

        other.unlock(lock)
        let due = clock.now.advanced(by: failure.retryAfter)
        try await clock.waitForSleeper(until: due)
        clock.advance(to: due)
        try await rig.log.fetched(generation: 1)
        #expect(rig.source.currentIfUsable()?.headerValue == "Bearer A2")
        await rig.source.stop()
    }

    @Test("a stop ends the wait for the lock")
    func stopWhileLockedOut() async throws {
        signIn(withAccess: false)
        let lock = try SignInFile(path: path, files: MemoryFiles(disk)).lock()
        #expect(lock != nil)
        let rig = process()
        rig.source.start()
        try await clock.waitForSleeper(until: clock.instant(.milliseconds(150)))
        await rig.source.stop()
        #expect(issuer.requests == 0)
    }

    @Test("a token that upstream refuses is not taken from the file again; another process's newer one is")
    func refused() async throws {
        signIn(age: .seconds(60))
        let one = process()
        let two = process()
        let old = try await one.source.current()
        #expect(try await two.source.current().headerValue == old.headerValue)
        // Its age counts from its birth, so a refusal is believed at once after a restart.
        let new = try #require(try await one.source.refused(old))
        #expect(new.headerValue == "Bearer A2")
        let taken = try #require(try await two.source.refused(old))
        #expect(taken.headerValue == "Bearer A2")
        #expect(issuer.requests == 1)
        #expect(try await two.source.refused(taken) == nil, "it is too young to be blamed, whoever fetched it")
        await one.source.stop()
        await two.source.stop()
    }

    @Test("refusals of old and new tokens interleaved, a thousand waiters, leaders that leave: one refresh")
    func storm() async throws {
        signIn()
        let rig = processByHand()
        let old = try await rig.source.current()
        clock.advance(by: .seconds(10))
        let leader = Task.immediate { try await rig.source.refused(old) }
        let callers = (0..<500).map { _ in Task.immediate { try await rig.source.current() } }
        let refusals = (0..<500).map { _ in Task.immediate { try await rig.source.refused(old) } }
        let request = try await rig.endpoint.next()
        leader.cancel()
        await #expect(throws: TokenFailure.cancelled) { try await leader.value }
        request.answer(.success(issuer.answer(request.request)))
        for caller in callers { #expect(try await caller.value.headerValue == "Bearer A2") }
        for refusal in refusals { #expect(try await refusal.value?.headerValue == "Bearer A2") }
        #expect(try await rig.source.refused(try await rig.source.current()) == nil)
        #expect(issuer.requests == 1)
        await rig.source.stop()
    }

    @Test("an issuer that does not rotate keeps its refresh token")
    func notRotating() async throws {
        issuer.stopRotating()
        signIn(withAccess: false)
        let rig = process()
        #expect(try await rig.source.current().headerValue == "Bearer B1")
        let saved = try #require(disk.signIn(at: path))
        #expect(saved.refreshToken == Hidden("R1"))
        #expect(saved.access?.value == Hidden("B1"))
        await rig.source.stop()
    }

    // MARK: The clock of the time of day

    @Test("a clock that has gone back makes the file's token unknown, not immortal")
    func clockBack() async throws {
        signIn(age: .seconds(-600))
        let rig = process()
        #expect(try await rig.source.current().headerValue == "Bearer A2")
        await rig.source.stop()
    }

    @Test("a jump of the time of day changes nothing for the token that is held")
    func clockJumps() async throws {
        let ahead = Mutex(Duration.zero)
        let jumping = Time.hand(clock, ahead: { ahead.withLock { $0 } })
        disk.put(issuer.signIn(jumping), at: path)
        let files = MemoryFiles(disk)
        let rig = RefreshRig(files, IssuerRoute(issuer, files), jumping)
        let token = try await rig.source.current()
        for jump in [86_400, -86_400 * 365] {
            ahead.withLock { $0 = .seconds(jump) }
            #expect(rig.source.currentIfUsable() == token)
        }
        clock.advance(by: .seconds(10))
        #expect(try await rig.source.refused(token)?.headerValue == "Bearer A2")
        await rig.source.stop()
    }
}
