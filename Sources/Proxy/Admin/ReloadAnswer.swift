// What came of reading the configuration anew, for operators and their scripts.

import Ground
import HTTPTypes

/// What a reload came to.
package enum ReloadAnswer: Sendable, Equatable {
    /// Taken: the keys that have changed, and those that have changed and take effect in a new process only. `caller` stands
    /// for any change of the callers.
    case taken(changed: [String], needsRestart: [String])
    /// Nothing has changed, for these mistakes, one line each.
    case refused([String])
    /// Nothing was read, for this reason.
    case notNow(String)

    var status: HTTPResponse.Status {
        switch self {
        case .taken: .ok
        case .refused: .unprocessableContent
        case .notNow: .conflict
        }
    }

    var json: String {
        switch self {
        case .taken(let changed, let needsRestart):
            "{\"changed\":\(Self.list(changed)),\"needs_restart\":\(Self.list(needsRestart))}\n"
        case .refused(let mistakes):
            Self.error(
                "InvalidConfiguration", "The configuration has mistakes, and the former one stays in force.",
                ",\"mistakes\":\(Self.list(mistakes))")
        case .notNow(let reason): Self.error("NotNow", reason, "")
        }
    }

    private static func error(_ code: String, _ message: String, _ more: String) -> String {
        "{\"error\":{\"code\":\"\(code)\",\"message\":\"\(JSONText.escaped(message))\"\(more)}}\n"
    }

    private static func list(_ lines: [String]) -> String {
        "[" + lines.map { "\"\(JSONText.escaped($0))\"" }.joined(separator: ",") + "]"
    }
}
