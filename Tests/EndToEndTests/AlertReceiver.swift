// A webhook as these tests need it: it keeps the alerts that it gets.

import FoundationEssentials
import TestSupport

/// An alert as operators get it.
struct ReceivedAlert: Decodable, Sendable {
    let time, kind, severity, state, text: String
    let details: [String: String]
}

/// A webhook with a path that nobody is to see.
final class AlertReceiver: Sendable {
    let origin: ChangingOrigin

    init(_ script: @escaping ChangingOrigin.Script = { _, _ in .bytes(json("")) }) { origin = ChangingOrigin(script) }

    var url: String { origin.server.url + "/hook/s3cret-path?key=s3cret" }
    var flag: String { "alerts.webhook=\(url)" }

    var all: [ReceivedAlert] {
        get throws {
            try origin.received.all.map { try JSONDecoder().decode(ReceivedAlert.self, from: Data($0.body)) }
        }
    }

    /// Waits for one of a kind and state, the first of which it returns.
    func alert(_ kind: String, _ state: String = "begun") async throws -> ReceivedAlert {
        var found: ReceivedAlert?
        try await eventually(
            "\(kind) \(state)", seen: { " in \((try? self.all.map { "\($0.kind) \($0.state)" }) ?? [])" }
        ) {
            found = try self.all.first { $0.kind == kind && $0.state == state }
            return found != nil
        }
        guard let found else { throw RawClient.Trouble(description: "no \(kind)") }
        return found
    }

    func count(_ kind: String) throws -> Int { try all.count { $0.kind == kind } }

    func stop() { origin.server.stop() }
}
