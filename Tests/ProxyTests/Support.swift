// Shared by the tests beside this module: request heads from parts, and an environment whose clock and chance are the
// test's.

import Edge
import Ground
import HTTPTypes
import NIOHTTP1
import TestSupport

@testable import Proxy

/// Fields in their order.
func fields(_ pairs: KeyValuePairs<String, String>) -> HTTPFields {
    var fields = HTTPFields()
    for (name, value) in pairs {
        if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
    }
    return fields
}

extension HTTPFields {
    /// As lines, in their order and case.
    var lines: [String] { map { "\($0.name.rawName): \($0.value)" } }
}

/// A decoded head as the HTTP decoder hands it over.
func decoded(
    _ method: HTTPMethod = .GET, _ uri: String = "/clashdetection/tests", version: HTTPVersion = .http1_1,
    _ headers: [(String, String)] = [("Host", "localhost")]
) -> HTTPRequestHead {
    HTTPRequestHead(version: version, method: method, uri: uri, headers: HTTPHeaders(headers))
}

/// A checked head.
func head(
    _ method: HTTPMethod = .GET, _ uri: String = "/clashdetection/tests",
    _ headers: [(String, String)] = [("Host", "localhost")]
) throws(WireFailure) -> RequestHead {
    try RequestHead(decoded(method, uri, headers))
}

/// What a closure that must fail throws.
func failure<Result>(_ body: () throws(Failure) -> Result) -> Failure? {
    do throws(Failure) {
        _ = try body()
        return nil
    } catch {
        return error
    }
}

extension Environment {
    /// On a hand-moved clock, with fixed chance.
    static func test(
        _ clock: TestClock = TestClock(), random: Double = 0, bits: (UInt64, UInt64) = (0, 0),
        wall: WallTime = WallTime(seconds: 784_111_777)
    ) -> Environment {
        Environment(
            time: Time(
                now: { clock.now }, sleep: { try await clock.sleep(until: $0) }, random: { random },
                wallTime: { wall }),
            randomBits: { bits })
    }
}
