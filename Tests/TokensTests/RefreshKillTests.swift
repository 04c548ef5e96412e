// A process that is killed, or a machine that loses power, between any two steps of a refresh: who comes next goes on
// with the sign-in, except in the one window that no client can close.

import Ground
import TestSupport
import Testing

@testable import Tokens

@Suite("Killed in the middle of a refresh", .timeLimit(.minutes(8)))
struct RefreshKillTests {
    /// One refresh that dies at a step, and the process that comes after.
    private struct Run {
        let diedAt: String?
        let first: UpstreamToken?
        let second: Result<UpstreamToken, TokenFailure>
        let issuer: RotatingIssuer

        var isLost: Bool { if case .failure = second { true } else { false } }
    }

    private func run(dyingAtStep step: Int, powerCut: Bool? = nil) async -> Run {
        let clock = TestClock()
        let time = Time.hand(clock)
        let issuer = RotatingIssuer()
        let disk = MemoryDisk()
        disk.put(issuer.signIn(time, withAccess: false), at: RefreshRig<IssuerRoute>.path)

        let dying = MemoryFiles(disk, dyingAtStep: step)
        let first = RefreshRig(dying, IssuerRoute(issuer, dying), time)
        let token = try? await first.source.current()
        await first.source.stop()
        if let powerCut { disk.cutPower(namesSurvive: powerCut) }

        let living = MemoryFiles(disk)
        let second = RefreshRig(living, IssuerRoute(issuer, living), time)
        let result: Result<UpstreamToken, TokenFailure>
        do throws(TokenFailure) {
            result = .success(try await second.source.current())
        } catch {
            result = .failure(error)
        }
        await second.source.stop()
        #expect(!disk.isLocked)
        return Run(diedAt: dying.isDead ? dying.steps.last : nil, first: token, second: result, issuer: issuer)
    }

    /// As many runs as there are steps, and the last one without a death.
    private func allRuns(powerCut: Bool? = nil) async -> [Run] {
        var runs: [Run] = []
        repeat { runs.append(await run(dyingAtStep: runs.count, powerCut: powerCut)) } while runs.last?.diedAt != nil
        return runs
    }

    @Test("killed at any step: the sign-in is lost only between the issuer's answer and the end of its writing")
    func killed() async throws {
        let runs = await allRuns()
        #expect(runs.count > 12)
        // The first two calls of "write" fill the new file to its size, before the request.
        let lost = runs.indices.filter { runs[$0].isLost }
        #expect(lost.map { runs[$0].diedAt } == ["answer", "write", "write the rest"])
        #expect(lost == Array((lost.first ?? 0)...(lost.last ?? 0)), "one window")
        for run in runs {
            #expect(run.issuer.reuses == (run.isLost ? 1 : 0))
            if run.first != nil { #expect(!run.isLost) }
        }
    }

    @Test("after the window the message says how to sign in again")
    func message() async throws {
        for run in await allRuns() where run.isLost {
            guard case .failure(let failure) = run.second else { continue }
            #expect(failure.reason == .signInNeeded)
            #expect(failure.message.contains("sign in again with `clash-proxy login`"))
        }
    }

    @Test("power lost at any step: the window lasts until the writing is durable", arguments: [true, false])
    func power(namesSurvive: Bool) async throws {
        let runs = await allRuns(powerCut: namesSurvive)
        let lost = runs.filter(\.isLost)
        #expect(lost.map(\.diedAt) == ["answer", "write", "write the rest", "sync"])
        for run in lost { #expect(run.first == nil, "nobody had the token") }
    }

    @Test("a death that the request had not gone out before costs no request's answer")
    func beforeTheRequest() async throws {
        for run in await allRuns() {
            if run.diedAt == "answer" { break }
            #expect(run.issuer.requests == 1)
        }
    }

    @Test("killed again and again, also while clearing up after a kill: never lost but in the window", arguments: 1...6)
    func again(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let clock = TestClock()
        let time = Time.hand(clock)
        let issuer = RotatingIssuer()
        let disk = MemoryDisk()
        disk.put(issuer.signIn(time, withAccess: false), at: RefreshRig<IssuerRoute>.path)
        var diedInTheWindow = false
        var deaths = 0
        for _ in 0..<300 {
            let files = MemoryFiles(
                disk, dyingAtStep: Bool.random(using: &random) ? Int.random(in: 0..<22, using: &random) : nil)
            let rig = RefreshRig(files, IssuerRoute(issuer, files), time)
            let reuses = issuer.reuses
            do throws(TokenFailure) {
                let token = try await rig.source.current()
                #expect(token.headerValue == "Bearer A\(issuer.current)")
                diedInTheWindow = false
            } catch {
                if issuer.reuses > reuses { #expect(diedInTheWindow) }
            }
            await rig.source.stop()
            deaths += files.isDead ? 1 : 0
            let asked = files.steps.contains("send")
            if files.isDead, asked, ["answer", "write", "write the rest"].contains(files.steps.last) {
                diedInTheWindow = true
            }
            if issuer.isRevoked {
                disk.put(issuer.signIn(time, withAccess: false), at: RefreshRig<IssuerRoute>.path)
                diedInTheWindow = false
            }
            if Bool.random(using: &random) { clock.advance(by: .seconds(3600)) }
        }
        #expect(deaths > 50)
    }
}
