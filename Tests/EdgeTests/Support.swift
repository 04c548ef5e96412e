// Shared by the tests beside this module: request heads from parts.

import HTTPTypes
import NIOHTTP1

@testable import Edge

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
func failure<Result>(_ body: () throws(WireFailure) -> Result) -> WireFailure? {
    do throws(WireFailure) {
        _ = try body()
        return nil
    } catch {
        return error
    }
}
