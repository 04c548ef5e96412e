// What the tests of the caching rules share.

import HTTPTypes
import Testing

@testable import Caching

enum RulesFixture {
    /// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
    static let now: Int64 = 784_111_777

    /// Fields written as on the wire, `Name: value` each.
    static func fields(_ lines: [String]) -> HTTPFields {
        var fields = HTTPFields()
        for line in lines {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let name = HTTPField.Name(String(parts[0])) else {
                Issue.record("no header field: \(line)")
                continue
            }
            fields.append(HTTPField(name: name, value: String(parts[1].drop { $0 == " " })))
        }
        return fields
    }

    static func lines(_ fields: HTTPFields) -> [String] { fields.map { "\($0.name.canonicalName): \($0.value)" } }

    static func judge(
        _ lines: [String], status: Int = 200, guess: Int? = nil, needsPermission: Bool = false,
        delay: Duration = .zero
    ) -> StoringRules.Verdict {
        StoringRules.judge(
            status: status, fields: fields(lines), heuristic: guess.map { .seconds($0) },
            needsPermission: needsPermission, receivedAt: now, responseDelay: delay)
    }
}
