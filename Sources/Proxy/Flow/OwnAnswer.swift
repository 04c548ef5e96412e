// The JSON of this proxy's own pages for tools. Written by hand: a few numbers and names.

import ClashAPI
import Configuration
import Ground
import RateLimiting

/// Bodies of `/_proxy/…`.
enum OwnAnswer {
    /// The body of a page for its caller.
    ///
    /// - Parameters:
    ///   - budget: of the caller's calls.
    ///   - wallTime: now.
    static func body(_ page: OwnPage, for caller: Caller, _ budget: GateBudget, wallTime: WallTime) -> [UInt8] {
        switch page {
        case .me:
            Array("{\"caller\":\(caller.json),\"windows\":\(list(budget.own.map(json)))}\n".utf8)
        case .budget:
            Array(
                ("{\"windows\":\(list(budget.windows.map(json))),\"cooldowns\":\(list(budget.pauses.map(json))),"
                    + "\"forecast\":\(list(budget.windows.compactMap { forecast($0, wallTime) }))}\n").utf8)
        }
    }

    private static func json(_ window: GateBudget.Window) -> String {
        "{\"window\":\(JSONText.quoted(window.name)),\"limit\":\(window.window.limit),\"used\":\(window.used),"
            + "\"remaining\":\(window.remaining),\"next_free_seconds\":\(seconds(window.nextFree))}"
    }

    private static func json(_ pause: GateStatistics.Pause) -> String {
        "{\"scope\":\(JSONText.quoted(pause.scope == .everything ? "all" : pause.scope.text)),\"seconds\":\(seconds(pause.remaining)),"
            + "\"cause\":\(JSONText.quoted(pause.cause.rawValue))}"
    }

    /// Only of windows that are going to be full.
    private static func forecast(_ window: GateBudget.Window, _ wallTime: WallTime) -> String? {
        window.exhaustedIn.map {
            "{\"window\":\(JSONText.quoted(window.name)),"
                + "\"exhausted_at\":\(JSONText.quoted(RFC3339.text((wallTime + $0).seconds)))}"
        }
    }

    fileprivate static func list(_ elements: [String]) -> String { "[\(elements.joined(separator: ","))]" }

    /// With milliseconds where there are any; never less than it is.
    private static func seconds(_ span: Duration) -> String {
        let nanoseconds = span.clampedNanoseconds
        let milliseconds = (nanoseconds + 999_999) / 1_000_000
        let rest = milliseconds % 1000
        guard rest > 0 else { return String(milliseconds / 1000) }
        let digits = String(rest)
        return "\(milliseconds / 1000).\(String(repeating: "0", count: 3 - digits.count))\(digits)"
    }
}

extension GateBudget.Window {
    /// As metrics name it: as it is configured, with `run ` in front where it is one of `run_windows`.
    fileprivate var name: String { (isForRuns ? "run " : "") + window.name }
}

extension Caller {
    fileprivate var json: String {
        let rights = allow.map(\.rawValue).sorted()
        let itwins = (bounds?.itwins ?? []).map(\.text).sorted()
        return "{\"name\":\(JSONText.quoted(name)),\"via\":\(JSONText.quoted(via.rawValue)),"
            + "\"rights\":\(Self.list(rights)),\"itwins\":\(Self.list(itwins)),"
            + "\"operations\":\(Self.list(bounds?.operations ?? []))}"
    }

    private static func list(_ texts: [String]) -> String { OwnAnswer.list(texts.map(JSONText.quoted)) }
}
