// What the tests of this target share: short ways to make requests, read bodies and wait for a state.

import CurlTransport
import Ground
import HTTPTypes
import TestSupport
import Testing

struct TestTrouble: Error, CustomStringConvertible {
    let description: String
}

extension HTTPField.Name {
    static func named(_ name: String) throws -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { throw TestTrouble(description: "bad field name \(name)") }
        return name
    }
}

func origin(_ url: String) throws -> Origin {
    guard let origin = Origin(url: url) else { throw TestTrouble(description: "bad origin \(url)") }
    return origin
}

func get(_ server: ScriptedOrigin, _ target: String = "/") throws -> UpstreamRequest {
    UpstreamRequest(origin: try origin(server.url), target: target)
}

/// A DELETE that must not be repeated.
func delete(_ server: ScriptedOrigin, _ target: String = "/thing") throws -> UpstreamRequest {
    UpstreamRequest(
        origin: try origin(server.url), method: .delete, target: target, repeatable: false, cancellation: .untilSent)
}

extension UpstreamBody {
    func all() async throws(TransferFailure) -> [UInt8] {
        var bytes: [UInt8] = []
        while let next = try await self.next() { bytes += next }
        return bytes
    }

    func text() async throws(TransferFailure) -> String {
        String(decoding: try await self.all(), as: UTF8.self)
    }
}

/// Runs a transport and shuts it down whatever happens.
func withTransport<Result>(
    _ configuration: CurlTransport.Configuration = .init(),
    _ body: (CurlTransport) async throws -> Result
) async throws -> Result {
    let transport = try CurlTransport(configuration)
    do {
        let result = try await body(transport)
        await transport.shutdown(grace: .zero)
        return result
    } catch {
        await transport.shutdown(grace: .zero)
        throw error
    }
}

/// The failure of an exchange that must fail.
func failure(_ body: () async throws -> Void) async throws -> TransferFailure {
    do {
        try await body()
    } catch let failure as TransferFailure {
        return failure
    }
    throw TestTrouble(description: "the exchange did not fail")
}

/// The failure of a task that must fail.
func failure<Success>(of task: Task<Success, any Error>) async throws -> TransferFailure {
    try await failure { _ = try await task.value }
}

let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
