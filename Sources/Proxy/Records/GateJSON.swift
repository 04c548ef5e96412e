// Windows and pauses as JSON, for tools (`/_proxy/budget`) and for operators (`/status.json`), and by what names.

import Ground
import RateLimiting

extension GateWindow {
    /// As it is configured, with `run ` in front where it is one of `run_windows`.
    func label(isForRuns: Bool) -> String { (isForRuns ? "run " : "") + name }
}

extension GateBudget.Window {
    var label: String { window.label(isForRuns: isForRuns) }

    var json: JSONObject {
        var object = JSONObject()
        object.add("window", label)
        object.add("limit", window.limit)
        object.add("used", used)
        object.add("remaining", remaining)
        object.add("next_free_seconds", seconds: nextFree)
        return object
    }

    /// When it is going to be full; nil: never, as things go.
    func exhausted(_ now: WallTime) -> String? { exhaustedIn.map { RFC3339.text((now + $0).seconds) } }
}

extension GateStatistics.Pause {
    var json: JSONObject {
        var object = JSONObject()
        object.add("scope", scope == .everything ? "all" : scope.text)
        object.add("seconds", seconds: remaining)
        object.add("cause", cause.rawValue)
        return object
    }
}
