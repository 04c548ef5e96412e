// A source whose sign-in the issuer no longer accepts, or whose state file is not fit for use: what is said, what is not
// sent, and how it is mended.

import TestSupport
import Testing

@testable import Tokens

@Suite("A sign-in that is of no use", .timeLimit(.minutes(8)))
struct RefreshTroubleTests: RefreshTesting {
    let clock = TestClock()
    let disk = MemoryDisk()
    let issuer = RotatingIssuer()

    // MARK: Refused by the issuer

    @Test("invalid_grant is not believed while the file has a newer sign-in")
    func replacedMeanwhile() async throws {
        signIn(withAccess: false)
        let rig = processByHand()
        let caller = Task.immediate { try await rig.source.current() }
        let request = try await rig.endpoint.next()
        issuer.revoke()
        let refusal = issuer.answer(request.request)
        // Somebody who knows of no lock puts a new sign-in there.
        disk.put(issuer.signIn(time, withAccess: false), at: path)
        request.answer(.success(refusal))
        let second = try await rig.endpoint.next()
        second.answer(.success(issuer.answer(second.request)))
        #expect(try await caller.value.headerValue == "Bearer A3")
        #expect(issuer.reuses == 0)
        await rig.source.stop()
    }

    @Test("a dead sign-in says what to do, is not sent again, and a new one is seen within five seconds")
    func dead() async throws {
        signIn(withAccess: false)
        issuer.revoke()
        let rig = process()
        let failure = try await #require(throws: TokenFailure.self) { try await rig.source.current() }
        #expect(failure.reason == .signInNeeded)
        #expect(failure.message.contains("`clash-proxy login`") && failure.message.contains(path))
        #expect(failure.retryAfter <= .seconds(5))
        #expect(rig.source.status.needsSignIn && !rig.source.status.isUsable)
        _ = try await rig.log.nextFailure()
        while clock.elapsed < .seconds(120) { try await tryAgain(rig) }
        #expect(issuer.requests == 1)
        #expect(rig.source.status.counters.requested > 20)

        signIn()
        let signedIn = clock.elapsed
        try await tryAgain(rig)
        #expect(clock.elapsed - signedIn <= .seconds(5))
        #expect(rig.source.currentIfUsable()?.headerValue == "Bearer A2")
        #expect(!rig.source.status.needsSignIn)
        #expect(issuer.requests == 1)
        await rig.source.stop()
    }

    @Test("an issuer that was wrong about a dead sign-in is asked again after five minutes")
    func wronglyDead() async throws {
        signIn(withAccess: false)
        let files = MemoryFiles(disk)
        let rig = RefreshRig(
            files,
            AutomaticEndpoint { [issuer] number in
                number == 1
                    ? .success(json(#"{"error":"invalid_grant"}"#, status: 400))
                    : .success(granting("A-\(issuer.current)"))
            }, time)
        _ = try? await rig.source.current()
        _ = try await rig.log.nextFailure()
        while rig.source.currentIfUsable() == nil { try await tryAgain(rig) }
        #expect(rig.endpoint.requestCount == 2)
        #expect(clock.elapsed >= .seconds(300) && clock.elapsed < .seconds(310))
        await rig.source.stop()
    }

    @Test("a dead sign-in is told in the log when it is found and about every five minutes, not at each look")
    func deadInTheLog() async throws {
        let rig = process()
        _ = try? await rig.source.current()
        _ = try await rig.log.nextFailure()
        while clock.elapsed < .seconds(900) { try await tryAgain(rig) }
        await rig.source.stop()
        let told = rig.log.all.filter { if case .failed = $0 { true } else { false } }
        #expect(rig.source.status.counters.requested > 100)
        #expect((2...6).contains(told.count))
    }

    @Test("the old access token serves while the sign-in is dead, and readiness knows both")
    func deadButAlive() async throws {
        signIn(age: .seconds(3500))
        issuer.revoke()
        let rig = process()
        let token = try await rig.source.current()
        _ = try await rig.log.nextFailure()
        #expect(rig.source.currentIfUsable() == token)
        #expect(rig.source.status.isUsable && rig.source.status.needsSignIn)
        await rig.source.stop()
    }

    @Test("an endpoint that is down or errs costs no refresh token: the same one is sent again")
    func down() async throws {
        signIn(withAccess: false)
        let rig = processByHand()
        rig.source.start()
        for answer: Posted in [
            .failure(.timeout), .failure(.unreachable(detail: "")), .success(json("", status: 503)),
            .success(json("")), .success(json("<html>")),
        ] {
            let request = try await rig.endpoint.next()
            #expect(String(decoding: request.request.form, as: UTF8.self).contains("refresh_token=R1"))
            request.answer(answer)
            try await waitForNextTry(rig)
            #expect(disk.signIn(at: path)?.refreshToken == Hidden("R1"))
        }
        let request = try await rig.endpoint.next()
        request.answer(.success(issuer.answer(request.request)))
        #expect(try await rig.source.current().headerValue == "Bearer A2")
        await rig.source.stop()
    }

    // MARK: Not usable

    private func failure(_ node: MemoryDisk.Node?) async throws -> TokenFailure {
        if let node { disk.put(node, at: path) }
        let rig = process()
        let failure = try await #require(throws: TokenFailure.self) { try await rig.source.current() }
        await rig.source.stop()
        #expect(issuer.requests == 0)
        return failure
    }

    private var content: [UInt8] { SignInText(issuer.signIn(time), replaces: nil).bytes }

    @Test("no file: nobody has signed in")
    func missing() async throws {
        let failure = try await failure(nil)
        #expect(failure.reason == .signInNeeded)
        #expect(failure.message.contains("`clash-proxy login`"))
    }

    @Test("a file that others can read or write is refused, and told how to mend it", arguments: [0o640, 0o604, 0o620])
    func openToOthers(mode: UInt32) async throws {
        let failure = try await failure(.init(mode: mode, bytes: content))
        #expect(failure.reason == .stateUnavailable)
        #expect(failure.message.contains("chmod 600 \(path)"))
    }

    @Test("another user's file, a link, and what is no file are refused")
    func strange() async throws {
        let cases: [(MemoryDisk.Node, String)] = [
            (.init(owner: 0, bytes: content), "belongs to user 0"), (.init(kind: .link), "symbolic link"),
            (.init(kind: .other), "not a regular file"),
        ]
        for (node, text) in cases {
            let failure = try await failure(node)
            #expect(failure.reason == .stateUnavailable)
            #expect(failure.message.contains(text))
        }
    }

    @Test("a torn or foreign file is not guessed at, and what is in it is not repeated")
    func foreign() async throws {
        for bytes in [[], Array("R1-secret".utf8), Array(content.dropLast(3)), Array(#"{"version":2}"#.utf8)] {
            let failure = try await failure(.init(bytes: bytes))
            #expect(failure.reason == .stateUnavailable)
            #expect(!failure.message.contains("R1"))
        }
    }

    @Test("a sign-in of another client or for another endpoint is not sent there")
    func foreignSignIn() async throws {
        let text = String(decoding: content, as: UTF8.self)
        for (what, other) in [(RotatingIssuer.clientID, "other"), ("ims.example", "ims.other")] {
            let failure = try await failure(.init(bytes: Array(text.replacing(what, with: other).utf8)))
            #expect(failure.reason == .signInNeeded)
        }
    }
}
