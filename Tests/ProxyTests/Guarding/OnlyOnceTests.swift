// Who leads, who waits, and what the next process knows.

import Glibc
import Ground
import HTTPTypes
import TestSupport
import Testing

@testable import Proxy

@Suite struct OnlyOnceTests {
    private let folder: TemporaryFolder
    private let clock = TestClock()

    init() throws { folder = try TemporaryFolder() }

    private func onlyOnce(wall: Int64 = 1_000) -> OnlyOnce {
        OnlyOnce(folder: folder.path, environment: .test(clock, wall: .init(seconds: wall)))
    }

    private func call(_ key: String?, request: String = "r", join: String? = nil, id: String = "id") -> OnceCall {
        OnceCall(
            key: key.map { CallKey(id: $0, owner: "me", request: request) }, join: join.map { .init(hash: $0) },
            start: nil, id: id)
    }

    private func lead(_ entrance: OnlyOnce.Entrance) throws -> OnceLead {
        guard case .lead(let lead) = entrance else { throw Wrong(entrance: "\(entrance)") }
        return lead
    }

    private struct Wrong: Error { let entrance: String }

    private let answer = KeptAnswer(status: 201, fields: [.contentType: "application/json"], body: Array("{}".utf8))

    @Test("a hundred requests with one key at once: one leads, the others get its answer, and so does the next process")
    func crowd() async throws {
        defer { folder.remove() }
        let once = onlyOnce()
        let first = try lead(once.enter(call("k")))
        try await once.bind(first)
        let (time, answer) = (Environment.test(clock).time, answer)
        let got = await withTaskGroup(of: KeptAnswer?.self) { group in
            for _ in 0..<99 {
                guard case .wait(let end) = once.enter(call("k")) else {
                    Issue.record("it waits")
                    continue
                }
                group.addTask {
                    if case .answered(let answer)? = await end.wait(until: nil, time) { answer } else { nil }
                }
            }
            await once.answered(first, answer)
            return await group.reduce(into: [KeptAnswer?]()) { $0.append($1) }
        }
        #expect(got.count == 99 && got.allSatisfy { $0 == answer })
        await once.close()
        let next = onlyOnce(wall: 2_000)
        guard case .replay(let kept, let id) = next.enter(call("k", id: "later")) else {
            Issue.record("it is given again")
            return
        }
        #expect(kept == answer && id == "id")
        guard case .refused(let failure) = next.enter(call("k", request: "other")) else {
            Issue.record("another request")
            return
        }
        #expect(failure.reason == .idempotencyKeyReused)
        await next.close()
        let tomorrow = onlyOnce(wall: 1_000 + 86_400)
        _ = try lead(tomorrow.enter(call("k")))
        await tomorrow.close()
    }

    @Test("what was bound and has no answer is settled by the next process, and led by nobody")
    func leftOpen() async throws {
        defer { folder.remove() }
        let once = onlyOnce()
        try await once.bind(try lead(once.enter(call("k"))))
        await once.close()
        let next = onlyOnce()
        guard case .settle(let settling) = next.enter(call("k")) else {
            Issue.record("it is to be settled")
            return
        }
        guard case .wait = next.enter(call("k")) else {
            Issue.record("one settles")
            return
        }
        next.unknown(settling, .requestInProgress)
        guard case .settle = next.enter(call("k")) else {
            Issue.record("the next one settles again")
            return
        }
        await next.close()
    }

    @Test(
        "what was not carried out, or refused for a token or a limit, leaves the key free", arguments: [nil, 401, 429])
    func free(status: Int?) async throws {
        defer { folder.remove() }
        let once = onlyOnce()
        let first = try lead(once.enter(call("k")))
        try await once.bind(first)
        if let status {
            await once.answered(first, KeptAnswer(status: status, fields: [:], body: []))
        } else {
            await once.notDone(first)
        }
        _ = try lead(once.enter(call("k", request: "other")))
        await once.close()
        let next = onlyOnce()
        _ = try lead(next.enter(call("k", request: "third")))
        await next.close()
    }

    @Test("starts that are the same are one; a key that joins has its answer")
    func joined() async throws {
        defer { folder.remove() }
        let once = onlyOnce()
        let first = try lead(once.enter(call(nil, join: "j")))
        guard case .join(let end, nil) = once.enter(call(nil, join: "j")),
            case .join(_, let own?) = once.enter(call("k", join: "j"))
        else {
            Issue.record("they join")
            return
        }
        #expect(end === first.end)
        try await once.bind(own)
        await once.answered(first, answer)
        guard case .answered(let kept)? = await end.wait(until: nil, Environment.test(clock).time) else {
            Issue.record("it has ended")
            return
        }
        await once.follow(own, .answered(kept))
        guard case .replay = once.enter(call("k", join: "j")) else {
            Issue.record("the key has the answer")
            return
        }
        _ = try lead(once.enter(call(nil, join: "j")))
        await once.close()
    }

    @Test("a wait ends with its deadline or its task, and the call goes on")
    func waits() async throws {
        let end = CallEnd(id: "e")
        let time = Environment.test(clock).time
        let deadline = clock.now + .seconds(1)
        let waiting = Task { await end.wait(until: deadline, time) }
        try await clock.waitForSleepers(1)
        clock.advance(by: .seconds(1))
        #expect(await waiting.value.map { "\($0)" } == nil)
        let cancelled = Task { await end.wait(until: nil, time) }
        cancelled.cancel()
        #expect(await cancelled.value.map { "\($0)" } == nil)
        end.end(.notDone)
        end.end(.failed(.requestInProgress))
        guard case .notDone? = await end.wait(until: nil, time) else {
            Issue.record("the first word counts")
            return
        }
    }

    @Test("a file that was removed is made anew with all that is known; without its folder no key can be bound")
    func removed() async throws {
        defer { folder.remove() }
        let once = onlyOnce()
        let first = try lead(once.enter(call("k")))
        try await once.bind(first)
        await once.answered(first, answer)
        let (path, aside) = (folder.path, folder.path + ".aside")
        rename(path, aside)
        let second = try lead(once.enter(call("l")))
        await #expect(throws: Failure.self) { try await once.bind(second) }
        await once.notDone(second)
        #expect(once.trouble != nil)
        rename(aside, path)
        unlink("\(path)/\(KeyFile.name)")
        let third = try lead(once.enter(call("m")))
        try await once.bind(third)
        #expect(once.trouble == nil)
        await once.close()
        let next = onlyOnce()
        guard case .replay = next.enter(call("k")), case .settle = next.enter(call("m")),
            case .lead = next.enter(call("l"))
        else {
            Issue.record("the new file has all of it")
            return
        }
        await next.close()
    }

    @Test("the file stays bounded however many calls there are")
    func bounded() async throws {
        defer { folder.remove() }
        let once = onlyOnce()
        let large = KeptAnswer(status: 200, fields: [:], body: [UInt8](repeating: 0x61, count: 60_000))
        // What was released is of no use any more.
        for index in 0..<60 {
            let first = try lead(once.enter(call("k-\(index)")))
            try await once.bind(first)
            await once.answered(first, large)
        }
        await once.close()
        let size = try fileSize()
        #expect(size > 60 * 60_000)
        let tomorrow = onlyOnce(wall: 100_000)
        for index in 0..<3 {
            let first = try lead(tomorrow.enter(call("n-\(index)")))
            try await tomorrow.bind(first)
            await tomorrow.notDone(first)
        }
        await tomorrow.close()
        #expect(try fileSize() < 1 << 20)
    }

    private func fileSize() throws -> Int {
        var notes: [String] = []
        let file = try KeyFile.open(in: folder.path, notes: &notes) { _ in }
        return Int(file.size)
    }
}
