// Several built programs that share one file, in front of one origin that dates what arrives.

import Glibc
import Synchronization
import TestSupport

/// An origin that answers every call alike, and a fleet of programs in front of it.
final class FleetRig: Sendable {
    let folder: TemporaryFolder
    let clock = ShiftedClock()
    let origin: LimitedOrigin
    private let tokens: ScriptedOrigin

    init(_ script: @escaping LimitedOrigin.Script = { _, _ in ok }) throws {
        folder = try TemporaryFolder()
        origin = LimitedOrigin(clock, script)
        tokens = ScriptedOrigin { connection in
            while true {
                _ = try connection.readRequest()
                try connection.send(json(#"{"access_token":"t","token_type":"Bearer","expires_in":3600}"#))
            }
        }
    }

    /// The file that all share.
    var file: String { folder.path + "/fleet.db" }

    func end() {
        origin.server.stop()
        tokens.stop()
        folder.remove()
    }

    /// A member with an audit log of its own, which one that is started anew goes on with.
    func start(_ name: String, _ flags: [String] = []) throws -> Program {
        let settings =
            [
                "listen.address=127.0.0.1:0", "admin.address=127.0.0.1:0",
                "upstream.url=http://127.0.0.1:\(origin.server.port)",
                "token.token_url=http://127.0.0.1:\(tokens.port)/token", "token.client_id=demo",
                "token.client_secret=secret", "audit.path=\(folder.path)/audit-\(name)", "log.access=false",
                "fleet.engine=file:\(file)", "fleet.name=\(name)",
            ] + flags
        return try Program(["serve"] + settings.flatMap { ["--set", $0] })
    }

    /// Calls one after the other on some connections for a while, each connection for itself; the statuses, with how often each came.
    /// A member that is not there is called again.
    func load(
        _ port: @escaping @Sendable () -> Int, connections: Int, for duration: Duration,
        target: @escaping @Sendable (Int) -> String = { "\(Path.iTwin)/reports?$top=\($0 % 100 + 1)" }
    ) async -> [Int: Int] {
        let until = ContinuousClock.now + duration
        return await withTaskGroup(of: [Int: Int].self) { group in
            for connection in 0..<connections {
                group.addTask {
                    var statuses: [Int: Int] = [:]
                    var number = connection * 1000
                    while ContinuousClock.now < until {
                        number += 1
                        let status = try? await Self.get(target(number), port()).status
                        if status == nil { try? await Task.sleep(for: .milliseconds(20)) }
                        statuses[status ?? 0, default: 0] += 1
                    }
                    return statuses
                }
            }
            return await group.reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
        }
    }

    /// Asks until it is so.
    static func soon(_ what: String, _ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try await !condition() {
            guard ContinuousClock.now < deadline else { throw RawClient.Trouble(description: "never: \(what)") }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    static func get(_ target: String, _ port: Int, _ headers: [String] = []) async throws -> RawResponse {
        try await call("GET", target, port, headers)
    }

    static func call(
        _ method: String, _ target: String, _ port: Int, _ headers: [String] = [], body: String? = nil
    ) async throws -> RawResponse {
        let client = try RawClient(port: port)
        defer { client.close() }
        var lines = ["\(method) \(target) HTTP/1.1", "Host: localhost"] + headers
        if let body { lines += ["Content-Type: application/json", "Content-Length: \(body.utf8.count)"] }
        return try await client.exchange(lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? ""))
    }
}

/// A port that changes when its program is started anew.
final class MovingPort: Sendable {
    private let port: Mutex<Int>
    init(_ port: Int) { self.port = Mutex(port) }
    var now: Int { port.withLock { $0 } }
    func move(to new: Int) { port.withLock { $0 = new } }
}
