// A started simulator with a hand-moved clock, and short ways to call it.

import Simulator
import Synchronization

/// A clock that moves when told to. Starts on 2026-11-22T06:50:00Z.
final class HandClock: Sendable {
    private let time = Mutex(Duration.seconds(1_795_330_200))
    var clock: SimulatorClock { SimulatorClock { self.time.withLock { $0 } } }
    var now: Duration { time.withLock { $0 } }
    func advance(by duration: Duration) { time.withLock { $0 += duration } }
}

/// What a test needs at hand.
struct Rig {
    let simulator: Simulator
    let addresses: SimulatorAddresses
    let clock: HandClock
    let token: String
    /// The first iTwin, and the v2 and v1 paths into it.
    let iTwin: String
    var base: String { "/clash-detection/itwins/\(iTwin)" }

    /// One request on a connection of its own, with the rig's token unless `headers` has an Authorization.
    func call(
        _ method: String, _ path: String, _ headers: [String: String] = [:], body: String? = nil
    ) async throws -> RawResponse {
        let connection = try await RawConnection.open(port: addresses.apiPort)
        try await connection.send(request(method, path, headers, body: body))
        let response = await connection.response(head: method == "HEAD")
        await connection.close()
        guard let response else { throw NoResponse() }
        return response
    }

    func get(_ path: String, _ headers: [String: String] = [:]) async throws -> RawResponse {
        try await call("GET", path, headers)
    }

    /// A form sent to the token endpoint.
    func token(_ form: String, _ headers: [String: String] = [:]) async throws -> RawResponse {
        let connection = try await RawConnection.open(port: addresses.tokenPort)
        let lines = headers.map { "\($0): \($1)\r\n" }.joined()
        try await connection.send(
            "POST /connect/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                + "\(lines)Content-Length: \(form.utf8.count)\r\n\r\n\(form)")
        let response = await connection.response()
        await connection.close()
        guard let response else { throw NoResponse() }
        return response
    }

    func request(
        _ method: String, _ path: String, _ headers: [String: String] = [:], body: String? = nil
    ) -> String {
        var lines = "\(method) \(path) HTTP/1.1\r\nHost: api.bentley.com\r\n"
        if headers["Authorization"] == nil { lines += "Authorization: Bearer \(token)\r\n" }
        for (name, value) in headers where !value.isEmpty { lines += "\(name): \(value)\r\n" }
        if let body { lines += "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n" }
        return lines + "\r\n" + (body ?? "")
    }

    func connect() async throws -> RawConnection { try await RawConnection.open(port: addresses.apiPort) }
}

struct NoResponse: Error {}

/// Runs `body` against a simulator that is stopped afterwards, whatever happens.
func withSimulator(
    _ change: (inout SimulatorConfiguration) -> Void = { _ in }, _ body: (Rig) async throws -> Void
) async throws {
    var configuration = SimulatorConfiguration()
    configuration.bigReportClashes = 0
    change(&configuration)
    let clock = HandClock()
    let simulator = Simulator(configuration, clock: clock.clock)
    let addresses = try await simulator.start()
    let rig = Rig(
        simulator: simulator, addresses: addresses, clock: clock, token: simulator.issueToken(),
        iTwin: simulator.iTwinIDs[0])
    do {
        try await body(rig)
    } catch {
        await simulator.stop()
        throw error
    }
    await simulator.stop()
}
