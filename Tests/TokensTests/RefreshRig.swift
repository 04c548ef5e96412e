// Sources in `refresh_token` mode, each as one process of several on one disk in memory, under a clock that tests move.

import Ground
import TestSupport
import Testing

@testable import Tokens

/// A source in `refresh_token` mode on a disk in memory, as one process of several.
struct RefreshRig<Endpoint: TokenEndpoint> {
    static var path: String { "/var/lib/clash-proxy/sign-in.json" }

    let files: MemoryFiles
    let endpoint: Endpoint
    let log = EventLog()
    let source: TokenSource

    init(_ files: MemoryFiles, _ endpoint: Endpoint, _ time: Time) {
        self.files = files
        self.endpoint = endpoint
        source = TokenSource(
            configuration: .init(
                clientID: RotatingIssuer.clientID, clientSecret: nil,
                grant: .refreshToken(SignInFile(path: Self.path, files: files), tokenURL: RotatingIssuer.url)),
            endpoint: endpoint, time: time, log: log.record)
    }
}

/// What the suites about such sources have in common: one clock, one disk, one issuer.
protocol RefreshTesting {
    var clock: TestClock { get }
    var disk: MemoryDisk { get }
    var issuer: RotatingIssuer { get }
}

extension RefreshTesting {
    var path: String { RefreshRig<HandEndpoint>.path }

    var time: Time { .hand(clock) }

    /// A process that talks to the issuer.
    func process() -> RefreshRig<IssuerRoute> {
        let files = MemoryFiles(disk)
        return RefreshRig(files, IssuerRoute(issuer, files), time)
    }

    /// A process whose requests the test answers.
    func processByHand(heedsCancellation: Bool = true) -> RefreshRig<HandEndpoint> {
        RefreshRig(MemoryFiles(disk), HandEndpoint(heedsCancellation: heedsCancellation), time)
    }

    func signIn(age: Duration = .zero, withAccess: Bool = true) {
        disk.put(issuer.signIn(time, age: age, withAccess: withAccess), at: path)
    }

    /// Moves the clock to the next try of a source and sees it through.
    func tryAgain(_ rig: RefreshRig<some TokenEndpoint>) async throws {
        let due = clock.now.advanced(by: try #require(rig.source.status.nextRefreshIn))
        try await clock.waitForSleeper(until: due)
        clock.advance(to: due)
        try await rig.log.nextRequest()
        // Waits for the flight, or is answered by what came of it.
        _ = try? await rig.source.current()
    }

    /// Moves the clock to the next try of a source that has just failed.
    func waitForNextTry(_ rig: RefreshRig<some TokenEndpoint>) async throws {
        let due = clock.now.advanced(by: try await rig.log.nextFailure().retryAfter)
        try await clock.waitForSleeper(until: due)
        clock.advance(to: due)
    }
}
